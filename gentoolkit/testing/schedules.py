"""Schedules: (alpha, sigma) as functions of time, and the step grids made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gentoolkit.registry import Facts

from .suite import Case, Suite, fit
from .tiny import tiny_facts

STEPS = (1, 2, 4, 16, 50)


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """One."""
    yield "", tiny_facts(steps=min(4, config.native_steps or 4))


def times(config: Any, n: int = 200) -> torch.Tensor:
    """Times in (0, 1]; those of native steps where there are such."""
    n = min(n, config.native_steps or n)
    grid = torch.arange(1, n + 1, dtype=torch.float64) / n
    return grid if config.native_steps is None else (grid * config.native_steps).round() / config.native_steps


def torch_and_math_agree(case: Case) -> None:
    """The check without torch and the tables made with it come from one formula."""
    u = times(case.config)
    alpha, sigma = case.config.alpha_sigma(u, torch)
    assert alpha.dtype == sigma.dtype == torch.float64
    assert alpha.shape == sigma.shape == u.shape
    for i, time in enumerate(u.tolist()):
        a, s = case.config.alpha_sigma(time, math)
        assert alpha[i].item() == pytest.approx(a, rel=1e-10, abs=1e-13)
        assert sigma[i].item() == pytest.approx(s, rel=1e-10)


def signal_to_noise_falls_strictly(case: Case) -> None:
    """From (nearly) clean data at time 0 on."""
    alpha, sigma = case.config.alpha_sigma(times(case.config), torch)
    snr = (alpha / sigma) ** 2
    assert bool((sigma > 0).all())
    assert bool((alpha[:-1] > 0).all())
    assert float(alpha[-1]) >= 0
    assert bool((snr[1:] < snr[:-1]).all())
    assert float(case.config.alpha_sigma(1e-9, math)[0]) == pytest.approx(1, abs=1e-3)


def grids_are_made_where_nobody_complains(case: Case) -> None:
    """A number of steps that `fits` and `check` let pass has a grid; one that they refuse has none."""
    curve, native = case.build(), case.config.native_steps
    wrong = [] if native is None else [native + 1]
    for steps in (*STEPS, *wrong):
        if fit(case.config, tiny_facts(steps=steps)):
            assert steps == curve.grid(steps).T
        else:
            with pytest.raises(ValueError, match=r"\w"):
                curve.grid(steps)


def grids_start_clean_and_are_float64(case: Case) -> None:
    """Index 0 is data itself; the tables are the formula's."""
    curve = case.build()
    for steps in STEPS:
        if not fit(case.config, tiny_facts(steps=steps)):
            continue
        grid = curve.grid(steps)
        assert float(grid.alpha[0]) == 1
        assert float(grid.sigma[0]) == 0
        assert float(grid.time[0]) == 0
        assert float(grid.time[-1]) == 1
        assert len(grid.time) == len(grid.alpha) == len(grid.sigma) == steps + 1
        assert grid.time.dtype == grid.alpha.dtype == grid.sigma.dtype == torch.float64
        alpha, sigma = case.config.alpha_sigma(grid.time[1:], torch)
        assert torch.equal(grid.alpha[1:], alpha)
        assert torch.equal(grid.sigma[1:], sigma)


def it_offers_the_end_of_its_grid(case: Case) -> None:
    """alpha_T decides about eps prediction before a grid exists; it must be the grid's."""
    offered = case.config.offer(case.facts)["alpha_T"]
    assert isinstance(offered, float)
    for steps in STEPS:
        if fit(case.config, tiny_facts(steps=steps)):
            assert offered == pytest.approx(float(case.build().grid(steps).alpha[-1]), rel=1e-9, abs=1e-13)


def the_prior_is_what_data_turns_into(case: Case) -> None:
    """For data of unit variance, up to a twentieth."""
    alpha, sigma = case.config.alpha_sigma(1.0, math)
    assert case.build().prior_std == pytest.approx(math.hypot(alpha, sigma), rel=0.05)


SCHEDULES = Suite(
    "schedules",
    cases,
    (
        torch_and_math_agree,
        signal_to_noise_falls_strictly,
        grids_are_made_where_nobody_complains,
        grids_start_clean_and_are_float64,
        it_offers_the_end_of_its_grid,
        the_prior_is_what_data_turns_into,
    ),
)
