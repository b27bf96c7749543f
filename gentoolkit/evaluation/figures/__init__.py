"""Figures of a run as data, and as pictures of it: each function takes a run and a seed, and the same two give the same figure.

strip(run, 8).picture().save("strip.png")
"""
