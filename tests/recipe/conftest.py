from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gentoolkit.registry import plugins

sys.path.insert(0, str(Path(__file__).parent))

from toys import GOOD, toy_registry


@pytest.fixture(autouse=True)
def toys():
    with plugins.use(toy_registry()) as registry:
        yield registry


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def make(text: str = GOOD, name: str = "r.toml", **more: str) -> Path:
        for file, content in {name: text, **{k.replace("__", "/") + ".toml": v for k, v in more.items()}}.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return tmp_path / name

    return make
