"""Looking a source over: how many images, of what sizes and kinds, and which of them cannot be used and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import field, frozen

from gentoolkit.registry import GentoolError

from .chunks import chunk, each_chunk, numbers, processes
from .containers import Container
from .decoding import UnusableError, look
from .opening import open_container


@frozen
class Survey:
    """What a source holds."""

    source: str
    use: str
    """The data component that reads it."""
    images: int
    sizes: Counter[tuple[int, int]] = field(factory=Counter)
    """Images of each (height, width)."""
    modes: Counter[str] = field(factory=Counter)
    """Images of each kind of pixel: RGB, L, RGBA, ..."""
    formats: Counter[str] = field(factory=Counter)
    """Images of each file format; `raw` for pixels."""
    classes: int | None = None
    """How many classes its images have; None without classes."""
    unusable: list[tuple[str, str]] = field(factory=list)
    """(name, reason) of images that cannot be used."""


@frozen
class Looker:
    """Opens and unpacks some images of a container."""

    container: Container

    def __call__(self, images: range) -> tuple[Counter[tuple[int, int]], Counter[str], Counter[str], list[tuple[int, str]]]:
        """Sizes, modes, formats, and (number, reason) of those that cannot be used."""
        sizes: Counter[tuple[int, int]] = Counter()
        modes: Counter[str] = Counter()
        formats: Counter[str] = Counter()
        bad = []
        for i in images:
            try:
                seen = look(self.container.read(i))
            except UnusableError as error:
                bad.append((i, str(error)))
                continue
            sizes[seen.height, seen.width] += 1
            modes[seen.mode] += 1
            formats[seen.format] += 1
        return sizes, modes, formats, bad


def survey(
    source: str,
    *,
    workers: int | None = None,
    split: str = "train",
    columns: tuple[str, str] = ("image", "label"),
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Unpack every image of a source once and count.

    Args:
        source: anything that `open_container` opens.
        workers: processes; one for each core if left out.
        split: of sources that hold two.
        columns: of images and labels in parquet files.
        progress: called with (images done, of how many).

    Raises:
        GentoolError: the source itself cannot be opened.
    """
    container = open_container(source, *columns, split)
    n = len(container.names)
    found = Survey(source, container.use, n, classes=classes_of(container))
    found.unusable.extend(container.refused)
    bad: list[tuple[int, str]] = []
    done = 0
    for number, (sizes, modes, formats, unusable) in each_chunk(Looker(container), numbers(n), n, processes(workers)):
        found.sizes.update(sizes)
        found.modes.update(modes)
        found.formats.update(formats)
        bad += unusable
        done += len(chunk(number, n))
        if progress is not None:
            progress(done, n)
    found.unusable.extend((container.names[i], why) for i, why in sorted(bad))
    return found


def classes_of(container: Container) -> int | None:
    """How many classes the images of a container have; None where they have none, or one for all."""
    try:
        labels = container.labels(None)
    except GentoolError:
        return None
    return int(labels.max()) + 1 if len(labels) and labels.max() > 0 else None
