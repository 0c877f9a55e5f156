"""Business operations."""
