"""Training of the weights that texup ships."""
