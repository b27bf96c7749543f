"""The tree that a recipe is structured into: which tables there are, and which slots hang below them."""

from __future__ import annotations

from gentoolkit.components.data import Data
from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.latents import Latent
from gentoolkit.components.methods import Method
from gentoolkit.components.metrics import Metric
from gentoolkit.components.observers import Observer
from gentoolkit.components.parametrizations import Parametrization
from gentoolkit.components.samplers import Sampler
from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import opt, section


@section
class Process:
    """q, the forward process."""

    schedule: Schedule = opt("vp", "how alpha and sigma run from data to noise")
    steps: int = opt(4, "T, the number of denoising steps", ge=1)
    spacing: str = opt(
        "even", "how the T steps lie in time: t/T, or its square (finer near the data)", choices=("even", "quadratic")
    )


@section
class Model:
    """p(x_{t-1} | x_t), the denoising model."""

    denoiser: Denoiser = opt(help="the network")
    latent: Latent = opt("none", "the randomness that makes a step multimodal")
    parametrization: Parametrization = opt("x0-posterior", "what the network's output stands for")
    condition: str = opt("none", "what the networks are told besides x_t and t", choices=("none", "class"))
    label_dropout: float = opt(0.0, "share of labels hidden in training, for classifier-free guidance", ge=0, lt=1)


@section
class Training:
    """How long, how large, how exact, on what."""

    steps: int = opt(help="optimisation steps", ge=1)
    batch_size: int = opt(help="samples per step over all devices together", ge=1)
    micro_batch: int | None = opt(None, "samples that a device sees at once; the rest is accumulated", ge=1)
    precision: str = opt(
        "fp32",
        "of the losses: bf16 is autocast over fp32 parameters; fp64 is parameters, data and samples too",
        choices=("fp32", "bf16", "fp64"),
    )
    parallel: str = opt(
        "auto",
        "how processes share it: none, ddp (each has all weights), fsdp (weights lie in shards), hsdp:RxS (R replicas of S "
        "shards); auto is none on one, ddp on several, fsdp where all weights are too many for a device",
    )
    clip: float | None = opt(None, "largest norm of an update's gradient", gt=0)
    compile: str = opt(
        "off",
        "losses as compiled programs: auto compares each with the eager loss and keeps to that where they differ or it cannot "
        "be compiled; all ends the run there",
        choices=("off", "auto", "all"),
    )
    channels_last: str = opt(
        "auto", "weights of convolutions with the channels last in memory; auto does it on CUDA", choices=("auto", "on", "off")
    )
    activation_checkpointing: bool = opt(
        False, "blocks of the networks are computed again in the backward pass: less memory, a third more time"
    )
    deterministic: bool = opt(
        True, "on CUDA: the same bits each time, which resuming bit for bit needs; false lets it choose faster kernels"
    )
    non_finite: str = opt(
        "stop",
        "what follows a gradient that is not finite, which is never applied: the run stops, leaves that update out, or goes "
        "back to the newest checkpoint and on with other data and noise",
        choices=("stop", "skip", "rewind"),
    )
    max_non_finite: int = opt(10, "updates that may be left out, or rewinds, before the run stops after all", ge=1)
    checkpoint_every: int = opt(1000, "steps between checkpoints", ge=1)
    keep: int = opt(2, "newest checkpoints that are kept", ge=1)
    keep_every: int | None = opt(None, "checkpoints at multiples of this step are kept for ever", ge=1)
    async_checkpoints: bool = opt(True, "write checkpoints from a copy in memory while training goes on")
    snapshot_every: int | None = opt(
        None, "steps between snapshots, models for people in snapshots/; the last step has one too", ge=1
    )
    evaluate_every: int | None = opt(
        None, "steps between measurements with the recipe's metrics; the last step has one too", ge=1
    )
    keep_best: str | None = opt(None, "METRIC/VALUE: the checkpoint at which it was best is kept, too")
    log_every: int = opt(50, "steps between lines of the log", ge=1)
    seed: int = opt(0, "every random number of the run follows from it", ge=0)
    resume: str = opt(
        "auto",
        "auto goes on from the newest committed checkpoint; never refuses a folder that has one",
        choices=("auto", "never"),
    )
    workers: int = opt(0, "data-loading processes per device", ge=0)
    device: str = opt("auto", "auto takes CUDA where there is one", choices=("auto", "cpu", "cuda"))


@section
class Forgetting:
    """How one average of the weights forgets: exactly one of these."""

    decay: float | None = opt(None, "share of the old average kept in each step; 0 is the raw weights", ge=0, lt=1)
    half_life: float | None = opt(None, "images after which an old weight counts half", gt=0)
    sigma_rel: float | None = opt(
        None, "width of a power function, as a share of the training so far (Karras et al., 2024)", gt=0, le=0.28
    )


@section
class Ema:
    """The average of the denoiser's weights which samples are drawn from, and more of them by name."""

    decay: float | None = opt(0.999, "share of the old average kept in each step; 0 is the raw weights", ge=0, lt=1)
    half_life: float | None = opt(None, "images after which an old weight counts half; in place of decay", gt=0)
    sigma_rel: float | None = opt(
        None,
        "width of a power function, as a share of the training so far (Karras et al., 2024); in place of decay",
        gt=0,
        le=0.28,
    )
    more: dict[str, Forgetting] = opt({}, "more averages, kept beside it: [ema.more.NAME], for `--weights NAME`")


@section
class Start:
    """Weights of another model that training begins with, in place of random ones; optimizers are fresh."""

    run: str = opt(help="the run's folder, a snapshot, or an exported or imported model", path=True)
    weights: str = opt("ema", "which of its weights: ema, raw, or the name of another average")
    fresh: tuple[str, ...] = opt((), "nets that begin with random weights all the same, such as the discriminator")


@section
class Run:
    """Where the run lives."""

    name: str | None = opt(None, "name of the run; the recipe's file name unless given")
    folder: str | None = opt(None, "run folder; runs/<name> unless given", path=True)
    checkpoints: str | None = opt(
        None, "where checkpoints lie: a folder or any URL of fsspec, s3://bucket/run; in the run folder unless given", path=True
    )


@section
class Local:
    """Code of yours that is not a package."""

    modules: tuple[str, ...] = opt((), "Python files whose components are used as local/ClassName", path=True)


@section
class Recipe:
    """A whole recipe."""

    data: Data = opt(help="x_0 ~ q(x_0)")
    process: Process = opt(Process, "q, the forward process")
    model: Model = opt(help="p(x_{t-1} | x_t), the denoising model")
    method: Method = opt(help="the divergence that is minimised")
    sampler: Sampler = opt("ancestral", "how x_0 is drawn from the model")
    training: Training = opt(help="how long, how large, how exact, on what")
    ema: Ema = opt(Ema, "the average of the weights that samples are drawn from")
    start: Start | None = opt(None, "weights of another model that training begins with")
    observers: dict[str, Observer] = opt(
        {"grid": {"use": "sample-grid"}, "loss_per_step": {"use": "loss-per-step"}}, "mirrors of the run"
    )
    metrics: dict[str, Metric] = opt({}, "what `gentool evaluate` and `training.evaluate_every` measure")
    run: Run = opt(Run, "where the run lives")
    local: Local = opt(Local, "code of yours that is not a package")
