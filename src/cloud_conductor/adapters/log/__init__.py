"""Event logs (ports.log.EventLog), and the group commit that any of them can stand behind."""
