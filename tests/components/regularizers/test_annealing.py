"""Strengths that fall over the training."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.regularizers.annealing import annealed
from gentoolkit.components.regularizers.lecam import LeCam
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.components.regularizers.r2 import R2
from gentoolkit.components.regularizers.wgan_gp import WGANGP
from gentoolkit.recipe import RecipeError, load
from gentoolkit.registry import Facts
from tests.components.methods.test_adversarial import Game

ANNEALED = (R1, R2, WGANGP)


@pytest.mark.parametrize("cls", ANNEALED)
@pytest.mark.parametrize(("decay", "middle"), [("cosine", (2 + 0.02) / 2), ("geometric", math.sqrt(2 * 0.02))])
def test_gamma_goes_from_the_first_step_to_final_in_the_last(cls, decay, middle):
    weight = cls(gamma=2.0, final=0.02, decay=decay).weight(Facts(training_steps=101))
    strengths = [2.0 * weight(step) for step in (0, 50, 100, 5000)]
    assert strengths == pytest.approx([2.0, middle, 0.02, 0.02])
    falling = [weight(step) for step in range(101)]
    assert falling == sorted(falling, reverse=True)


def test_it_may_rise_too_and_cosine_reaches_zero():
    assert annealed(1.0, 4.0, "geometric", 3)(1) == pytest.approx(2)
    assert annealed(1.0, 0.0, "cosine", 11)(10) == pytest.approx(0, abs=1e-12)
    assert annealed(1.0, 0.5, "cosine", 1)(0) == 1


def test_without_final_the_strength_is_a_plain_number():
    for cls in (*ANNEALED, LeCam):
        assert cls().weight(Facts()) == 1.0
        assert cls().constant
    assert not R1(final=0.1).constant


def test_the_plan_carries_it_and_the_loss_is_weighted_by_it():
    game = Game(regularizers={"r1": R1(gamma=2.0, final=0.5)})
    term = next(t for t in game.updates["discriminator"].terms if t.name == "r1")
    steps = game.facts.training_steps
    assert [term.weight_at(s) for s in (0, steps - 1)] == pytest.approx([1, 0.25])
    assert torch.equal(
        game.terms("discriminator").values["r1"], Game(regularizers={"r1": R1(gamma=2.0)}).terms("discriminator").values["r1"]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gamma": 0.0, "final": 0.1}, "a strength of 0 cannot change"),
        ({"final": 0.0, "decay": "geometric"}, "a geometric decay never reaches 0"),
    ],
)
@pytest.mark.parametrize("cls", ANNEALED)
def test_no_way_from_gamma_to_final(cls, options, said):
    (complaint,) = cls(**options).check(Facts())
    assert complaint[0] == "final"
    assert said in complaint[1]


def test_more_steps_are_a_change_where_a_strength_follows_them(tmp_path):
    from gentoolkit.recipe import differences

    def recipe(steps, **r1):
        return load(
            {
                "data": "gaussians25",
                "model": {"denoiser": "mlp", "latent": "gaussian"},
                "method": {"use": "ddgan", "discriminator": "mlp", "regularizers": {"r1": {"use": "r1", **r1}}},
                "training": {"steps": steps, "batch_size": 8},
            }
        )

    assert [d.change for d in differences(recipe(10), recipe(20))] == [False]
    assert [d.change for d in differences(recipe(10, final=0.1), recipe(20, final=0.1))] == [True]


def test_a_recipe_says_where_it_cannot_be_annealed():
    with pytest.raises(RecipeError, match="never reaches 0"):
        load(
            {
                "data": "gaussians25",
                "model": {"denoiser": "mlp", "latent": "gaussian"},
                "method": {
                    "use": "ddgan",
                    "discriminator": "mlp",
                    "regularizers": {"r1": {"use": "r1", "final": 0.0, "decay": "geometric"}},
                },
                "training": {"steps": 10, "batch_size": 8},
            }
        )
