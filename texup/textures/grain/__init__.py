"""Grain: noise of a texture's own kind, laid over what a net made of its surfaces."""
