"""What rows are: columns, batches, windows, splits, validation."""
