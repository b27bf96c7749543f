"""torch-fidelity run by itself on two folders of images, and ours on the same ones: the same numbers to a millionth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gentoolkit.components.data.image_folder import ImageFolder
from gentoolkit.components.features.inception import Inception
from gentoolkit.components.metrics.fid import FD
from gentoolkit.components.metrics.inception_score import InceptionScore
from gentoolkit.components.metrics.kid import KID
from gentoolkit.components.metrics.precision_recall import PrecisionRecall
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples.measuring import Panel, prepare
from gentoolkit.testing import tiny_facts

from ..random_weights import inception_file

GENERATED, REAL = 14, 12


def folders(tmp_path, channels):
    """Real digits as PNGs, and others pale with noise: `(generated, real)`."""
    digits = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 120, digits.shape, dtype=np.uint8)
    made = {"real": digits[: channels * REAL], "generated": (250 - digits // 3 - noise // 4)[300 : 300 + channels * GENERATED]}
    for name, images in made.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(images.reshape(-1, channels, 8, 8)):
            Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0)).save(tmp_path / name / f"{i:04d}.png")
    return tmp_path / "generated", tmp_path / "real"


@pytest.mark.parametrize("channels", [1, 3])
def test_the_numbers_are_torch_fidelitys(tmp_path, channels):
    import torch_fidelity

    generated, real = folders(tmp_path, channels)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(generated),
        input2=str(real),
        **{"cuda": False, "cache": False, "verbose": False, "save_cpu_ram": True},
        **{"fid": True, "kid": True, "isc": True, "prc": True},
        **{"kid_subsets": 8, "kid_subset_size": 8, "isc_splits": 3},
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(inception_file()),
    )
    facts = tiny_facts("image", (channels, 8, 8), data="image-folder")
    network = Inception(weights=str(inception_file()))
    configs = {
        "fd": FD(features=network, samples=GENERATED),
        "kid": KID(features=network, samples=GENERATED, subsets=8, subset_size=8),
        "is": InceptionScore(features=network, samples=GENERATED, splits=3),
        "prc": PrecisionRecall(features=network, samples=GENERATED),
    }
    features = network.build(facts, {})
    built = {name: config.build(facts, {"features": features}) for name, config in configs.items()}
    data = [ImageFolder(source=str(path), size=8, channels=channels).build(facts, {}) for path in (generated, real)]
    prepare(built, data[1], World(0, 1, torch.device("cpu"), None))
    panel = Panel(built, {name: config.samples for name, config in configs.items()})
    samples = torch.stack([data[0][i]["x_0"] for i in range(GENERATED)]) / 127.5 - 1
    panel.add(panel.see(samples[:9], 0), 0)
    panel.add(panel.see(samples[9:], 9), 9)
    ours = panel.compute()
    for name, value, key in (
        ("fd", "fd", "frechet_inception_distance"),
        ("kid", "kid", "kernel_inception_distance_mean"),
        ("kid", "kid_std", "kernel_inception_distance_std"),
        ("is", "is", "inception_score_mean"),
        ("is", "is_std", "inception_score_std"),
        ("prc", "precision", "precision"),
        ("prc", "recall", "recall"),
        ("prc", "f_score", "f_score"),
    ):
        assert ours[name][value] == pytest.approx(theirs[key], rel=1e-6), key
    assert len({metric.features.key for metric in built.values()}) == 1
    assert built["fd"].protocol.startswith(f"fd/inception-own-{features.key[-8:]}/{GENERATED}/image-folder-")
