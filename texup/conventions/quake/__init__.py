"""Engines of Quake that read replacement textures."""
