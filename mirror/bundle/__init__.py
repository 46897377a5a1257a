"""What crosses the air gap: bundles and receipts, written, signed, checked and taken in."""
