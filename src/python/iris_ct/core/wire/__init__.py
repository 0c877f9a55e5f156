"""The protocols in which predictions are asked for: bytes in and bytes out."""
