from __future__ import annotations

import pytest

from gentoolkit.engine.models.trained import TrainedRun

from .runs import trained

POINTS = {"use": "gaussians25", "size": 50}


@pytest.fixture(scope="package")
def digits(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(tmp_path_factory.mktemp("figures") / "digits")


@pytest.fixture(scope="package")
def points(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(tmp_path_factory.mktemp("figures") / "points", POINTS)


@pytest.fixture(scope="package")
def gaussian_steps(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    place = tmp_path_factory.mktemp("figures") / "ddpm"
    return trained(place, POINTS, "none", method="ddpm", process={"steps": 100})
