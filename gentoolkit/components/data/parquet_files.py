"""The images of parquet files: a column of encoded images, as bytes or as Hugging Face's `{bytes, path}`.

Rows lie in groups that are packed as one, so row i costs the rows of its group before it. Reading in order is quick, and
`gentool data pack` reads in order; training straight from parquet wants small groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import define
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .decoding import UnusableError
from .located import local_files
from .members import LARGEST, MOST
from .packed_files import Numbers

LARGEST_GROUP = 2**30
"""Bytes of the images of one row group."""
BATCH = 16
"""Rows that are unpacked at once."""


@define
class Place:
    """How far one process has read in one row group."""

    owner: int
    path: int
    group: int
    file: Any
    batches: Any
    first: int = 0
    rows: Any = ()
    """Of the batch that starts at row `first` of the group."""


class ParquetFiles:
    """Images in one or more parquet files; classes by a column of whole numbers.

    Raises:
        GentoolError: a file is missing or damaged, has no such columns, or pyarrow is not installed.
    """

    use = "image-parquet"

    def __init__(self, source: str, image: str = "image", label: str = "label") -> None:
        self.source, self.image, self.label = source, image, label
        self.refused: list[tuple[str, str]] = []
        self._paths = local_files(source, ".parquet")
        rows: list[int] = []
        self._groups: list[tuple[int, int]] = []
        for number, path in enumerate(self._paths):
            for group, length in enumerate(self._judge(path)):
                self._groups.append((number, group))
                rows.append(length)
        self._starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
        if self._starts[-1] > MOST:
            raise GentoolError(f"{source} has {self._starts[-1]} rows; at most {MOST} are read")
        self.names = Numbers(range(int(self._starts[-1])))
        self._place: Place | None = None

    def where(self, name: str) -> str:
        """A row in a message: the source and the row's number."""
        return f"{self.source}: row {name}"

    def read(self, i: int) -> bytes:
        """The image file in row i."""
        try:
            content = self._row(i)
        except Exception as error:  # pyarrow's own errors, on damaged pages
            self._place = None
            raise UnusableError(f"cannot be read: {error}") from error
        if not isinstance(content, bytes):
            raise UnusableError("is empty: its image has no bytes")
        if len(content) > LARGEST:
            raise UnusableError(f"is larger than {LARGEST} bytes")
        return content

    def marks(self) -> Iterator[bytes]:
        """What each file's footer says of its groups."""
        for path in self._paths:
            yield f"{os.path.getsize(path)} {self._footer(path).metadata.serialized_size}".encode()

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """The column of labels."""
        import pyarrow as pa

        found = []
        for path in self._paths:
            schema = self._footer(path).schema_arrow
            if self.label not in schema.names or not pa.types.is_integer(schema.field(self.label).type):
                names = ", ".join(n for n in schema.names if pa.types.is_integer(schema.field(n).type)) or "none"
                said = f"{path} has no column '{self.label}' of whole numbers (there is: {names})"
                raise GentoolError(f"{said}; write label = ..., or classes = 0, in [data]")
            column = self._footer(path).read(columns=[self.label])[self.label]
            if column.null_count:
                raise GentoolError(f"{path} has {column.null_count} rows without '{self.label}'; write classes = 0 in [data]")
            found.append(column.to_numpy().astype(np.int64))
        labels = np.concatenate(found)
        if labels.min() < 0 or (classes is not None and labels.max() >= classes):
            raise GentoolError(
                f"{self.source} has labels from {labels.min()} to {labels.max()}; write classes = {labels.max() + 1} in [data]"
            )
        return labels

    def _judge(self, path: str) -> Iterator[int]:
        """Rows of each group of a file that has the column of images."""
        file = self._footer(path)
        import pyarrow as pa

        schema = file.schema_arrow
        if self.image == "image" and "image" not in schema.names and "img" in schema.names:
            self.image = "img"
        kind: Any = schema.field(self.image).type if self.image in schema.names else pa.null()
        inner = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        if not (pa.types.is_binary(inner) or pa.types.is_large_binary(inner)):
            said = f"{path} has no column '{self.image}' of bytes or {{bytes, path}} (there is: {', '.join(schema.names[:8])})"
            raise GentoolError(f"{said}; write image = ... in [data]")
        for group in range(file.metadata.num_row_groups):
            about = file.metadata.row_group(group)
            columns = [about.column(k) for k in range(about.num_columns)]
            size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema.partition(".")[0] == self.image)
            if size > LARGEST_GROUP:
                raise GentoolError(f"{path} has {size} bytes of images in one row group; at most {LARGEST_GROUP} are read")
            yield about.num_rows

    def _footer(self, path: str) -> Any:
        parquet = _parquet()
        try:
            return parquet.ParquetFile(path, pre_buffer=False)
        except Exception as error:  # pyarrow raises several kinds on damaged bytes
            raise GentoolError(f"{path} cannot be read as a parquet file: {error or type(error).__name__}") from error

    def _row(self, i: int) -> Any:
        group = int(np.searchsorted(self._starts, i, side="right")) - 1
        within, place = i - int(self._starts[group]), self._place
        if place is None or place.owner != os.getpid() or place.group != group or within < place.first:
            place = self._place = self._start(group)
        while within >= place.first + len(place.rows):
            place.first += len(place.rows)
            place.rows = next(place.batches).column(0)
        value = place.rows[within - place.first].as_py()
        return value["bytes"] if isinstance(value, dict) else value

    def _start(self, group: int) -> Place:
        """The first row of a group, in this process."""
        path, number = self._groups[group]
        old = self._place
        file = old.file if old is not None and (old.owner, old.path) == (os.getpid(), path) else self._footer(self._paths[path])
        field = file.schema_arrow.field(self.image).type
        column = self.image if field.num_fields == 0 else f"{self.image}.bytes"
        batches = file.iter_batches(batch_size=BATCH, row_groups=[number], columns=[column], use_threads=False)
        return Place(os.getpid(), path, group, file, batches)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_place": None}


def _parquet() -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise GentoolError('parquet files need the package pyarrow: pip install "gentoolkit[data]"') from error
    return parquet
