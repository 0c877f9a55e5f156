"""Business processes."""
