"""Layers that networks of several slots share."""
