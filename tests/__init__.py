"""Tests of mirror: real files, real SQLite, the real clients against a hub on loopback."""
