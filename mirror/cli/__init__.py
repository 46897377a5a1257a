"""The command line. The only room that turns values and errors into text."""
