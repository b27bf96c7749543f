"""The door to checking a recipe, shallow or deep; torch is imported by the deep one alone."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from gentoolkit.recipe import Loaded, load
from gentoolkit.recipe.loading import Source


def check(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    nproc: int = 1,
    files: bool = False,
    trust_local: bool | None = None,
    deep: bool = False,
) -> Loaded:
    """Load and check a recipe; nothing is opened.

    Args:
        source: a file, a run folder, the name of a shipped recipe, a dictionary, or a `Recipe`.
        overrides: `key=value` arguments, such as `model.denoiser.width=96`.
        nproc: number of processes that the run will have, for the batch of each.
        files: whether missing data files are problems.
        trust_local: whether `[local] modules` may be run; unless given, they may if they are no part of an exported model.
        deep: whether the parts are built at their real size, without memory, and every loss is run; `Loaded.deep` then holds
            the `DeepReport`.

    Raises:
        RecipeError: everything that is wrong, at once.
        GentoolError: there is no such recipe.
    """
    loaded = load(source, overrides, nproc, files, trust_local)
    if not deep:
        return loaded
    from .deep import deep_check

    return evolve(loaded, deep=deep_check(loaded))
