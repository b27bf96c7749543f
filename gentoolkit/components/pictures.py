"""Pictures that a person looks at: sample grids, scatter plots of points, line charts. Arrays in, Pillow images out.

    grid(samples).save("samples.png")                       # samples [n, C, H, W] in [-1, 1]
    scatter(points, means).save("points.png")               # points [n, 2]
    chart({"t = 1": [(0, 1.4), (50, 1.3)]}, "loss").save("loss.png")
    table([tiles(x_1), tiles(x_0)], ["a", "b"], ["x_1", "x_0"]).save("table.png")

What is not finite is never hidden: pixels turn magenta, points and values are counted in the picture's corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gentoolkit.registry import Facts

SMALLEST = 48
"""Pixels below which an image's longer side is blown up."""
GAP, LINE, APART = 2, 16, 8
"""Pixels between pictures, of a line of text, and between groups of rows."""
MAGENTA = (255, 0, 255)
INK, FAINT, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
HOT = (170, 40, 10)
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")


def picture(samples: Any, facts: Facts) -> Image.Image:
    """Samples `[n, *shape]` as they are looked at: a grid of images, or a scatter plot of points."""
    if facts.kind == "image":
        return grid(samples)
    return scatter(samples, None if facts.mixture is None else facts.mixture["means"])


def grid(samples: Any, columns: int | None = None) -> Image.Image:
    """A picture of images `[n, C, H, W]` in [-1, 1], row by row, tiny ones blown up without smoothing.

    One channel is grey, three are colour; any other number is shown as so many grey images.
    """
    x = as_array(samples)
    if x.shape[1] not in (1, 3):
        columns = columns or x.shape[1]
        x = x.reshape(-1, 1, *x.shape[2:])
    shown = tiles(x)
    columns = columns or math.ceil(math.sqrt(len(shown)))
    return table([shown[i : i + columns] for i in range(0, len(shown), columns)])


def tiles(samples: Any) -> list[Image.Image]:
    """A small picture of each of the images `[n, C, H, W]` in [-1, 1], as in a grid; channels that are no colours lie side by
    side."""
    x = as_array(samples)
    n, c, h, w = x.shape
    if c not in (1, 3):
        x = x.transpose(0, 2, 1, 3).reshape(n, 1, h, c * w)
    scale = max(1, math.ceil(SMALLEST / max(h, w)))
    return [Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)) for pixels in _bytes(x)]


def table(
    rows: Sequence[Sequence[Image.Image | None]],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: str = "",
    group: int = 0,
) -> Image.Image:
    """Pictures of one size in rows, under the names of their columns and beside those of their rows.

    Args:
        rows: the pictures; a row may be shorter than others or have gaps.
        columns: a name for each column, or none.
        labels: a name for each row, or none.
        title: a line above everything.
        group: rows that belong together; a gap sets such groups apart. 0 for none.
    """
    w, h = next(tile.size for row in rows for tile in row if tile is not None)
    small, wide = ImageFont.load_default(size=10), max(map(len, rows))
    left = max((math.ceil(small.getlength(label)) + 8 for label in labels), default=0)
    head = LINE * bool(title)
    top = head + LINE * bool(columns)
    between = [APART * (i // group) if group else 0 for i in range(len(rows))]
    width = max(left + wide * (w + GAP) + GAP, math.ceil(small.getlength(title)) + 8)
    picture = Image.new("RGB", (width, top + len(rows) * (h + GAP) + GAP + between[-1]), PAPER if left or top else FAINT)
    draw = ImageDraw.Draw(picture)
    draw.text((GAP + 2, LINE // 2), title, INK, anchor="lm", font=small)
    for k, name in enumerate(columns):
        draw.text((left + GAP + k * (w + GAP) + w // 2, head + LINE // 2), name, INK, anchor="mm", font=small)
    for i, row in enumerate(rows):
        y = top + GAP + i * (h + GAP) + between[i]
        if labels:
            draw.text((left - 4, y + h // 2), labels[i], INK, anchor="rm", font=small)
        for k, tile in enumerate(row):
            if tile is not None:
                x = left + GAP + k * (w + GAP)
                draw.rectangle((x - 1, y - 1, x + w, y + h), outline=FAINT)
                picture.paste(tile, (x, y))
    return picture


def _bytes(x: NDArray[np.float64]) -> NDArray[np.uint8]:
    shown = np.rint((np.nan_to_num(x).clip(-1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    shown = np.broadcast_to(shown, (*shown.shape[:3], 3)).copy()
    shown[~np.isfinite(x).all(1)] = MAGENTA
    return shown


def scatter(points: Any, means: Any = None, side: int = 480, limit: float | None = None) -> Image.Image:
    """A square plot of points `[n, D]`, their first two dimensions, over the faint `means` `[K, D]` of a mixture.

    It reaches from -limit to limit on both axes; without a limit, to a fifth beyond the means, or beyond 99 % of the
    points. Points outside are counted in the corner.
    """
    x = as_array(points)
    x = np.concatenate([x, np.zeros_like(x)], 1)[:, :2] if x.shape[1] < 2 else x[:, :2]
    centres = None if means is None else np.asarray(means, float)[:, :2]
    finite = np.isfinite(x).all(1)
    limit = extent(x, centres) if limit is None else limit
    over = 4  # drawn larger and shrunk: smooth dots
    big, size = side * over, max(side / 480, 0.6) * over
    picture = Image.new("RGB", (big, big), PAPER)
    draw = ImageDraw.Draw(picture, "RGBA")

    def at(p: NDArray[np.float64]) -> tuple[float, float]:
        return (p[0] / limit + 1) / 2 * big, (1 - p[1] / limit) / 2 * big

    for a, b in (((-limit, 0), (limit, 0)), ((0, -limit), (0, limit))):
        draw.line([at(np.array(a)), at(np.array(b))], fill=FAINT, width=over)
    for centre in centres if centres is not None else ():
        _dot(draw, at(centre), 9 * max(side / 480, 0.35) * over, (250, 205, 150, 255))
    inside = finite & (np.abs(np.nan_to_num(x)) <= limit).all(1)
    places = len(np.unique(x[inside], axis=0))
    radius = 1.4 * size * min(max(20 / max(places, 1), 1), 3)  # a few points are large ones
    for p in x[inside]:
        _dot(draw, at(p), radius, (31, 119, 180, 150))
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    draw.text((6, side - 16), f"±{limit:.3g}", INK)
    if not inside.all():
        lost, bad = int((finite & ~inside).sum()), int((~finite).sum())
        draw.text((6, 6), f"outside: {lost}" + (f", not finite: {bad}" if bad else ""), MAGENTA if bad else INK)
    return picture


def extent(points: Any, means: Any = None) -> float:
    """How far a plot of points `[n, D]` reaches: a fifth beyond the means, or beyond 99 % of the points."""
    x = as_array(points)
    finite = x[np.isfinite(x).all(1)]
    far = (
        np.abs(np.asarray(means, float)).max() if means is not None else np.quantile(np.abs(finite), 0.99) if len(finite) else 1
    )
    return 1.2 * float(far) or 1.0


def heat(values: Any, side: int = 480) -> Image.Image:
    """A square picture of a density `[M, M]`, `values[i, j]` at the i-th x and the j-th y, y upwards; white where it is 0,
    darkest at its peak. Its root is shown, so that weak modes are seen."""
    x = np.nan_to_num(as_array(values)).clip(0).T[::-1]
    shade = np.sqrt(x / (x.max() or 1.0))[..., None]
    pixels = np.rint(np.array(PAPER) * (1 - shade) + np.array(HOT) * shade).astype(np.uint8)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)


def _dot(draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, fill: tuple[int, ...]) -> None:
    draw.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill=fill)


def chart(lines: Mapping[str, Sequence[tuple[float, float]]], title: str, size: tuple[int, int] = (640, 360)) -> Image.Image:
    """A line chart of named series of (x, y), each colour used once; values that are not finite break a line."""
    width, height = size
    left, right, top, bottom = 64, 110, 28, 34
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((left, 8), title, INK)
    known = [(x, y) for series in lines.values() for x, y in series if math.isfinite(y)]
    if not known:
        draw.text((left, height // 2), "nothing to draw", INK)
        return picture
    x_low, x_high = _room(min(x for x, _ in known), max(x for x, _ in known))
    y_low, y_high = _room(min(y for _, y in known), max(y for _, y in known))

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    small = ImageFont.load_default(size=10)
    for y in ticks(y_low, y_high):
        draw.line([at(x_low, y), at(x_high, y)], fill=FAINT)
        draw.text((left - 6, at(0, y)[1]), f"{y:g}", INK, anchor="rm", font=small)
    for x in ticks(x_low, x_high):
        draw.text((at(x, 0)[0], height - bottom + 6), f"{x:g}", INK, anchor="ma", font=small)
    draw.line([at(x_low, y_high), at(x_low, y_low), at(x_high, y_low)], fill=INK)
    for i, (name, series) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        piece: list[tuple[float, float]] = []
        for x, y in [*series, (0.0, math.nan)]:
            if math.isfinite(y):
                piece.append(at(x, y))
                continue
            if len(piece) == 1:
                draw.point(piece, fill=colour)
            elif piece:
                draw.line(piece, fill=colour, width=2, joint="curve")
            piece = []
        draw.text((width - right + 10, top + 14 * i), name, colour, font=small)
    return picture


def ticks(low: float, high: float) -> list[float]:
    """Three to eight round numbers from `low` to `high`, steps of 1, 2 or 5 times a power of ten."""
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step = next(m * step for m in (5, 2, 1) if (high - low) / (m * step) > 3 - 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


def _room(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - abs(low) / 2 - 0.5, high + abs(high) / 2 + 0.5)


def as_array(values: Any) -> NDArray[np.float64]:
    """A tensor of any device and dtype, or an array, as float64 NumPy."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
