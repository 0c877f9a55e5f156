"""Model services: what one is called, which models answer in it and how many instances."""
