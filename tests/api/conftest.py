from tests.api.fixtures import offline, offline_root, small, synced

__all__ = ["offline", "offline_root", "small", "synced"]
