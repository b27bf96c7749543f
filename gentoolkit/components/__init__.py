"""The interchangeable parts: one folder per slot, the slot's contract in the folder's `__init__.py`."""
