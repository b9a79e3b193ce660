"""PPSSPP, the PlayStation Portable emulator."""
