"""A registry of toy components, so that recipes can be tested apart from any real model."""

from __future__ import annotations

from gentoolkit.components.data import Data, DataSpec
from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.discriminators import Discriminator
from gentoolkit.components.latents import Latent
from gentoolkit.components.methods import Method
from gentoolkit.components.metrics import Metric
from gentoolkit.components.observers import Observer
from gentoolkit.components.optimizers import LRSchedule, Optimizer
from gentoolkit.components.parametrizations import Parametrization
from gentoolkit.components.regularizers import Regularizer
from gentoolkit.components.samplers import Sampler
from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Registrar, Registry, RunRef, component, hookimpl, opt
from gentoolkit.registry.plugins import Plugin

GOOD = """\
[data]
use = "pictures"
source = "pictures"

[model.denoiser]
use = "net"
width = 32

[method]
use = "gan"
discriminator = "judge"

[training]
steps = 1000
batch_size = 32
"""


@component
class Pictures(Data):
    """Pictures from a folder."""

    source: str = opt(help="folder of the pictures", path=True)
    size: int = opt(32, "height and width", ge=1)
    labelled: bool = opt(True, "whether there are labels")
    mean: tuple[float, ...] = opt((0.5, 0.5), "per channel", ge=0, le=1)

    def spec(self):
        return DataSpec(kind="image", shape=(3, self.size, self.size), labels=10 if self.labelled else None)

    def files(self):
        return (self.source,)


@component
class Points(Data):
    """Points in the plane."""

    def spec(self):
        return DataSpec(kind="points", shape=(2,), bounded=False)


@component
class VP(Schedule):
    """Variance-preserving."""

    beta_max: float = opt(20.0, "largest rate of noise", gt=0)

    def alpha_sigma(self, time, m):
        return m.exp(-time), m.sqrt(1 - m.exp(-2 * time))


@component
class Kinked(Schedule):
    """A schedule whose author made a mistake."""

    def alpha_sigma(self, time, m):
        return 1 / (time - time), 1.0


@component
class NoLatent(Latent):
    """No latent."""


@component
class Gaussian(Latent):
    """A Gaussian latent."""

    dim: int = opt(help="width of z", ge=1)

    def sizes(self, facts):
        return self.dim, self.dim


@component
class X0(Parametrization):
    """Predicts x_0."""


@component
class Net(Denoiser):
    """A network that takes everything."""

    kinds = ("image", "points")
    takes_latent = True
    takes_class = True

    width: int = opt(64, "channels", ge=8)
    mults: tuple[int, ...] = opt((1, 2), "channel multiplier per level", ge=1)
    dropout: float | None = opt(0.1, "share of features hidden", ge=0, lt=1)
    attention: bool = opt(False, "attention in the middle")
    activation: str = opt("silu", "between the layers", choices=("silu", "relu"))
    start: RunRef | None = opt(None, "run to start from")

    def check(self, facts):
        if facts.kind == "image" and facts.shape[1] % 2 ** (len(self.mults) - 1):
            yield "mults", f"{len(self.mults)} levels need a size they divide, not {facts.shape[1]}", "mults = [1]"

    def note(self, facts):
        if self.width > 500:
            yield "width", "that is wide"


@component
class Plain(Denoiser):
    """A network for images without latent or class."""

    width: int = opt(8, "channels", ge=1)


@component
class Judge(Discriminator):
    """A discriminator."""

    takes_class = True
    preset: str = opt("small", "size", choices=("small", "large"))

    def check(self, facts):
        if self.preset == "small" and facts.kind == "image" and facts.shape[1] > 64:
            yield "preset", f"it takes images up to 64x64; data '{facts.data}' gives {facts.shape[1]}", 'preset = "large"'


@component
class R1(Regularizer):
    """Gradient penalty."""

    gamma: float = opt(1.0, "strength", ge=0)
    every: int = opt(1, "lazy interval", ge=1)
    scale_by_every: bool = opt(False, "whether lazy terms are scaled")


@component
class Constant(LRSchedule):
    """A constant rate."""

    constant = True


@component
class Cosine(LRSchedule):
    """Cosine decay."""

    final: float = opt(0.0, "rate at the end", ge=0)


@component
class Adam(Optimizer):
    """Adam."""

    lr: float = opt(1e-4, "learning rate", gt=0)
    betas: tuple[float, float] = opt((0.9, 0.999), "decay of the moments", ge=0, lt=1)
    lr_schedule: LRSchedule = opt("constant", "how the rate changes")


@component
class SGD(Optimizer):
    """Gradient descent."""

    lr: float = opt(0.1, "learning rate", gt=0)
    lr_schedule: LRSchedule | None = opt(None, "how the rate changes")


ADAM = {"use": "adam", "lr": 2e-4, "betas": [0.5, 0.9]}


@component
class GAN(Method):
    """An adversarial method."""

    discriminator: Discriminator = opt(help="the judge")
    loss: str = opt("non-saturating", "adversarial loss", choices=("non-saturating", "hinge"))
    regularizers: dict[str, Regularizer] = opt({"r1": {"use": "r1", "gamma": 0.5}}, "penalties")
    extra: Regularizer | None = opt("r1", "one more")
    optimizers: dict[str, Optimizer] = opt({"discriminator": ADAM, "denoiser": ADAM}, "of the updates")


@component
class Simple(Method):
    """A method without parts of its own."""

    weights: dict[str, float] = opt({"mse": 1}, "of the terms")
    optimizers: dict[str, Optimizer] = opt({"denoiser": "adam"}, "of the update")


@component
class Ancestral(Sampler):
    """Step by step."""

    steps: int | None = opt(None, "steps taken", ge=1)
    batch: int = opt(16, "samples per chunk", ge=1)


@component
class Jump(Sampler):
    """Deterministic."""

    deterministic = True
    steps: int | None = opt(None, "steps taken", ge=1)
    batch: int = opt(16, "samples per chunk", ge=1)


@component
class Grid(Observer):
    """A grid of samples."""

    every: int = opt(100, "steps between grids", ge=1)


@component
class LossPerStep(Observer):
    """Loss per step t."""


@component
class FID(Metric):
    """Frechet distance."""

    samples: int = opt(1000, "samples drawn", ge=1)


CORE = {
    "data": {"pictures": Pictures, "points": Points},
    "schedule": {"vp": VP, "kinked": Kinked},
    "latent": {"none": NoLatent, "gaussian": Gaussian},
    "parametrization": {"x0-posterior": X0},
    "denoiser": {"net": Net, "plain": Plain},
    "discriminator": {"judge": Judge},
    "regularizer": {"r1": R1},
    "lr_schedule": {"constant": Constant, "cosine": Cosine},
    "optimizer": {"adam": Adam, "sgd": SGD},
    "method": {"gan": GAN, "simple": Simple},
    "sampler": {"ancestral": Ancestral, "jump": Jump},
    "observer": {"sample-grid": Grid, "loss-per-step": LossPerStep},
    "metric": {"fid": FID},
}


class Toys:
    """What a plugin's module is."""

    def __init__(self, components, recipes=None):
        self.components, self.package = components, recipes

    @hookimpl
    def gentoolkit_register(self, registry: Registrar) -> None:
        for slot, named in self.components.items():
            for name, cls in named.items():
                registry.add(slot, name, cls, (cls.__doc__ or "").strip())
        if self.package:
            registry.recipes(self.package)


def toy_registry() -> Registry:
    """Core toys, a plugin `acme` in order, one that is broken and one that two distributions claim."""
    registry = Registry()
    registry.plugins[""] = Plugin("", "toys", "gentoolkit", loaded=Toys(CORE))
    acme = type("UNet", (Net,), {"__doc__": "Acme's network.", "__module__": __name__, "__annotations__": {}})
    registry.plugins["acme"] = Plugin(
        "acme", "toys", "acme 1.2", loaded=Toys({"denoiser": {"unet": component(acme)}}, "acme_recipes")
    )
    registry.plugins["broken"] = Plugin("broken", "no_such_module_at_all", "broken 0.1")
    claim = "two distributions claim the namespace 'twice': one 1.0 and two 2.0"
    registry.plugins["twice"] = Plugin("twice", "toys", "one 1.0 and two 2.0", status="conflict", reason=claim)
    return registry
