"""Random numbers are a pure function of key, name and sample slot."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gentoolkit.diffusion import Draw

few = settings(max_examples=40, deadline=None, derandomize=True)
KINDS = {
    "normal": lambda d, name, shape: d.normal(name, shape),
    "uniform": lambda d, name, shape: d.uniform(name, shape),
    "integers": lambda d, name, shape: d.integers(name, 1, 1000, shape),
}


@few
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 300), st.integers(1, 300), st.sampled_from([(), (3,), (2, 5)]))
def test_number_i_is_the_same_whatever_is_drawn_beside_it(kind, start, length, shape):
    make = KINDS[kind]
    whole = make(Draw(("key",), 0, 600), "x", shape)
    part = make(Draw(("key",), start, start + length), "x", shape)
    assert part.shape == (length, *shape)
    assert torch.equal(part, whole[start : start + length])


@pytest.mark.parametrize("kind", KINDS)
def test_keys_names_and_slots_are_told_apart(kind):
    make = KINDS[kind]

    def x(*key, name="x", start=0):
        return make(Draw(key, start, start + 200), name, ())

    same = x("key", 1)
    assert torch.equal(same, x("key", 1))
    for other in (x("key", 2), x("key", "1"), x("key"), x("key", 1, name="y"), x("key", 1, start=200), x("key", 1, 0)):
        assert float((other == same).double().mean()) < 0.1


def test_a_scope_is_a_longer_key_over_the_same_slots():
    plain, scoped = Draw(("a",), 3, 9), Draw(("a",), 3, 9).scope("b", 1)
    assert len(scoped) == 6
    assert torch.equal(scoped.normal("x"), Draw(("a", "b", 1), 3, 9).normal("x"))
    assert not torch.equal(plain.normal("x"), Draw(("a", "b", 1), 3, 9).normal("x"))
    assert Draw(("a",), 0, 1, "meta", torch.float64).scope("b").normal("x").device.type == "meta"


def test_the_same_name_twice_is_refused():
    draw = Draw((0, "train"), 0, 4)
    draw.normal("z")
    for again in (lambda: draw.normal("z"), lambda: draw.uniform("z"), lambda: draw.integers("z", 0, 1)):
        with pytest.raises(ValueError, match=r"'z' was drawn twice under \(0, 'train'\)"):
            again()
    draw.scope("other").normal("z")


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (3, 3), (4, 2), (-1, 3)])
def test_empty_and_negative_slots_are_refused(start, stop):
    with pytest.raises(ValueError, match="empty or negative"):
        Draw((), start, stop)


def test_neither_order_nor_the_global_generators_matter():
    first, second = Draw((0,), 0, 5), Draw((0,), 0, 5)
    state = torch.get_rng_state()
    a, b = first.normal("a"), first.normal("b")
    torch.manual_seed(123)
    assert torch.equal(second.normal("b"), b)
    assert torch.equal(second.normal("a"), a)
    torch.set_rng_state(state)


def test_every_precision_sees_the_same_noise():
    single, double = Draw((0,), 0, 50), Draw((0,), 0, 50, dtype=torch.float64)
    for kind in ("normal", "uniform"):
        a, b = (KINDS[kind](d, kind, (3,)) for d in (single, double))
        assert a.dtype == torch.float32
        assert b.dtype == torch.float64
        assert torch.equal(a.double(), b)
    assert double.integers("t", 1, 4).dtype == torch.int64


def test_moments():
    """Within six standard errors."""
    n = 40_000
    draw = Draw(("moments",), 0, n)
    z, u, t = draw.normal("z"), draw.uniform("u"), draw.integers("t", 1, 4)
    assert abs(float(z.mean())) < 6 / n**0.5
    assert float(z.var()) == pytest.approx(1, abs=6 * (2 / n) ** 0.5)
    assert float((z**4).mean()) == pytest.approx(3, abs=6 * (96 / n) ** 0.5)
    assert float(u.mean()) == pytest.approx(0.5, abs=6 * (1 / 12 / n) ** 0.5)
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    shares = torch.bincount(t, minlength=5) / n
    assert shares[0] == 0
    assert float((shares[1:] - 0.25).abs().max()) < 6 * (0.1875 / n) ** 0.5


def test_names_are_independent():
    n = 40_000
    draw = Draw(("names",), 0, n)
    a, b, c = draw.normal("a"), draw.normal("b"), draw.scope("a").normal("a")
    for x, y in ((a, b), (a, c), (b, c), (a[1:], a[:-1])):
        assert abs(float((x * y).mean())) < 6 / n**0.5


GOLDEN_T = [4, 4, 2, 4]
GOLDEN_Z = [0.2951678, -0.08958635, -2.460061, -1.025723, -0.4398233, 0.219362, 1.521053, -0.2415917]


def test_golden_numbers():
    """What a seed means is a promise to every run there is."""
    draw = Draw((0, "train", 7, "denoiser"), 62, 66)
    assert draw.integers("t", 1, 4).tolist() == GOLDEN_T
    assert draw.normal("z", (2,)).flatten().tolist() == pytest.approx(GOLDEN_Z, rel=1e-6)
