"""A page to look at: a finished pack before and after, or one pack through many models, blends and methods."""
