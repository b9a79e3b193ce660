"""How training goes: the loop, its checkpoints, records and measurements."""
