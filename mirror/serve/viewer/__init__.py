"""What the Hub answers as datasets-server: subsets, splits, rows, statistics, from the files."""
