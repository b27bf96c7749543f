"""Resampling by two with [1, 3, 3, 1] equals zero-stuffing, padding, one plain convolution and taking every second pixel."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, pad

from gentoolkit.components.networks.fir import blur, down2, filter_for, up2

ROW = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8


def image(h=6, w=10, dtype=torch.float64):
    return torch.randn(2, 3, h, w, generator=torch.Generator().manual_seed(0), dtype=dtype)


def plain(x, up, down, before, after, gain):
    """Channel by channel, as the definition reads."""
    b, c, h, w = x.shape
    stuffed = torch.zeros(b, c, up * h, up * w, dtype=x.dtype)
    stuffed[:, :, ::up, ::up] = x
    k = gain * torch.outer(ROW, ROW)[None, None]
    padded = pad(stuffed, (before, after, before, after))
    return torch.cat([conv2d(padded[:, i : i + 1], k) for i in range(c)], 1)[:, :, ::down, ::down]


def test_it_is_the_definition():
    x = image()
    k = filter_for(x)
    assert torch.equal(k, torch.outer(ROW, ROW))
    assert torch.allclose(up2(x, k), plain(x, 2, 1, 2, 1, 4), atol=1e-14)
    assert torch.allclose(down2(x, k), plain(x, 1, 2, 1, 1, 1), atol=1e-14)
    assert torch.allclose(blur(x, k), plain(x, 1, 1, 2, 2, 1), atol=1e-14)
    assert torch.allclose(down2(image(7, 9), k), plain(image(7, 9), 1, 2, 1, 1, 1), atol=1e-14)


def test_a_flat_image_stays_flat_away_from_the_border():
    x = torch.ones(1, 2, 8, 8)
    k = filter_for(x)
    for made, edge in ((up2(x, k), 1), (down2(x, k), 1), (blur(x, k), 2)):
        assert torch.equal(made[:, :, edge:-edge, edge:-edge], torch.ones_like(made[:, :, edge:-edge, edge:-edge]))
        assert float(made[0, 0, 0, 0]) < 1


def test_up_is_four_times_the_adjoint_of_down():
    """<up2(x), y> = 4 <x, down2(y)>."""
    x, y = image(4, 6), image(8, 12)
    k = filter_for(x)
    assert float((up2(x, k) * y).sum()) == pytest.approx(4 * float((x * down2(y, k)).sum()), rel=1e-12)


def test_without_a_filter_pixels_are_repeated_and_averaged():
    x = image()
    assert torch.equal(up2(x, None), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.allclose(down2(up2(x, None), None), x)


def test_its_values_are_exact_in_bf16_and_the_layout_stays():
    x = image(dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    assert torch.equal(filter_for(x).double(), torch.outer(ROW, ROW))
    k = filter_for(image())
    for made in (up2(x, k), down2(x, k)):
        assert made.dtype == torch.bfloat16
        assert made.is_contiguous(memory_format=torch.channels_last)
