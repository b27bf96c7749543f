"""Files of weights that networks need: known by name and sha256, looked up on this machine only, never downloaded.

Looked up in the folders of $GENTOOL_WEIGHTS, then in torch's and Hugging Face's caches if they hold the very file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import frozen

from gentoolkit.registry import GentoolError

from ..npz_files import file_sha256

FOLDERS = "GENTOOL_WEIGHTS"


@frozen
class WeightFile:
    """A file of weights: the first of `names` that is there."""

    names: tuple[str, ...]
    source: str
    """Where it comes from."""
    sha256: str = ""
    """Its sha256, as many digits as are known for sure."""
    hub: str = ""
    """The Hugging Face repository that holds it as model.safetensors."""

    def find(self) -> Path:
        """Where it lies.

        Raises:
            GentoolError: it is nowhere, or what lies under its name in $GENTOOL_WEIGHTS is another file.
        """
        for folder in weight_folders():
            for name in self.names:
                path = folder / name
                if path.is_file():
                    if not file_sha256(path).startswith(self.sha256):
                        raise GentoolError(
                            f"{path} is not the file of that name: its sha256 does not begin with "
                            f"{self.sha256}; get {self.source}"
                        )
                    return path
        for path in self._cached():
            return path
        places = ", ".join(map(str, weight_folders())) or "which is not set"
        known = f" (sha256 {self.sha256}...)" if self.sha256 else ""
        raise GentoolError(
            f"the weights {' or '.join(self.names)} are not on this machine; get {self.source}{known} and put it into a folder "
            f"named in ${FOLDERS} ({places})"
        )

    def trouble(self) -> str | None:
        """Why it cannot be used, or None."""
        try:
            self.find()
        except GentoolError as error:
            return str(error)
        return None

    def _cached(self) -> Iterable[Path]:
        """Whole copies in caches, known by their sha256."""
        if self.sha256:
            for name in self.names:
                path = torch_cache() / name
                if path.is_file() and file_sha256(path).startswith(self.sha256):
                    yield path
        if self.hub:
            kept = hub_cache() / f"models--{self.hub.replace('/', '--')}" / "snapshots"
            for path in sorted(kept.glob("*/model.safetensors")):
                if path.is_file() and file_sha256(path) == path.resolve().name:  # blobs are named by their sha256
                    yield path


@frozen
class OwnFile:
    """The user's own file of weights."""

    path: str

    def find(self) -> Path:
        """The file.

        Raises:
            GentoolError: it is not there.
        """
        if not Path(self.path).is_file():
            raise GentoolError(f"there is no file of weights {self.path}")
        return Path(self.path)

    def trouble(self) -> str | None:
        """Why it cannot be used, or None."""
        return None if Path(self.path).is_file() else f"there is no file of weights {self.path}"


def weight_folders() -> list[Path]:
    """The folders of $GENTOOL_WEIGHTS."""
    return [Path(p).expanduser() for p in os.environ.get(FOLDERS, "").split(os.pathsep) if p]


def torch_cache() -> Path:
    """Where torch.hub, and torch-fidelity through it, keeps weights."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return Path(os.environ.get("TORCH_HOME", cache / "torch")).expanduser() / "hub" / "checkpoints"


def hub_cache() -> Path:
    """Where huggingface_hub keeps files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("HF_HOME", cache / "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def missing_weights(parts: Iterable[Any]) -> list[str]:
    """What is wrong with the files of weights that components need, each said once."""
    found = [file.trouble() for part in parts if hasattr(part, "weight_files") for file in part.weight_files()]
    return list(dict.fromkeys(said for said in found if said))
