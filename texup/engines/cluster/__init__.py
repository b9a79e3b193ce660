"""What several workers need, whatever starts them: shards of work, what a worker does, and what it must have."""
