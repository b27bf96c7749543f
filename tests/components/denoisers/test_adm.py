"""The U-Net against an independent one, its published sizes, and its options."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DModel

from gentoolkit.components.denoisers.adm import ADM
from gentoolkit.components.denoisers.adm_network import ResidualBlock, SelfAttention, resampled
from gentoolkit.components.model import Condition
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts
from gentoolkit.testing import tiny_facts

HO_ET_AL = ADM(attention=(1,), head_channels=256, scale_shift=False, resample="conv", dropout=0.1)
IMAGENET = {"raw_channels": 6, "classes": 1000}


def level(n, T=4):
    process = GaussianForward(VP().build(Facts(), {}).grid(T))
    return process.level(torch.arange(n) % T + 1)


def parameters(config, **facts):
    with torch.device("meta"):
        return sum(p.numel() for p in config.build(Facts(**facts), {}).parameters())


@pytest.mark.parametrize(
    ("config", "facts", "published"),
    [
        # Ho et al. (2020), App. B, CIFAR-10: 35.7 million; to the digit the peer's.
        (HO_ET_AL, {"shape": (3, 32, 32), "raw_channels": 3}, "35.7"),
        # Dhariwal and Nichol (2021), Table 11: 296, 422 and 554 million at 64, 128 and 256 pixels.
        (ADM(width=192, blocks=3, mults=(1, 2, 3, 4), attention=(1, 2, 3)), {"shape": (3, 64, 64), **IMAGENET}, "296"),
        (ADM(width=256, mults=(1, 1, 2, 3, 4), attention=(2, 3, 4)), {"shape": (3, 128, 128), **IMAGENET}, "422"),
        (ADM(width=256, mults=(1, 1, 2, 2, 4, 4), attention=(3, 4, 5)), {"shape": (3, 256, 256), **IMAGENET}, "554"),
    ],
)
def test_published_numbers_of_parameters(config, facts, published):
    millions = parameters(config, **facts) / 1e6
    assert f"{millions:.{len(published.partition('.')[2])}f}" == published


def test_ddpms_network_has_the_peers_parameters():
    with torch.device("meta"):
        peer = UNet2DModel(
            block_out_channels=(128, 256, 256, 256),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=None,
        )
    assert parameters(HO_ET_AL, shape=(3, 32, 32), raw_channels=3) == sum(p.numel() for p in peer.parameters()) == 35_746_307


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            {"scale_shift": False, "resample": "conv"},
            {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
        ),
        (
            {"scale_shift": True, "resample": "residual"},
            {
                "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
                "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
                "resnet_time_scale_shift": "scale_shift",
                "upsample_type": "resnet",
            },
        ),
    ],
)
def test_it_computes_what_an_independent_unet_does(ours, theirs):
    peer = UNet2DModel(
        block_out_channels=(128, 256),
        layers_per_block=1,
        attention_head_dim=64,
        freq_shift=1,
        flip_sin_to_cos=False,
        norm_eps=1e-6,
        attn_norm_num_groups=32,
        in_channels=2,
        out_channels=3,
        **theirs,
    ).eval()
    net = ADM(width=128, mults=(1, 2), blocks=1, attention=(1,), **ours).build(Facts(shape=(2, 8, 12), raw_channels=3), {})
    copy(peer, net.eval())
    x_t, at = torch.randn(3, 2, 8, 12, generator=torch.Generator().manual_seed(0)), level(3)
    with torch.no_grad():
        expected = peer(x_t, at.index).sample
        found = net(x_t, at, Condition())
    assert float(expected.std()) > 0.05
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def copy(peer, net):
    """The peer's weights, which are none of them zero, in our network."""
    noise, modulations = torch.Generator().manual_seed(1), []
    with torch.no_grad():
        for p in peer.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=noise))

    def take(layer, *sources):
        state = {k: torch.cat([s.state_dict()[k] for s in sources]) for k in sources[0].state_dict()}
        layer.load_state_dict(state)

    def residual(stage, resnet, attention=None):
        block = stage.block
        for one, other in (("norm_in", "norm1"), ("conv_in", "conv1"), ("norm_out", "norm2"), ("conv_out", "conv2")):
            take(getattr(block, one), getattr(resnet, other))
        if resnet.conv_shortcut is not None:
            take(block.skip, resnet.conv_shortcut)
        modulations.append(resnet.time_emb_proj)
        assert (attention is None) == (stage.attend is None)
        if attention is not None:
            take(stage.attend.norm, attention.group_norm)
            take(stage.attend.qkv, attention.to_q, attention.to_k, attention.to_v)
            take(stage.attend.out, attention.to_out[0])

    def resample(stage, sampler):
        if isinstance(stage.block, ResidualBlock):
            residual(stage, sampler)
        else:
            take(stage.block.conv, sampler.conv)

    for stages, blocks, samplers in ((net.down, peer.down_blocks, "downsamplers"), (net.up, peer.up_blocks, "upsamplers")):
        stages = iter(stages)
        for block in blocks:
            attentions = getattr(block, "attentions", [None] * len(block.resnets))
            for resnet, attention in zip(block.resnets, attentions, strict=True):
                residual(next(stages), resnet, attention)
            for sampler in getattr(block, samplers) or ():
                resample(next(stages), sampler)
        if blocks is peer.down_blocks:
            residual(net.middle[0], peer.mid_block.resnets[0], peer.mid_block.attentions[0])
            residual(net.middle[1], peer.mid_block.resnets[1])
    take(net.modulate, *modulations)
    take(net.conv_in, peer.conv_in)
    take(net.conv_out, peer.conv_out)
    take(net.norm_out, peer.conv_norm_out)
    take(net.time.hidden, peer.time_embedding.linear_1)
    take(net.time.out, peer.time_embedding.linear_2)


def test_it_starts_at_zero_with_blocks_that_are_their_skip():
    net = ADM(width=8, mults=(1, 2), blocks=1, attention=(1,), head_channels=4).build(Facts(raw_channels=2), {})
    x_t = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert bool((net(x_t, level(3), Condition()) == 0).all())
    h = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    for way, size in (("", 8), ("down", 4), ("up", 16)):
        block = ResidualBlock(8, 8, True, 0.0, way)
        out = block(h, torch.randn(3, block.modulations, 1, 1))
        assert out.shape == (3, 8, size, size)
        assert torch.equal(out, resampled(h, way))


def test_heads_attend_apart():
    """A head's output is the softmax of its own queries and keys over all pixels, over its own values."""
    made = SelfAttention(8, heads=2)
    with torch.no_grad():
        for p in made.parameters():
            p.normal_(generator=torch.Generator().manual_seed(p.numel()))
    h = torch.randn(2, 8, 3, 4, generator=torch.Generator().manual_seed(0))
    pixels = made.norm(h).flatten(2).transpose(1, 2)
    q, k, v = made.qkv(pixels).split(8, dim=2)
    heads = []
    for c in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(q[..., c] @ k[..., c].transpose(1, 2) / 4**0.5, dim=2)
        heads.append(weights @ v[..., c])
    expected = h + made.out(torch.cat(heads, dim=2)).transpose(1, 2).reshape(2, 8, 3, 4)
    assert torch.allclose(made(h), expected, rtol=1e-5, atol=1e-5)


def test_dropout_acts_in_training_alone():
    net = ADM(width=8, mults=(1,), attention=(), blocks=1, head_channels=8, dropout=0.5).build(Facts(), {})
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1)
    x_t = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    one, two = (net.train()(x_t, level(2), Condition()) for _ in range(2))
    assert not torch.equal(one, two)
    one, two = (net.eval()(x_t, level(2), Condition()) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("options", "option", "said"),
    [
        ({"mults": (1, 2, 2, 2, 2)}, "mults", "5 levels need sides divisible by 16"),
        ({"mults": ()}, "mults", "at least one level"),
        ({"width": 6, "mults": (1,), "attention": (), "head_channels": 6}, "width", "no multiple of 4"),
        ({"attention": (4,)}, "attention", "there is no level 4; the levels are 0 to 3"),
        ({"head_channels": 96}, "head_channels", "the 256 channels of level 1 cannot be parted into heads of 96"),
        ({"attention": (), "head_channels": 96}, "head_channels", "the 256 channels of level 3"),
        ({"attention": (0,), "head_channels": 256}, "head_channels", "the 128 channels of level 0"),
    ],
)
def test_what_does_not_fit_is_said(options, option, said):
    (complaint,) = ADM(**options).check(tiny_facts("image", (1, 8, 8)))
    assert complaint[0] == option
    assert said in complaint[1]
    assert not list(ADM().check(tiny_facts("image", (1, 8, 8))))


def test_it_can_leave_the_grid_unless_it_takes_steps():
    assert [ADM(time_input=name).any_time() for name in ("step", "time", "log_snr")] == [False, True, True]
