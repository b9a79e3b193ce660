"""Dolphin, the GameCube and Wii emulator."""
