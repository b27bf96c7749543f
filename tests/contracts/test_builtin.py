"""The built-in components keep the contracts that plugins are held to."""

from __future__ import annotations

import atexit
import struct
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from gentoolkit.testing import plugin_contract

SMALL = {"width": 24, "depth": 2}
MLP = {"use": "mlp", **SMALL}
R1 = {"use": "r1", "every": 2}


def files() -> Path:
    """A folder with eleven small pictures in two classes, and the same as idx files."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    root = Path(folder.name)
    pixels = np.random.default_rng(0).integers(0, 256, (11, 9, 7), np.uint8)
    labels = (np.arange(11) % 2).astype(np.uint8)
    for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (root / "pictures" / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "pictures" / f"class{label}" / f"{i}.png")
    (root / "train-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, *pixels.shape) + pixels.tobytes())
    (root / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, len(labels)) + labels.tobytes())
    return root


FILES = files()

TestBuiltin = plugin_contract(
    "",
    options={
        "data gaussians25": {"size": 500},
        "data stacked-digits": {"size": 300},
        "data idx": [{"source": str(FILES), "size": 10, "classes": 2}, {"source": str(FILES), "classes": 0, "flip": True}],
        "data image-folder": [
            {"source": str(FILES / "pictures"), "size": 6, "classes": 2, "flip": True},
            {"source": str(FILES / "pictures"), "size": [9, 7], "channels": 1, "resize": "none"},
        ],
        "denoiser mlp": SMALL,
        "denoiser unet": [{"width": 8, "mults": [1], "attention": [0]}, {"width": 4, "mults": [1, 2], "blocks": 2}],
        "denoiser ncsnpp": [
            {"width": 4, "mults": [1, 2], "blocks": 1},
            {"width": 8, "mults": [1], "attention": [0], "time_input": "log_snr", "dropout": 0.1, "tanh": True},
            {
                **{"width": 4, "mults": [1, 1], "attention": [], "fir": False, "time_input": "time"},
                **{"progressive_input": "input-skip", "progressive_output": "output-skip"},
            },
            {"width": 4, "mults": [2, 1], "blocks": 1, "progressive_input": "none", "progressive_output": "output-skip"},
        ],
        "discriminator time-conv": [
            {"width": 4, "embedding": 6},
            {"width": 4, "embedding": 8, "mults": [2, 3], "full": 2, "stddev_layout": "reference", "time_input": "time"},
            {"width": 4, "embedding": 8, "preset": "large", "mults": [2], "stddev_group": 2, "time_input": "log_snr"},
        ],
        "discriminator conv": [{"width": 8, "mults": [1]}, {"width": 4, "mults": [1, 2], "blocks": 2}],
        "encoder conv": [{"width": 8, "mults": [1]}, {"width": 4, "mults": [1, 2]}],
        "discriminator mlp": SMALL,
        "encoder mlp": SMALL,
        "regularizer r1": [
            {"gamma": 2.0, "final": 0.1},
            {"gamma": 2.0, "final": 0.1, "decay": "geometric"},
            {"approximate": True, "std": 0.1},
        ],
        "regularizer r2": {"gamma": 2.0, "final": 0.0},
        "augmentation diffaug": [
            {},
            {"colour": False, "cutout": 0.0, "translation": 0.4},
            {"colour": False, "translation": 0.0},
            {"translation": 0.0, "cutout": 0.0},
        ],
        "augmentation diffusion": [{}, {"steps": 2}],
        "latent gaussian": [
            {"dim": 5, "width": 7, "layers": 2},
            {"dim": 5, "layers": 0},
            {"dim": 5, "width": 8, "init": "fan-out"},
        ],
        "method ddgan": [
            {"discriminator": MLP, "regularizers": {"r1": R1}},
            {"discriminator": MLP, "loss": "hinge", "critic_steps": 2},
            {"discriminator": MLP, "loss": "least-squares", "regularizers": {"lecam": {"use": "lecam"}, "r2": {"use": "r2"}}},
            {"discriminator": MLP, "loss": "wasserstein", "regularizers": {"gp": {"use": "wgan-gp", "final": 1.0}}},
            {"discriminator": MLP, "regularizers": {"r1": {"use": "r1", "approximate": True, "std": 0.1}}},
            {"discriminator": {"use": "conv", "width": 4, "mults": [1]}, "regularizers": {"r1": R1}},
            {"discriminator": MLP, "regularizers": {"r1": R1}, "augmentations": {"noise": {"use": "diffusion"}}},
            {"discriminator": MLP, "augmentations": {"a": {"use": "diffaug"}, "noise": {"use": "diffusion"}}},
            {"discriminator": {"use": "time-conv", "width": 4, "embedding": 8}, "regularizers": {"r1": R1}},
        ],
        "method cvae": [
            {"encoder": MLP, "decoder_std": 0.1},
            {"encoder": MLP, "decoder_std": 0.1, "observe": "x_0", "kl_warmup": 2},
            {"encoder": MLP, "decoder_std": 0.1, "reconstruction": "simple", "free_bits": 0.01},
            {"encoder": MLP, "decoder_std": 0.1, "reconstruction": "min-snr", "kl_weights": [1.0, 0.5, 2.0, 1.0]},
            {"decoder_std": 0.1},
        ],
        "method ddpm": [
            {"loss": "simple"},
            {"loss": "vlb", "decoder_std": 0.1},
            {"loss": "min-snr"},
            {"loss": "p2"},
            {"loss": "hybrid", "decoder_std": 0.1},
        ],
        "metric modes": {"train": 300},
        "metric speed": {"batches": [1, 2], "warmup": 1, "repeats": 1},
        "optimizer adamw": {"weight_decay": 0.1, "betas": [0.5, 0.9]},
        "sampler ancestral": [{}, {"clip": True}],
        "sampler ddim": [{}, {"eta": 1.0}, {"clip": True, "eta": 0.5}],
        "schedule vp": [{}, {"start": 1e-3}],
        "denoiser adm": [
            {"width": 8, "mults": [1, 2], "blocks": 1, "attention": [0], "head_channels": 4},
            {"width": 8, "mults": [1], "attention": [], "head_channels": 8, "scale_shift": False, "dropout": 0.1},
            {"width": 4, "mults": [1, 2], "attention": [1], "head_channels": 2, "resample": "conv", "time_input": "log_snr"},
        ],
        "denoiser dit": [
            {"hidden": 16, "depth": 2, "heads": 2},
            {"hidden": 12, "depth": 1, "heads": 3, "patch": 1, "mlp_ratio": 2.0, "time_input": "time"},
        ],
        "schedule sigmoid": [{}, {"start": 0, "tau": 0.3}],
        "schedule edm": [{}, {"rho": 3.0}],
        "parametrization x0-posterior": [{}, {"variance": "fixed-large"}, {"variance": "learned"}],
        "parametrization v-posterior": [{}, {"variance": "learned"}],
        "parametrization eps-posterior": [{}, {"variance": "learned"}],
        "parametrization edm-posterior": [{}, {"sigma_data": 1.0, "variance": "learned"}],
        "lr_schedule cosine": [{}, {"warmup_steps": 5}],
    },
)
