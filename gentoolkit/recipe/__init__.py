"""Recipes: TOML -> layers -> a checked tree of config classes -> the resolved recipe; nothing here imports torch.

    loaded = load("quickstart", ["training.steps=100"])
    loaded.recipe.model.denoiser, loaded.facts.shape, loaded.resolved, loaded.run_id

The other modules, in the order in which a recipe goes through them: `find`, `positions`, `files`, `layers`,
`interpolation`, `local`, `structure`, `check`, `resolved`, `differences`.
"""

from .differences import Difference
from .find import find, shipped
from .loading import Loaded, differences, load
from .origins import Origin
from .problems import Note, Problem, RecipeError
from .tree import Recipe

__all__ = [
    "Difference",
    "Loaded",
    "Note",
    "Origin",
    "Problem",
    "Recipe",
    "RecipeError",
    "differences",
    "find",
    "load",
    "shipped",
]
