"""Pictures show what is in the numbers: pixels, points and lines are where they belong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gentoolkit.components.pictures import (
    FAINT,
    HOT,
    MAGENTA,
    PAPER,
    as_array,
    chart,
    extent,
    grid,
    heat,
    scatter,
    table,
    ticks,
    tiles,
)


def test_a_grid_lays_images_row_by_row_and_blows_up_tiny_ones():
    levels = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    picture = np.asarray(grid(levels[:, None, None, None].expand(5, 1, 8, 8)))
    cell = 8 * 6 + 2
    assert picture.shape == (2 * cell + 2, 3 * cell + 2, 3)
    middles = [picture[cell // 2 + cell * (i // 3), cell // 2 + cell * (i % 3)].tolist() for i in range(5)]
    assert middles == [[v] * 3 for v in (0, 64, 128, 191, 255)]


def test_large_images_keep_their_pixels_and_colours():
    x = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = np.asarray(grid(x))
    assert picture.shape == (68, 84, 3)
    assert np.array_equal(picture[2:66, 2:82], np.rint((x[0].double().numpy() + 1) * 127.5).transpose(1, 2, 0))


def test_what_is_not_finite_turns_magenta_and_what_is_out_of_range_is_clipped():
    x = torch.tensor([[[[math.nan, math.inf], [7.0, -7.0]]]])
    picture = np.asarray(grid(x))[2:-2, 2:-2][::24, ::24]
    assert [tuple(p) for p in picture.reshape(-1, 3).tolist()] == [MAGENTA, MAGENTA, (255,) * 3, (0,) * 3]


def test_other_numbers_of_channels_are_shown_one_by_one():
    assert grid(torch.zeros(3, 2, 8, 8)).size == (2 * 50 + 2, 3 * 50 + 2)


def test_half_precision_and_gradients_are_no_obstacle():
    x = torch.zeros(2, 1, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    assert as_array(x).dtype == np.float64
    assert grid(x).mode == "RGB"


def inked(picture):
    return (np.asarray(picture).astype(int).min(2) < 200).nonzero()


def test_a_point_is_drawn_where_it_is_y_upwards():
    rows, columns = inked(scatter(torch.tensor([[0.5, 0.25]]), limit=1.0, side=400).crop((0, 0, 400, 380)))
    assert columns.mean() == pytest.approx(300, abs=1)
    assert rows.mean() == pytest.approx(150, abs=1)


def test_means_lie_faintly_behind():
    picture = np.asarray(scatter(torch.empty(0, 2), [[0.0, 0.0]], limit=1.0, side=400)).astype(int)
    assert picture[200, 200].min() > 100
    assert picture[200, 200].tolist() != [255] * 3


def test_lost_points_are_counted_not_hidden():
    plain = scatter(torch.zeros(3, 2), limit=1.0)
    lost = scatter(torch.tensor([[0, 0], [5.0, 0], [math.nan, 0]]), limit=1.0)
    corner = (0, 0, 200, 20)
    assert not inked(plain.crop(corner))[0].size
    assert inked(lost.crop(corner))[0].size
    assert scatter(torch.full((4, 2), math.nan)).size == (480, 480)
    assert scatter(torch.randn(50, 5)).size == scatter(torch.randn(50, 1)).size == (480, 480)


def test_a_line_runs_from_its_first_to_its_last_value():
    picture = np.asarray(chart({"up": [(0, 0.0), (10, 1.0)]}, "line")).astype(int)
    rows, columns = (picture[:, :530] == (31, 119, 180)).all(2).nonzero()
    assert rows[columns.argmin()] > rows[columns.argmax()] + 250
    assert (columns.min(), columns.max()) == (pytest.approx(64, abs=2), pytest.approx(530, abs=2))


def test_a_chart_of_nothing_or_of_one_value_is_a_picture_too():
    for lines in ({}, {"a": []}, {"a": [(0, math.nan)]}, {"a": [(3, 2.0)]}, {"a": [(0, 0.0), (1, 0.0)]}):
        assert chart(lines, "t").size == (640, 360)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 5950, [0, 1000, 2000, 3000, 4000, 5000]), (-0.3, 0.3, [-0.2, 0, 0.2])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == expected
    assert all(3 <= len(ticks(0, x)) <= 8 for x in np.geomspace(1e-6, 1e6, 500))


def test_a_table_lays_pictures_under_names_and_beside_them():
    shown = tiles(torch.tensor([-1.0, 0.0, 1.0])[:, None, None, None].expand(3, 1, 8, 8))
    assert [t.size for t in shown] == [(48, 48)] * 3
    plain = np.asarray(table([shown, [None, shown[2]]]))
    assert plain.shape == (2 * 50 + 2, 3 * 50 + 2, 3)
    assert (plain[2:50, 2:50] == 0).all()
    assert (plain[52:100, 52:100] == 255).all()
    assert (plain[52:100, 2:50] == FAINT).all(), "a gap"
    named = table([shown, shown, shown, shown], ["a", "b", "c"], ["one", "two", "three", "four"], "a title", group=2)
    assert named.size[1] == 16 + 16 + 4 * 50 + 2 + 8
    left = named.size[0] - 3 * 50 - 2
    assert 0 < left < 60
    pixels = np.asarray(named)
    for i, y in enumerate((34, 84, 142, 192)):
        assert (pixels[y : y + 48, left + 2 : left + 50] == 0).all(), i
    assert (pixels[134:140] == PAPER).all(), "groups stand apart"
    for columns in (slice(left + 2, left + 50), slice(left + 52, left + 100), slice(left + 102, left + 150)):
        assert (pixels[16:32, columns].min(2) < 100).any(), "a column has its name"
    long = table([shown[:1]], title="a title that is much wider than the one picture below it")
    assert long.size[0] > 200


def test_channels_that_are_no_colours_lie_side_by_side():
    x = torch.tensor([-1.0, 1.0])[None, :, None, None].expand(1, 2, 8, 8)
    tile = np.asarray(tiles(x)[0])
    assert tile.shape == (48, 96, 3)
    assert (tile[:, :48] == 0).all()
    assert (tile[:, 48:] == 255).all()


def test_heat_is_darkest_at_the_peak_y_upwards():
    values = torch.zeros(40, 40)
    values[10, 30] = 4.0
    values[30, 5] = 1.0
    picture = np.asarray(heat(values, side=40)).astype(int)
    assert picture[39 - 30, 10].tolist() == list(HOT)
    assert picture[39 - 5, 30].tolist() == pytest.approx([(p + h) / 2 for p, h in zip(PAPER, HOT, strict=True)], abs=1)
    assert (picture == PAPER).all(2).sum() == 40 * 40 - 2
    assert np.asarray(heat(torch.full((4, 4), math.nan))).min() == 255


def test_a_plot_reaches_a_fifth_beyond_the_means_or_most_points():
    assert extent(torch.zeros(3, 2), [[-2.0, 1.0]]) == pytest.approx(2.4)
    x = torch.linspace(-1, 1, 2001)[:, None]
    assert extent(torch.cat([x, torch.tensor([[math.inf], [math.nan]])])) == pytest.approx(1.2 * 0.99, abs=1e-2)
    assert (extent(torch.zeros(2, 2)), extent(torch.full((2, 2), math.nan))) == (1.0, 1.2)
