"""What several loaders have in common."""
