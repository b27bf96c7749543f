"""Torch's index of a checkpoint (`.metadata`), a pickle, read without running anything of it.

A pickle may name any function to be called. This one names a few plain classes of torch's, and whatever else it names is
refused: a checkpoint that a stranger made can be wrong or too large, but it runs nothing.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

import torch
from torch.distributed.checkpoint.metadata import Metadata

KNOWN = frozenset(
    {
        ("torch", "Size"),
        ("torch.serialization", "_get_layout"),
        ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
        *(
            ("torch.distributed.checkpoint.metadata", name)
            for name in (
                "BytesStorageMetadata",
                "ChunkStorageMetadata",
                "Metadata",
                "MetadataIndex",
                "StorageMeta",
                "TensorProperties",
                "TensorStorageMetadata",
                "_MEM_FORMAT_ENCODING",
            )
        ),
    }
)
"""Modules and names that an index consists of, besides the types of numbers."""


class RefusedError(ValueError):
    """An index that names something that no index of torch's does."""


class Unpickler(pickle.Unpickler):
    """Knows the classes of an index alone."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names, if an index may.

        Raises:
            RefusedError: it may not.
        """
        if module == "torch" and isinstance(found := getattr(torch, name, None), torch.dtype):
            return found
        if (module, name) not in KNOWN:
            raise RefusedError(f"its .metadata names {module}.{name}, which is no part of a checkpoint; nothing of it was run")
        return super().find_class(module, name)


def read_index(stream: IO[bytes]) -> Metadata:
    """The index that a stream holds.

    Raises:
        RefusedError: it is none, or more than one.
        pickle.UnpicklingError: it is no pickle.
    """
    found = Unpickler(stream).load()
    if not isinstance(found, Metadata):
        raise RefusedError(f"its .metadata holds a {type(found).__name__}, which is no index of a checkpoint")
    return found
