"""Any text gives a recipe or a message, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from toys import GOOD

from gentoolkit.recipe import RecipeError, load
from gentoolkit.registry import GentoolError

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

LINES = [
    *GOOD.splitlines(),
    "extends = 'r.toml'",
    "drop = ['a.b', 'method.extra', 'model']",
    "resolved = true",
    "[model]",
    "latent = {use='gaussian'}",
    "[method.regularizers]",
    "x.y.z = '${training.steps}'",
    "seed = '${data}'",
    "[[observers]]",
    "model = 'net'",
    "use = 'simple'",
    "[local]",
    "modules = ['/dev/null', '']",
    "[run]",
    "name = '${env:HOME}'",
    "training = 3",
    "schedule = []",
    "steps = nan",
    "[metrics.fid]",
    "use = 'fid'",
    "samples = -1",
    "width = 1e400",
    "drop = ['']",
    "extends = ['', '.', '/', 'a/b', '\\u0000.toml']",
]
WORDS = [
    "model",
    "denoiser",
    "use",
    "width",
    "method",
    "regularizers",
    "r1",
    "training",
    "steps",
    "data",
    "source",
    "drop",
    ".",
    "=",
    "extends",
    "resolved",
    "net",
    "plain",
    "[",
    "]",
    "{",
    "}",
    "'",
    '"',
    "1",
    "-1e999",
    "${",
    "a.b}",
    "\0",
    "\ud800",
    "é",
    "\n",
    "#",
    " ",
]


def outcome(*args, **keywords):
    """Load, and see that a refusal is a short, printable message."""
    said = "loaded"
    try:
        load(*args, **keywords)
    except GentoolError as error:
        said = str(error)
    assert 0 < len(said) < 100_000
    assert all(c.isprintable() or c == "\n" for c in said)


@quick
@given(st.binary(max_size=80))
def test_any_bytes(write, tmp_path, data):
    write("")
    (tmp_path / "r.toml").write_bytes(data)
    outcome("r.toml")


@quick
@given(st.lists(st.sampled_from(LINES), max_size=25).map("\n".join))
@example("\n".join(LINES))
@example("data = '${data}'")
@example("drop = ['model']\nmodel = 3")
def test_shuffled_lines(write, text):
    outcome(write(text))


@quick
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map("".join), max_size=3))
@example(["model.denoiser=[1"])
@example(["training=${training}"])
@example(["data.source=" + "a" * 100_000])
@example([".".join("a" * 100_000) + "=1"])
@example(["a=" + "[" * 100_000])
@example(["local.modules=['\\u0000']"])
def test_any_arguments(write, arguments):
    outcome(write(), arguments)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=8,
)


@quick
@given(
    st.dictionaries(
        st.sampled_from(["data", "model", "method", "training", "drop", "extends", "sampler", "local", "run"]), values
    )
)
@example({"model": {"denoiser": {1: 2}}})
def test_any_dictionary(write, recipe):
    write()
    outcome(recipe)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 50_000 + "]" * 50_000,
        "a = " + "{a=" * 50_000,
        ".".join("a" * 120_000) + " = 1",
        "[" + ".".join("a" * 120_000) + "]",
        "".join(f"k{n} = '${{k{n + 1}}}'\n" for n in range(10_000)),
        "".join(f"k{n} = 1\n" for n in range(20_000)),
        "drop = [" + ",".join(f"'k{n}'" for n in range(20_000)) + "]",
        GOOD + "x = " + "9" * 5000,
        GOOD + "x = 0x" + "f" * 5000,
        "#" * 250_000,
        "a = '" + "x" * 250_000 + "'",
        'a = """' + '"' * 250_000,
        "\n" * 300_000,
        "x = [" + "1," * 100_000 + "]",
    ],
    ids=range(14),
)
def test_hostile_recipes_end_soon(write, text):
    path = write(text)
    start = time.perf_counter()
    with pytest.raises(RecipeError) as caught:
        load(path)
    assert len(str(caught.value)) < 50_000
    assert time.perf_counter() - start < 30
