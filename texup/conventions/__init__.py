"""What is known of the loaders: one folder or module for each, and what they share."""
