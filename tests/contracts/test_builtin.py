"""The built-in components keep the contracts that plugins are held to."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path

import pytest

from gentoolkit.components.features import inception_network
from gentoolkit.components.features.image_network import ImageNetwork
from gentoolkit.components.features.random_network import look, random_features
from gentoolkit.components.features.weight_files import WeightFile
from gentoolkit.testing import plugin_contract, tiny_facts
from gentoolkit.testing.sources import WRITERS, write_source

from ..random_weights import inception_file, timm_file

SMALL = {"width": 24, "depth": 2}
MLP = {"use": "mlp", **SMALL}
R1 = {"use": "r1", "every": 2}


def folder() -> Path:
    """An empty folder that goes when the tests end."""
    made = tempfile.TemporaryDirectory()
    atexit.register(made.cleanup)
    return Path(made.name)


FILES = {use: write_source(use, folder(), size=(9, 7) if use in ("image-folder", "idx") else None) for use in WRITERS}


def small_classifier(path, official, model):
    """In place of Inception under metrics, whose weights are not here, and which would take minutes for their samples."""

    def both(network, images):
        found = look(network, images)
        return {**found, "logits": 3 * found["features"]}

    return ImageNetwork("inception-2015-12-05", random_features(3, 4, 0)._network, both)


@pytest.fixture(autouse=True)
def _no_weights_are_needed(request, monkeypatch):
    if "test_metrics" in request.node.name:
        monkeypatch.setattr(WeightFile, "find", lambda self: Path("nothing"))
        monkeypatch.setattr(inception_network, "inception", small_classifier)


TestBuiltin = plugin_contract(
    "",
    facts={"features inception": [tiny_facts("image", (1, 8, 8))]},
    options={
        "features inception": {"weights": str(inception_file())},
        "features timm": {"model": "test_resnet.r160_in1k", "weights": str(timm_file("test_resnet.r160_in1k"))},
        "features random": [{}, {"width": 4, "seed": 1}],
        "metric fd": [{"samples": 96}, {"samples": 96, "features": {"use": "random", "width": 4}, "real": 50}],
        "metric kid": {"samples": 96, "subset_size": 20, "subsets": 5},
        "metric is": {"splits": 3},
        "data gaussians25": {"size": 500},
        "data stacked-digits": {"size": 300},
        "data idx": [
            {"source": FILES["idx"], "size": 10, "classes": 2},
            {"source": FILES["idx"], "classes": 0, "flip": True},
        ],
        "data image-folder": [
            {"source": FILES["image-folder"], "size": 6, "classes": 2, "flip": True},
            {"source": FILES["image-folder"], "size": [9, 7], "channels": 1, "resize": "none"},
        ],
        "data image-zip": [
            {"source": FILES["image-zip"], "size": 6, "classes": 2},
            {"source": FILES["image-zip"], "size": [8, 8]},
        ],
        "data image-tar": [{"source": FILES["image-tar"], "size": 6, "classes": 2}, {"source": FILES["image-tar"], "size": 8}],
        "data image-lmdb": [
            {"source": FILES["image-lmdb"], "size": 6, "flip": True},
            {"source": FILES["celeba-hq"], "size": 8},
        ],
        "data image-parquet": {"source": FILES["image-parquet"], "size": 8, "classes": 2},
        "data packed": [
            {"source": FILES["packed"], "size": 8, "classes": 2, "flip": True},
            {"source": FILES["packed"], "size": 6, "channels": 1},
        ],
        "data mnist": [{"source": FILES["mnist"]}, {"source": FILES["mnist"], "size": 32, "classes": 0}],
        "data fashion-mnist": {"source": FILES["fashion-mnist"], "flip": True},
        "data stacked-mnist": {"source": FILES["stacked-mnist"], "images": 50},
        "data cifar10": [{"source": FILES["cifar10"]}, {"source": FILES["cifar10"], "classes": 0, "flip": True}],
        "data celeba-hq": {"source": FILES["celeba-hq"], "size": 8, "images": 10, "flip": True},
        "data lsun-church": {"source": FILES["lsun-church"], "size": 8, "images": 0},
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
        "augmentation instance-noise": [{"share": 1.0}, {"smallest": 0.3, "largest": 0.3}],
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
            {"discriminator": MLP, "augmentations": {"noise": {"use": "instance-noise"}}},
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
        "metric denoising-gap": {"points": 8, "draws": 4, "steps": 2},
        "metric precision-recall": {"samples": 100, "real": 200, "k": 2},
        "metric density-coverage": {"samples": 100, "real": 200, "k": 2},
        "metric neighbours": {"samples": 100, "margin": 0.4},
        "metric speed": {"batches": [1, 2], "warmup": 1, "repeats": 1},
        "optimizer adamw": {"weight_decay": 0.1, "betas": [0.5, 0.9]},
        "sampler ancestral": [{}, {"clip": True}],
        "sampler ddim": [{}, {"eta": 1.0}, {"clip": True, "eta": 0.5}],
        "sampler fast-ddpm": [{}, {"spacing": "linear", "variance": "large", "clip": True}],
        "sampler dpm-solver++": [{}, {"spacing": "log-snr", "rule": "exact", "clip": True}],
        "sampler heun": [{}, {"spacing": "grid", "churn": 2.0, "churn_noise": 1.01}, {"clip": True, "rho": 3.0}],
        "sampler predictor-corrector": [{}, {"predictor": "reverse-diffusion", "corrections": 2, "clip": True}],
        "sampler probability-flow": [{}, {"solver": "euler", "clip": True}, {"solver": "rk4"}],
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
