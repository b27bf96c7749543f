from __future__ import annotations

import subprocess
import sys

HEAVY = {"torch", "numpy", "timm", "rich", "scipy", "sklearn", "fsspec", "PIL"}


def loaded_modules(code: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(printed.stdout.split())


def test_importing_recipes_imports_nothing_of_weight():
    assert not loaded_modules("import gentoolkit.recipe") & HEAVY
