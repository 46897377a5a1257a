"""Tests of the command line: real mirrors in temporary folders, a real hub on loopback."""
