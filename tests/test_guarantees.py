"""The table of guarantees names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "guarantees.md"
LINK = re.compile(r"\[[\w./-]+\]\(([\w./-]+)\)((?:,? `\w+`)+)")


def rows() -> dict[str, str]:
    """The test column by the name of the guarantee."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| (G\d+) \| (.+) \| (.+) \|\Z", line):
            assert match[1] not in found, f"{match[1]} has two rows"
            found[match[1]] = match[3]
    return found


def functions(path: Path) -> set[str]:
    """Names of the test functions in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_guarantee_names_tests_that_are_there() -> None:
    found = rows()
    assert list(found) == [f"G{n}" for n in range(1, 14)]
    for name, tests in found.items():
        links = LINK.findall(tests)
        assert links, f"{name} links to no test"
        rest = re.sub(r"[;,.\s]|and", "", LINK.sub("", tests))
        assert not rest, f"{name} says {rest!r} beside links to tests with the functions' names"
        for target, names in links:
            path = (PAGE.parent / target).resolve()
            assert path.is_file(), f"{name} links to {target}, which is not there"
            for function in re.findall(r"`(\w+)`", names):
                assert function in functions(path), f"{name} names {function}, which is not in {target}"
