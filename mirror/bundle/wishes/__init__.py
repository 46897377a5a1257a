"""What a lab asks for, and what became of it: events, what they amount to, and their files."""
