"""The parts of scripts/test-clients."""
