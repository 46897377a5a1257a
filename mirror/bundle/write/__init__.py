"""Out: what a bundle will hold, how it is laid out on volumes, and writing it."""
