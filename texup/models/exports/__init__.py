"""Weights and nets as other programs take them."""
