"""What can be found: a SQLite database derived from the store."""
