from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "numpy", "timm", "rich", "scipy", "sklearn", "fsspec", "PIL"}
SHIPPED = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))


def loaded_modules(code: str) -> set[str]:
    """Names of the modules that a fresh process has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_recipes_imports_nothing_of_weight():
    assert not loaded_modules("import gentoolkit.recipe") & HEAVY


def test_checking_every_shipped_recipe_imports_nothing_of_weight():
    paths = [str(p) for p in SHIPPED if p.parent.name != "base"]
    code = f"from gentoolkit.recipe import load\nfor path in {paths!r}: load(path)"
    assert not loaded_modules(code) & HEAVY
