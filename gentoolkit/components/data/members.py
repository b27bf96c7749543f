"""What members of an archive may be called and how large they may be. Nothing is extracted; names are judged all the same.

Every member is bounded by itself and by what its packed bytes could honestly become, and all together by the archive.
"""

from __future__ import annotations

from .decoding import SUFFIXES, UnusableError

LARGEST = 2**26
"""Bytes of one image member, 64 MiB."""
LARGEST_TABLE = 2**28
"""Bytes of a table of labels or names."""
MOST = 2**25
"""Members of an archive."""
RATIO = 100
"""Times its packed size that a member may unpack to, beyond the first mebibyte."""
FREE = 2**20


def is_image(name: str) -> bool:
    """Whether a member is an image by its name; what macOS adds beside each file is none."""
    return name.lower().endswith(SUFFIXES) and not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith("._")


def name_trouble(name: str) -> str | None:
    """Why a member's name is refused: it leads out of the archive, or hides where it leads."""
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "has an absolute name"
    if ".." in name.replace("\\", "/").split("/"):
        return "has a name with '..' that leads out of the archive"
    if "\0" in name:
        return "has a name with a zero byte"
    return None


def size_trouble(unpacked: int, packed: int, largest: int = LARGEST) -> str | None:
    """Why a member's sizes are refused."""
    if unpacked < 0 or packed < 0:
        return "has a negative size"
    if unpacked > largest:
        return f"would be {unpacked} bytes, more than {largest}"
    if packed > FREE + unpacked:
        return f"has {packed} packed bytes for {unpacked} unpacked ones"
    if unpacked > FREE + RATIO * packed:
        return f"would unpack to {unpacked} bytes out of {packed}, more than {RATIO} times as many"
    return None


def whole(content: bytes, wanted: int) -> bytes:
    """The bytes of a member, all of them.

    Raises:
        UnusableError: the archive ends within it.
    """
    if len(content) != wanted:
        raise UnusableError(f"is cut off: the archive ends after {len(content)} of its {wanted} bytes")
    return content
