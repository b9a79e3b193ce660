"""Engines run the nets of a run over many textures."""
