"""The images of tar archives by their offsets: headers are walked once, a member is read when it is asked for.

One archive or many (shards), in the order of their names; within one, in the order of its members. Classes by a `dataset.json`
in the first shard that has one, else by a `.cls` member beside each image (WebDataset's layout), else by first-level folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .at_offset import FileAt
from .class_labels import TABLE, labels_by_folder, labels_by_table
from .located import local_files
from .members import LARGEST_TABLE, MOST, is_image, name_trouble, size_trouble, whole
from .tar_headers import TarMember, walk

CLASS = ".cls"
LONGEST_CLASS = 64


@frozen
class Part:
    """A member of one of several archives."""

    shard: int
    member: TarMember


class TarFiles:
    """Images in one or more tar archives.

    Raises:
        GentoolError: an archive is missing, compressed, damaged or cut off.
    """

    use = "image-tar"

    def __init__(self, source: str) -> None:
        self.source = source
        self.refused: list[tuple[str, str]] = []
        paths = local_files(source, ".tar")
        self._shards = [FileAt(path) for path in paths]
        self._many = len(paths) > 1
        self._images: list[Part] = []
        self._classes: dict[tuple[int, str], TarMember] = {}
        self._table: Part | None = None
        for shard, file in enumerate(self._shards):
            at = source if not self._many else file.path
            for member in walk(file.read, file.size, at):
                self._sort_in(Part(shard, member))
        self.names = [self._shard_name(p.shard) + p.member.name for p in self._images]

    def where(self, name: str) -> str:
        """A member in a message: the archive and its name."""
        return f"{self.source}: {name}"

    def read(self, i: int) -> bytes:
        """The bytes of member i."""
        part = self._images[i]
        return whole(self._shards[part.shard].read(part.member.offset, part.member.size), part.member.size)

    def marks(self) -> Iterator[bytes]:
        """The members' sizes."""
        for part in self._images:
            yield b"%d" % part.member.size

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """Classes by table, `.cls` members or folders."""
        names = [p.member.name for p in self._images]
        if self._table is not None:
            member = self._table.member
            text = self._shards[self._table.shard].read(member.offset, member.size)
            return labels_by_table(text, names, classes, self.source)
        if self._classes:
            return np.array([self._class_beside(p, classes) for p in self._images], np.int64)
        return labels_by_folder(names, classes, self.source)

    def _sort_in(self, part: Part) -> None:
        member = part.member
        name = member.name.removeprefix("./")
        image = is_image(name)
        if not image and name != TABLE and not name.endswith(CLASS):
            return
        trouble = name_trouble(member.name) or ("is a link; put the file itself into the archive" if member.link else None)
        largest = {True: {}, False: {"largest": LARGEST_TABLE}}[image]
        trouble = trouble or size_trouble(member.size, member.size, **largest)
        if trouble and image:
            self.refused.append((self._shard_name(part.shard) + member.name, trouble))
        elif trouble:
            raise GentoolError(f"{self.where(member.name)} {trouble}")
        elif image:
            self._images.append(part)
            if len(self._images) > MOST:
                raise GentoolError(f"{self.source} has more than {MOST} images")
        elif name == TABLE:
            self._table = self._table or part
        else:
            self._classes[part.shard, _stem(member.name)] = member

    def _class_beside(self, part: Part, classes: int | None) -> int:
        member = self._classes.get((part.shard, _stem(part.member.name)))
        text = b"" if member is None else self._shards[part.shard].read(member.offset, min(member.size, LONGEST_CLASS)).strip()
        where = self.where(self._shard_name(part.shard) + part.member.name)
        if not text.isdigit():
            raise GentoolError(f"{where} has no number in a {CLASS} member beside it; write classes = 0 in [data]")
        if classes is not None and int(text) >= classes:
            raise GentoolError(f"{where} is of class {int(text)}; write classes = {int(text) + 1} or more in [data]")
        return int(text)

    def _shard_name(self, shard: int) -> str:
        return f"{Path(self._shards[shard].path).name}/" if self._many else ""


def _stem(name: str) -> str:
    """The key of a sample in WebDataset's sense: the name up to the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]
