from __future__ import annotations

import pytest

from gentoolkit.components.latents import Latent
from gentoolkit.registry import REQUIRED, Bounds, Facts, component, opt, options, section


@component
class Toy(Latent):
    """A latent."""

    dim: int = opt(help="width of z", ge=1)
    place: str = opt("here", "a folder", path=True)
    betas: tuple[float, ...] = opt((0.5,), "decay", ge=0, lt=1)
    table: dict[str, float] = opt({"a": 1.0}, "weights")


def test_options_are_read_as_they_were_written():
    found = options(Toy)
    assert list(found) == ["dim", "place", "betas", "table"]
    assert (found["dim"].default, found["dim"].required, found["dim"].type, found["dim"].help) == (
        REQUIRED,
        True,
        int,
        "width of z",
    )
    assert found["betas"].bounds == Bounds(ge=0, lt=1)
    assert (found["place"].path, found["dim"].path) == (True, False)
    assert found["table"].default == {"a": 1.0}


def test_the_default_of_a_section_is_its_class_and_makes_no_component():
    @section
    class Inner:
        """Inner."""

        latent: Latent = opt("no-such-latent-anywhere", "a part")

    @section
    class Outer:
        """Outer."""

        number: int = opt(3, "a number")

    assert options(Outer)["number"].default == 3
    assert options(Inner)["latent"].default == "no-such-latent-anywhere"


def test_two_instances_do_not_share_a_default_table():
    one, two = Toy(dim=1), Toy(dim=1)
    assert one.table == two.table
    assert one.table is not two.table


@pytest.mark.parametrize(
    ("values", "message"),
    [({"dim": 0}, r"dim = 0 must be >= 1"), ({"dim": 1, "betas": (0.5, 1.0)}, r"betas = \(0.5, 1.0\) must be < 1")],
)
def test_bounds_hold_in_python_too(values, message):
    with pytest.raises(ValueError, match=message):
        Toy(**values)


@pytest.mark.parametrize(
    ("bounds", "value", "said"),
    [
        (Bounds(gt=0), 0, "must be > 0"),
        (Bounds(gt=0), 1e-9, None),
        (Bounds(le=2), 3, "must be <= 2"),
        (Bounds(lt=1), float("nan"), "must be finite"),
        (Bounds(choices=("a", "b")), "c", "must be one of 'a', 'b'"),
        (Bounds(ge=1), None, None),
        (Bounds(ge=1), True, None),
        (Bounds(ge=0), [1, [2, -1]], "must be >= 0"),
        (Bounds(ge=0), {"a": -1}, None),
    ],
)
def test_bounds(bounds, value, said):
    assert bounds.complaint(value) == said


def test_every_option_needs_help_and_opt():
    with pytest.raises(TypeError, match="write it as opt"):

        @component
        class Bad(Latent):
            """Bad."""

            dim: int = 3

    with pytest.raises(TypeError, match="needs a docstring"):

        @component
        class Worse(Latent):
            pass


def test_facts_are_laid_over_one_another():
    facts = Facts().with_({"steps": 2, "acme/x": 1}).with_({"acme/y": 2})
    assert (facts.steps, facts.more) == (2, {"acme/x": 1, "acme/y": 2})
    with pytest.raises(ValueError, match="no fact is called 'stesp'"):
        facts.with_({"stesp": 1})
