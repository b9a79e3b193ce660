"""PCSX2, the PlayStation 2 emulator."""
