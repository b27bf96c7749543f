"""`plugin_contract` seen from a plugin: what it runs, and what it says of what was forgotten."""

from __future__ import annotations

import sys
import types

import pytest

import gentoolkit
from gentoolkit.components.denoisers import mlp as denoisers
from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Facts, component, opt, plugins
from gentoolkit.testing import plugin_contract, tiny_facts


@component
class Good(Schedule):
    """A straight line."""

    scale: float = opt(help="nothing")

    def alpha_sigma(self, time, m):
        return 1 - time, time


@component
class Quiet(denoisers.MLP):
    """Takes nothing."""

    def check(self, facts):
        yield "use", "it never fits"


def toy(**more):
    module = types.ModuleType("toy_plugin")

    def gentoolkit_register(registry):
        registry.add("schedule", "straight", Good, "a straight line")
        registry.add("denoiser", "quiet", Quiet, "")
        registry.add("encoder", "gone", "toy_plugin.nowhere:Gone", "not there")

    module.gentoolkit_register = gentoolkit.hookimpl(gentoolkit_register)
    registry = plugins.Registry({"": plugins.Plugin("", plugins.CORE, "gentoolkit")})
    registry.add_module("toy", module, "toy 1.0")
    with plugins.use(registry):
        return plugin_contract("toy", **more)


def outcomes(contract):
    """Names of the tests that fail, with the components they fail for."""
    failed = set()
    for name, test in vars(contract).items():
        if name.startswith("test_") and name != "test_config_modules_import_no_torch":
            marks = getattr(test, "pytestmark", [])
            for case in [p.values[0] for p in marks[0].args[1]] if marks else [None]:
                try:
                    test(contract(), *[case][: len(marks)])
                except (Exception, pytest.fail.Exception):
                    failed.add((name.removeprefix("test_"), getattr(case, "id", "")))
    return failed


def test_what_a_plugin_forgot_is_told():
    failed = outcomes(toy(options={"schedule toy/strait": {}}))
    assert failed == {
        ("configs_it_can_be_loaded", "encoder toy/gone@1"),
        ("configs_it_says_what_it_is", "denoiser toy/quiet@1"),
        ("configs_a_recipe_can_name_it", "schedule toy/straight@1"),
        ("networks_something_fits_denoiser toy/quiet@1", ""),
        ("the_tables_of_this_contract_name_registered_components", ""),
    }


def test_options_facts_and_variants_are_used():
    table = {"schedule toy/straight": [{"scale": 1}, {"scale": 2.5}]}
    contract = toy(options=table, facts={"denoiser toy/quiet": [tiny_facts(latent=2), tiny_facts("image")]})
    assert {name for name, _ in outcomes(contract)} == {"configs_it_can_be_loaded", "configs_it_says_what_it_is"}
    cases = contract.test_schedules_torch_and_math_agree.pytestmark[0].args[1]
    assert [p.id for p in cases] == ["schedule toy/straight scale=1", "schedule toy/straight scale=2.5"]
    assert [p.values[0].config.scale for p in cases] == [1.0, 2.5]
    facts = contract.test_networks_shapes_and_dtypes_are_as_promised.pytestmark[0].args[1]
    assert [p.values[0].facts.shape for p in facts] == [(2,), (1, 8, 8)]


def test_a_plugin_that_is_not_there_is_told():
    registry = plugins.Registry({"": plugins.Plugin("", plugins.CORE, "gentoolkit")})
    with plugins.use(registry):
        assert outcomes(plugin_contract("nobody")) == {("the_plugin_registers_components", "")}


def test_a_config_module_that_imports_torch_is_told(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("")  # a quick one
    (tmp_path / "heavy_plugin.py").write_text("import torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    from gentoolkit.testing.configs import config_modules_import_no_torch

    with pytest.raises(AssertionError, match="importing heavy_plugin imports torch"):
        config_modules_import_no_torch([], "heavy_plugin")
    assert "heavy_plugin" not in sys.modules


def test_facts_are_those_of_a_recipe():
    """`tiny_facts` is what the check of a real recipe ends up with, as far as both speak of the same."""
    from gentoolkit.recipe import load

    loaded = load(
        {
            "data": "digits",
            "model": {"denoiser": "mlp", "latent": {"use": "gaussian", "dim": 3, "width": 5}, "condition": "class"},
            "method": {"use": "ddgan", "discriminator": "mlp"},
            "training": {"steps": 20, "batch_size": 8},
        }
    ).facts
    tiny = tiny_facts("image", latent=3, classes=10, data="digits", any_time=True)
    assert loaded == tiny
    assert isinstance(tiny, Facts)
