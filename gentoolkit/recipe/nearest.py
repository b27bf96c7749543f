"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

_LONGEST = 80
_MOST = 500


def nearest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Up to `count` of the known names that are most like `name`, best first; bounded in time whatever is asked."""
    if len(name) > _LONGEST:
        return []
    few = [k for k in islice(dict.fromkeys(known), _MOST) if len(k) <= _LONGEST and k != name]
    return difflib.get_close_matches(name, few, count)
