"""How good a result is beside its source, and what is done where it is wrong."""
