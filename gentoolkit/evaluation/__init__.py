"""Measuring runs: quality, diversity and speed, every number with its protocol."""
