"""Bytes and snapshots on disk. No network, no SQL."""
