"""Configuration and adapter names become ready flows: the only place that knows both sides."""
