"""The control plane of `ct serve`: what is served where, scaled and rolled out how."""
