"""Chunks of a container's images, worked on by several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

from gentoolkit.registry import GentoolError

CHUNK = 256
"""Images of a chunk."""
Work = Callable[[range], Any]
_WORK: list[Work] = []


def numbers(n: int) -> range:
    """The chunks of n images."""
    return range(-(-n // CHUNK))


def chunk(number: int, n: int) -> range:
    """The images of chunk `number` among n."""
    return range(number * CHUNK, min((number + 1) * CHUNK, n))


def each_chunk(work: Work, wanted: Sequence[int], n: int, workers: int) -> Generator[tuple[int, Any], None, None]:
    """(number, `work(images)`) of the wanted chunks, in the order in which they are done; `work` runs in `workers` processes.

    Raises:
        GentoolError: a process was killed; and whatever `work` raises.
    """
    if workers <= 1 or len(wanted) <= 1:
        yield from ((number, work(chunk(number, n))) for number in wanted)
        return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    left = iter(wanted)
    with ProcessPoolExecutor(min(workers, len(wanted)), context, _begin, (work, os.getpid())) as pool:
        try:
            waiting = {pool.submit(_do, number, n) for number in islice(left, 2 * workers)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_do, number, n) for number in islice(left, len(done))}
                yield from (finished.result() for finished in done)
        except BrokenProcessPool as error:
            raise GentoolError("one of the processes was killed, perhaps for its memory; try fewer (--workers)") from error
        finally:
            pool.shutdown(cancel_futures=True)


def processes(asked: int | None) -> int:
    """How many processes to use: as many as asked for, or one for each core this process may use."""
    if asked is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(work: Work, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    _WORK[:] = [work]
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End when the parent was killed: nobody waits for more, and another start may be at the same files."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _do(number: int, n: int) -> tuple[int, Any]:
    return number, _WORK[0](chunk(number, n))
