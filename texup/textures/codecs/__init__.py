"""Files of textures to and from arrays."""
