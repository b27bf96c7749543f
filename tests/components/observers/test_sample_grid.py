"""sample-grid: which steps it looks at, and what lies in the run folder afterwards."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pluggy
import torch
from PIL import Image

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.observers.sample_grid import SampleGrid
from gentoolkit.components.pictures import grid, scatter
from gentoolkit.registry import Facts
from gentoolkit.registry.hooks import Watching


def watched(observer, facts):
    manager = pluggy.PluginManager("gentoolkit")
    manager.add_hookspecs(Watching)
    manager.register(observer.build(facts, {}))
    manager.check_pending()
    return manager.hook


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_it_wants_samples_every_so_often_and_at_the_end():
    hook = watched(SampleGrid(every=100, samples=9), Facts(training_steps=250))
    assert [s for s in range(251) if hook.wants(step=s) == [9]] == [100, 200, 250]


def test_a_picture_holds_the_first_samples_and_nothing_else_is_left(tmp_path):
    hook = watched(SampleGrid(every=100, samples=4), Facts(training_steps=1000))
    samples = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    run = SimpleNamespace(folder=str(tmp_path))
    hook.sampled(run=run, step=150, samples=samples)
    hook.sampled(run=run, step=1000, samples=samples)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["step-00001000.png"]
    picture = opened(tmp_path / "samples" / "step-00001000.png")
    assert np.array_equal(picture, np.asarray(grid(samples[:4])))


def test_points_become_a_scatter_plot_over_the_modes(tmp_path):
    facts = Facts().with_(Gaussians25().offer(Facts()))
    hook = watched(SampleGrid(every=1), facts)
    assert hook.wants(step=1) == [2000]
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    hook.sampled(run=SimpleNamespace(folder=tmp_path), step=1, samples=points)
    picture = opened(tmp_path / "samples" / "step-00000001.png")
    assert np.array_equal(picture, np.asarray(scatter(points, facts.mixture["means"])))
