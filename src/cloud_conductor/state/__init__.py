"""The operational databases: three SQLite files on one machine, or one PostgreSQL by URL."""
