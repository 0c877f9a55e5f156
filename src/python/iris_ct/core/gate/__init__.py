"""The promotion gate: promote, hold or reject a challenger, with every check written down."""
