from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gentoolkit.recipe.positions import DEEPEST, Position, TooDeep, join_key, quoted, scan, split_key

TEXT = '''\
extends = "base.toml"   # why

[model]  # header
denoiser = { use = "net", "odd key" = 3,
  width.x = 4 }
process.schedule = \'\'\'
[not.a.table]
x = 1\'\'\'
list = [
  { inside = 1 },  # no key of ours
  "]",
]
after = """a ""quoted"" \\""" [b]"""
[ data . "a.b" ]
'lit eral' = 1979-05-27 07:32:00  # date
[[many]]
one = 1
'''


def test_positions_of_every_kind_of_key():
    found = scan(TEXT)
    assert found["extends",] == Position(1, 0, 7, "why")
    assert found["model",] == Position(3, 0, 7)
    assert found["model", "denoiser", "use"] == Position(4, 13, 16)
    assert found["model", "denoiser", "odd key"] == Position(4, 26, 35)
    assert found["model", "denoiser", "width", "x"] == Position(5, 2, 9)
    assert found["model", "process"].line == found["model", "process", "schedule"].line == 6
    assert found["model", "list"] == Position(9, 0, 4)
    assert found["model", "after"] == Position(13, 0, 5)
    assert found["data", "a.b"] == Position(14, 0, 16)
    assert found["data", "a.b", "lit eral"] == Position(15, 0, 10, "date")
    assert found["many", "one"].line == 17
    assert ("model", "list", "inside") not in found
    assert ("not", "a") not in found


def keys_of(table, above=()):
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys_of(value, (*above, key))


PIECES = st.sampled_from(
    [
        *"ab.=[]{},\"'#\n \\",
        "a",
        "b.c",
        "[a]",
        "[[b]]",
        "[a.b]\n",
        "x = 1\n",
        "y = {a = 1}\n",
        "z = [1, {q = 2}]\n",
        '"k"',
        "'''",
        '"""',
        "\n\n",
        " = ",
        "1.5",
        "true",
        "é",
        "\t",
        "\r\n",
        '"a.b" = "#"\n',
        "c.d = '='\n",
        "1979-05-27 07:32:00",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_every_key_that_tomllib_finds_has_a_position(text):
    found = scan(text)  # never raises on anything
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(keys_of(values)) <= set(found)
    lines = text.split("\n")
    for position in found.values():
        assert 0 <= position.start < position.end <= len(lines[position.line - 1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=4).map(tuple))
def test_keys_round_trip(keys):
    assert split_key(join_key(keys)) == keys


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_quoted_text_round_trips(text):
    assert tomllib.loads(f"x = {quoted(text)}") == {"x": text}


@pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "{ a = " * 5000, ".".join("a" * 100_000) + " = 1"])
def test_what_would_exhaust_a_recursive_parser_is_refused(text):
    with pytest.raises(TooDeep, match=str(DEEPEST)):
        scan(text)


@pytest.mark.parametrize("text", ["", "a.", ".a", "a b", "a=b", "[a]", 'a."b'])
def test_no_dotted_key(text):
    assert split_key(text) is None
