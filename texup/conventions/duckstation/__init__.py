"""DuckStation, the PlayStation emulator."""
