"""What the documentation shows can be read by the language it is in."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_parse(page: Path) -> None:
    for language, snippet in re.findall(r"^```(python|toml)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
        if language == "python":
            ast.parse(snippet)
        else:
            tomllib.loads(snippet)
