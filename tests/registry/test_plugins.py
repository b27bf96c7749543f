from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.registry import GentoolError, NoSuchComponent, Registry, component, discover, get_registry, hookimpl
from gentoolkit.registry.plugins import Plugin, use


@component
class Net(Denoiser):
    """A network."""


@component
class Second(Denoiser):
    """Its second version."""


class Acme:
    @hookimpl
    def gentoolkit_register(self, registry):
        registry.add("denoiser", "net", Net, "a network")
        registry.add("denoiser", "net", Second, "a network", version=2)
        registry.add("denoiser", "gone", "no_such_module_of_acme:Net", "cannot be imported")
        registry.add("denoiser", "exits", "acme_exits:Net", "leaves on import")
        registry.add("sampler", "net", Net, "in the wrong slot")
        registry.moved("denoiser", "old-net", "net")


@pytest.fixture
def registry(monkeypatch, tmp_path):
    (tmp_path / "acme_exits.py").write_text("import sys\nsys.exit(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    return Registry({"acme": Plugin("acme", "acme", "acme 1", loaded=Acme())})


def test_the_newest_version_unless_pinned(registry):
    assert registry.find("denoiser", "acme/net") is Second
    assert (Second.name, Second.version) == ("acme/net", 2)
    assert registry.find("denoiser", "acme/net@1") is Net
    assert registry.entry("denoiser", "acme/net@1").pinned == "acme/net@1"


def test_a_moved_name_keeps_working(registry):
    assert registry.find("denoiser", "acme/old-net") is Second


@pytest.mark.parametrize(
    ("name", "message", "near"),
    [
        ("acme/nett", "no denoiser is called 'acme/nett'", ("acme/net",)),
        ("acme/net@", "denoiser 'acme/net@' does not exist; its versions are 1, 2", None),
        ("acme/net@9", "denoiser 'acme/net@9' does not exist; its versions are 1, 2", None),
        ("acne/net", r"no plugin provides the namespace 'acne' of denoiser 'acne/net' \(installed: acme\)", ("acme",)),
    ],
)
def test_names_that_do_not_exist(registry, name, message, near):
    with pytest.raises(NoSuchComponent, match=message) as caught:
        registry.find("denoiser", name)
    assert near is None or caught.value.near[:1] == near


def test_what_cannot_be_loaded_is_named(registry):
    with pytest.raises(
        GentoolError, match="denoiser 'acme/gone' cannot be loaded from no_such_module_of_acme:Net: ModuleNotFoundError"
    ):
        registry.find("denoiser", "acme/gone")
    with pytest.raises(GentoolError, match="SystemExit: 1"):
        registry.find("denoiser", "acme/exits")
    with pytest.raises(GentoolError, match="is not a component of that slot"):
        registry.find("sampler", "acme/net")


def test_entries_are_listed_by_slot(registry):
    assert [e.pinned for e in registry.entries("denoiser")] == ["acme/exits@1", "acme/gone@1", "acme/net@1", "acme/net@2"]


def test_another_registry_for_a_while(registry):
    before = get_registry()
    with use(registry) as inside:
        assert get_registry() is inside is registry
        with use(Registry()):
            assert get_registry().plugins == {}
        assert get_registry() is registry
    assert get_registry() is before


def test_broken_plugins_harm_nobody_else(registry):
    class Silent:
        pass

    class Misspelt:
        @hookimpl
        def gentoolkit_registre(self, registry):
            pass

    class Greedy:
        @hookimpl
        def gentoolkit_register(self, registry):
            registry.add("denoiser", "acme/net", Net, "outside its namespace")

    class Twice:
        @hookimpl
        def gentoolkit_register(self, registry):
            registry.add("denoiser", "a", Net, "one")
            registry.add("denoiser", "a", Net, "two")

    for name, module in {"silent": Silent(), "misspelt": Misspelt(), "greedy": Greedy(), "twice": Twice()}.items():
        registry.plugins[name] = Plugin(name, name, f"{name} 1", loaded=module)
    registry.plugins["exits"] = Plugin("exits", "acme_exits", "exits 1")
    assert len(registry.entries("denoiser")) == 4
    reasons = {name: plugin.reason for name, plugin in registry.plugins.items() if plugin.status == "broken"}
    assert set(reasons) == {"silent", "misspelt", "greedy", "twice", "exits"}
    assert "no function gentoolkit_register" in reasons["silent"]
    assert "is no component name" in reasons["greedy"]
    assert "registered twice by the same plugin" in reasons["twice"]
    assert reasons["exits"] == "SystemExit: 1"
    with pytest.raises(NoSuchComponent, match=r"plugin 'exits' is broken \(SystemExit: 1\)"):
        registry.find("denoiser", "exits/x")


def points(*pairs):
    return [EntryPoint(name, value, "gentoolkit") for name, value in pairs]


def test_discovery_imports_nothing():
    found = discover(points(("acme", "no_such_module_at_all")), None)
    assert found.plugins["acme"].status == "not loaded"
    assert "no_such_module_at_all" not in sys.modules


def test_two_claims_to_a_namespace_are_a_conflict_unless_they_are_the_same():
    assert discover(points(("a", "x"), ("a", "x")), None).plugins["a"].status == "not loaded"
    plugin = discover(points(("a", "x"), ("a", "y")), None).plugins["a"]
    assert plugin.status == "conflict"
    assert plugin.refusal.startswith("plugin 'a' is in conflict (two distributions claim the namespace 'a'")


@pytest.mark.parametrize(
    ("allow", "enabled"),
    [(None, {"a", "b", "c"}), ("", set()), ("a", {"a"}), ("a, b", {"a", "b"}), ("-a", {"b", "c"}), ("-a,-b", {"c"})],
)
def test_the_variable_that_allows_and_denies(allow, enabled):
    found = discover(points(("a", "x"), ("b", "x"), ("c", "x")), allow)
    assert {n for n, p in found.plugins.items() if n and p.status == "not loaded"} == enabled
    assert found.plugins[""].status == "not loaded"


@pytest.mark.parametrize("name", ["", "local", "a/b"])
def test_reserved_namespaces(name):
    found = discover(points((name, "x")), None)
    assert found.plugins[name].status == "conflict"


def test_built_in_components_are_all_loadable():
    registry = get_registry()
    registry.plugins[""].load()
    assert registry.plugins[""].status == "ok", registry.plugins[""].reason
