"""The device that nets run on: what is there, in which type, with how much memory."""
