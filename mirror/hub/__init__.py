"""Upstream: the only room that speaks to the Hub (metadata, and the bytes of files)."""
