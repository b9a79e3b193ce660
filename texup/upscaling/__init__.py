"""The way of a pack from its folder to the replacement pack."""
