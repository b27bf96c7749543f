"""One thread per test process: tiny networks are slower on more, and the suite runs one process per core."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GENTOOL_CACHE", tempfile.mkdtemp(prefix="gentoolkit-cache-"))

# The real package starts a service and is not among the development dependencies.
_place = importlib.util.spec_from_file_location("wandb", Path(__file__).parent / "wandb_standin.py")
assert _place is not None
assert _place.loader is not None
sys.modules["wandb"] = importlib.util.module_from_spec(_place)
_place.loader.exec_module(sys.modules["wandb"])
