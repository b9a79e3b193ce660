"""From options to a run, and what is told of it."""
