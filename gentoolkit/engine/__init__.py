"""The training engine: one loop for every method, on one CPU or on many machines. Start reading at `loop.py`."""
