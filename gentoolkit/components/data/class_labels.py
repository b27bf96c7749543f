"""Which class an image has: by the table of an archive, or by the folder that it lies in.

dataset.json   {"labels": [["00000/img00000000.png", 6], ...]}      StyleGAN's layout
folders        cat/1.png, dog/2.png                                 numbered in alphabetical order
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

TABLE = "dataset.json"


def labels_by_table(text: bytes, names: Sequence[str], classes: int | None, where: str) -> NDArray[np.int64]:
    """The classes `[n]` of the images called `names`, by the table `text` of the archive `where`; with `classes` None, any.

    Raises:
        GentoolError: the table cannot be read, leaves an image out, or has a label that is no class.
    """
    at = f"the {TABLE} in {where}"
    try:
        pairs = json.loads(text)["labels"]
        known = None if pairs is None else {str(name): label for name, label in pairs}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GentoolError(f'{at} has no table "labels" of [name, class] pairs; it is damaged, or of another layout') from error
    if known is None:
        raise GentoolError(f"{at} has no labels; write classes = 0 in [data] to do without")
    labels = np.empty(len(names), np.int64)
    for i, name in enumerate(names):
        label = known.get(name)
        if type(label) is not int:
            what = f"the label {label!r}, which is no class" if name in known else "no label"
            raise GentoolError(f"{at} has {what} for {name}; write classes = 0 in [data] to do without labels")
        if label < 0 or (classes is not None and label >= classes):
            fits = f"; write classes = {label + 1} or more in [data]" if label >= 0 else ""
            raise GentoolError(f"{at} has the label {label} for {name}, which is none of the {classes or 'classes'}{fits}")
        labels[i] = label
    return labels


def labels_by_folder(names: Sequence[str], classes: int | None, where: str) -> NDArray[np.int64]:
    """The classes `[n]` of images by their first-level folder; with `classes` None, however many there are.

    Raises:
        GentoolError: an image lies in no folder, or there is another number of them.
    """
    loose = next((n for n in names if "/" not in n), None)
    if loose is not None:
        raise GentoolError(f"{where}/{loose} lies in no subfolder, so it has no class; write classes = 0 in [data], or move it")
    first = [n.partition("/")[0] for n in names]
    known = sorted(set(first))
    if classes is not None and len(known) != classes:
        few = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
        raise GentoolError(f"{where} has {len(known)} subfolders of images ({few}); write classes = {len(known)} in [data]")
    number = {name: k for k, name in enumerate(known)}
    return np.array([number[n] for n in first], dtype=np.int64)
