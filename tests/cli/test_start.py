"""How quickly the command line starts, and what it leaves unimported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "timm", "rich", "cattrs", "numpy", "fsspec", "sklearn", "PIL", "pluggy", "attrs"}


def imported(arguments: list[str], cwd: Path) -> set[str]:
    """The heavy packages that `gentool ARGUMENTS` imports."""
    code = (
        "import sys\n"
        "from gentoolkit.cli import main\n"
        f"sys.argv = ['gentool', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', *sorted(set(sys.modules) & {HEAVY!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_help_imports_click_and_nothing_else_of_weight(arguments: list[str], tmp_path: Path) -> None:
    assert imported(arguments, tmp_path) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["components"],
        ["explain", "denoiser", "unet"],
        ["check", "quickstart"],
        ["check", "gaussians25/ddgan"],
        ["plugins"],
        ["train", "--help"],
    ],
)
def test_listing_explaining_and_checking_never_import_torch(arguments: list[str], tmp_path: Path) -> None:
    assert not imported(arguments, tmp_path) & {"torch", "timm", "sklearn", "numpy"}
