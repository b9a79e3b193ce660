"""Loaders of Nintendo 64 packs: GLideN64, Rice and RT64."""
