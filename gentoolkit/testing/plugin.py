"""`plugin_contract`: every suite over everything that a namespace registers, as one pytest class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from gentoolkit.registry import Facts, Registry, get_registry
from gentoolkit.registry.plugins import use

from . import configs
from .augmentations import AUGMENTATIONS
from .data import DATA
from .features import FEATURES
from .latents import LATENTS
from .methods import METHODS
from .metrics import METRICS
from .networks import NETWORKS
from .observers import OBSERVERS
from .optimizers import LR_SCHEDULES, OPTIMIZERS
from .parametrizations import PARAMETRIZATIONS
from .regularizers import REGULARIZERS
from .samplers import SAMPLERS
from .schedules import SCHEDULES
from .suite import Snippets, Subject, Suite

SUITES: Mapping[str, Suite] = {
    "augmentation": AUGMENTATIONS,
    "data": DATA,
    "denoiser": NETWORKS,
    "discriminator": NETWORKS,
    "encoder": NETWORKS,
    "features": FEATURES,
    "latent": LATENTS,
    "lr_schedule": LR_SCHEDULES,
    "method": METHODS,
    "metric": METRICS,
    "observer": OBSERVERS,
    "optimizer": OPTIMIZERS,
    "parametrization": PARAMETRIZATIONS,
    "regularizer": REGULARIZERS,
    "sampler": SAMPLERS,
    "schedule": SCHEDULES,
}
"""By slot. Components of any other slot (a plugin method's own) get the checks of `configs` alone."""


def plugin_contract(
    namespace: str,
    options: Mapping[str, Snippets] | None = None,
    facts: Mapping[str, Iterable[Facts]] | None = None,
) -> type:
    """A pytest class that checks every component of a plugin: `TestAcme = plugin_contract("acme")`.

    Args:
        namespace: the plugin's; `""` for the built-in components.
        options: recipe snippets for components with options that must be given, or whose defaults are too large for a test:
            `{"denoiser acme/unet": {"width": 16}}`; a list of snippets has each of them checked.
        facts: facts to check a component under in place of the suite's own (`tiny_facts(...)` makes some):
            `{"denoiser acme/unet": [tiny_facts("image", (3, 64, 64))]}`.
    """
    options, facts = dict(options or {}), dict(facts or {})
    registry = get_registry()
    subjects = [s for e in registry.entries(only=namespace) for s in Subject.all_of(e, options)]
    tests: dict[str, Any] = {
        "__doc__": f"The contracts of {f'plugin {namespace!r}' if namespace else 'the built-in components'}."
    }

    def test_the_plugin_registers_components(self: Any) -> None:
        plugin = registry.plugins.get(namespace)
        assert plugin is not None, f"no plugin with the namespace '{namespace}' is installed in this environment"
        plugin.load()
        assert plugin.status == "ok", plugin.refusal
        assert subjects, f"plugin '{namespace}' registers nothing"

    def test_config_modules_import_no_torch(self: Any) -> None:
        if namespace in registry.plugins:
            configs.config_modules_import_no_torch(subjects, registry.plugins[namespace].module)

    def test_the_tables_of_this_contract_name_registered_components(self: Any) -> None:
        known = {name for s in subjects for name in s.names}
        strange = sorted({*options, *facts} - known)
        assert not strange, f"plugin_contract was given something for {strange}, which plugin '{namespace}' does not register"

    for test in (
        test_the_plugin_registers_components,
        test_config_modules_import_no_torch,
        test_the_tables_of_this_contract_name_registered_components,
    ):
        tests[test.__name__] = test
    for config_check in configs.CHECKS:
        tests[f"test_configs_{config_check.__name__}"] = _over(config_check, subjects, registry)
    cases: dict[str, list[Any]] = {}
    for subject in subjects:
        suite = SUITES.get(subject.entry.slot)
        if suite is not None and subject.config is not None:
            pinned, plain = subject.names
            found = suite.cases_of(subject, facts.get(pinned, facts.get(plain)))
            cases.setdefault(suite.name, []).extend(found)
            if not found:
                tests[f"test_{suite.name}_something_fits_{subject.id}"] = _nothing_fits(subject)
    for suite in dict.fromkeys(SUITES.values()):
        for check in suite.checks if cases.get(suite.name) else ():
            tests[f"test_{suite.name}_{check.__name__}"] = _over(check, cases[suite.name], registry)
    return type("PluginContract", (), tests)


def _over(check: Callable[[Any], None], cases: Iterable[Any], registry: Registry) -> Callable[[Any, Any], None]:
    def test(self: Any, case: Any) -> None:
        with use(registry):
            check(case)

    test.__doc__ = check.__doc__
    marked: Callable[[Any, Any], None] = pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in cases])(test)
    return marked


def _nothing_fits(subject: Subject) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        pytest.fail(
            f"{subject.id} has a complaint about all facts that the contract tries; "
            f'plugin_contract(..., facts={{"{subject.entry.slot} {subject.entry.name}": [tiny_facts(...)]}}) gives it others'
        )

    return test
