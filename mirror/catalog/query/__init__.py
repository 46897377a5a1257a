"""What somebody looks for, as a value: the fields, the language, and its errors."""
