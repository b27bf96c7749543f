"""How many samples the device takes at once: as many as it is given, until its memory runs out; then half, and half again.

Noise is keyed by sample, so a chunk that is drawn in parts has the samples that it would have as a whole, but for rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from gentoolkit.registry import GentoolError

T = TypeVar("T")
ON_A_CPU = ("not enough memory", "can't allocate memory", "cannot allocate memory")
"""What torch's RuntimeError says where the CPU's memory ran out."""


def ran_out(error: BaseException) -> bool:
    """Whether an error means that there was not enough memory for what was computed."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in ON_A_CPU)


def say(text: str) -> None:
    """A warning, on stderr."""
    sys.stderr.write(f"warning: {text}\n")


class Room:
    """What fits into memory at once, of one kind of work in this process.

    Args:
        what: the work, for messages: `drawn`, `measured`.
        warn: where it is said, once, that less fits than was asked for.
    """

    def __init__(self, what: str, warn: Callable[[str], None] = say) -> None:
        self.what, self.warn = what, warn
        self.most: int | None = None
        """Samples at once; None while everything has fitted."""
        self._said = False

    def within(self, n: int, work: Callable[[list[range]], T]) -> T:
        """What `work` makes of `n` samples, which it gets as ranges that are to be computed one by one; it is called again with
        smaller ones where memory ran out.

        Raises:
            GentoolError: not even one sample fits.
        """
        while True:
            size = min(n, self.most or n)
            try:
                return work([range(first, min(n, first + size)) for first in range(0, n, size)])
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                if size == 1:
                    raise GentoolError(
                        f"memory ran out while a single sample was {self.what} ({str(error).partition(chr(10))[0]}); "
                        "use a device with more of it"
                    ) from error
            self.most = -(-size // 2)  # here the error, and with it what the failed try held, is gone
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if not self._said:
                self._said = True
                self.warn(f"{size} samples at once do not fit into memory; {self.most} or fewer are {self.what} at once")

    def looked(self, look: Callable[[Any], dict[str, Any]], samples: Any) -> dict[str, Any]:
        """The arrays that `look` gives of samples, each row of which is a function of its sample."""

        def work(ranges: list[range]) -> dict[str, Any]:
            parts = [look(samples[r.start : r.stop]) for r in ranges]
            return parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

        return self.within(len(samples), work)
