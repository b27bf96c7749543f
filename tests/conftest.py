"""One thread per test process: tiny networks are slower on more, and the suite runs one process per core."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
