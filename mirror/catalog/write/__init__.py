"""Records into the database: rows, sets of repos by value, the index of words; published."""
