"""The intake as cloud functions: object created, queue batch, webhook."""
