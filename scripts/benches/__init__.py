"""Benchmarks: whole commands, timed from outside, side by side with a baseline."""
