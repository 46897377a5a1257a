"""The read API of the Hub, answered from a mirror folder. No network upwards, no SQL."""
