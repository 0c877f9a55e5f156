"""The data plane of `ct serve`: one HTTP port, model workers as processes. Kept light."""
