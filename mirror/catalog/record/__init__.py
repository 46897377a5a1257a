"""What is known of a repo, read from its card, its files and upstream's answer, as one value."""
