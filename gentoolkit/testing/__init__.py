"""The contract tests that every component, built in or a plugin's, must pass; for your own pytest.

from gentoolkit.testing import plugin_contract

TestAcme = plugin_contract("acme", options={"method acme/distil": {"teacher": "runs/teacher"}})

One suite a slot, one file a suite; `tiny_facts`, `tiny_parts`, `tiny_batch` make the small surroundings that they run in.
"""

from __future__ import annotations

import pytest

SUITES = (
    "augmentations",
    "configs",
    "data",
    "latents",
    "methods",
    "metrics",
    "networks",
    "observers",
    "optimizers",
    "parametrizations",
    "regularizers",
    "samplers",
    "schedules",
)
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in (*SUITES, "plugin")))

from .plugin import plugin_contract  # noqa: E402
from .suite import Case, Suite  # noqa: E402
from .tiny import tiny_batch, tiny_condition, tiny_draw, tiny_facts, tiny_parts  # noqa: E402

__all__ = [
    "Case",
    "Suite",
    "plugin_contract",
    "tiny_batch",
    "tiny_condition",
    "tiny_draw",
    "tiny_facts",
    "tiny_parts",
]
