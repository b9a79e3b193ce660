"""GZDoom and other ports of Doom."""
