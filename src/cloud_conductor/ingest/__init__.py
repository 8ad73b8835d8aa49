"""Everything that comes in: thin events fetched, sources swept, the log archived as raw files."""
