"""What is in a folder of textures, and what is done with each."""
