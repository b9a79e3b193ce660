"""What a call does, whoever makes it: from what was asked for to a run, and from the run to its summary."""
