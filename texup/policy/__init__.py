"""What is done with a texture, and why: kinds, roles of names, and the user's rules."""
