"""Nets of other people, and how they are watched."""
