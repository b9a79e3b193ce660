"""Resource packs of Minecraft: Java Edition."""
