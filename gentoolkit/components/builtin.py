"""The built-in components, registered through the same hook as a stranger's."""

from __future__ import annotations

from gentoolkit.registry import Registrar, hookimpl

C = "gentoolkit.components"

COMPONENTS = [
    ("schedule", "vp", f"{C}.schedules.vp:VP", "variance-preserving, the paper's (Eq. 16)"),
    ("schedule", "linear", f"{C}.schedules.linear:Linear", "DDPM's 1000 linear betas"),
    ("schedule", "cosine", f"{C}.schedules.cosine:Cosine", "cosine alpha_bar of Improved DDPM"),
    ("schedule", "geometric", f"{C}.schedules.geometric:Geometric", "variance-exploding"),
    ("schedule", "rectified", f"{C}.schedules.rectified:Rectified", "straight lines from data to noise"),
    ("parametrization", "x0-posterior", f"{C}.parametrizations.posterior:X0Posterior", "predict x_0 (paper, Eq. 6)"),
    ("parametrization", "eps-posterior", f"{C}.parametrizations.posterior:EpsPosterior", "predict the noise"),
    ("parametrization", "v-posterior", f"{C}.parametrizations.posterior:VPosterior", "predict v"),
    ("parametrization", "direct", f"{C}.parametrizations.direct:Direct", "put out x_{t-1} itself"),
    ("latent", "none", f"{C}.latents.none:NoLatent", "no latent: unimodal steps"),
    ("latent", "gaussian", f"{C}.latents.gaussian:GaussianLatent", "Gaussian z with a mapping network"),
    ("denoiser", "mlp", f"{C}.denoisers.mlp:MLP", "multilayer perceptron (paper, App. C.5)"),
    ("denoiser", "unet", f"{C}.denoisers.unet:UNet", "compact image U-Net with latent AdaGN"),
    ("denoiser", "ncsnpp", f"{C}.denoisers.ncsnpp:NCSNpp", "NCSN++ with latent AdaGN, the paper's generator"),
    ("encoder", "mlp", f"{C}.encoders.mlp:MLP", "multilayer perceptron"),
    ("encoder", "conv", f"{C}.encoders.conv:Conv", "convolutional, for images"),
    ("discriminator", "mlp", f"{C}.discriminators.mlp:MLP", "multilayer perceptron (paper, App. C.5)"),
    ("discriminator", "conv", f"{C}.discriminators.conv:Conv", "time-conditioned, convolutional, for images"),
    ("discriminator", "time-conv", f"{C}.discriminators.time_conv:TimeConv", "the paper's, small or large, for images"),
    ("regularizer", "r1", f"{C}.regularizers.r1:R1", "gradient penalty on real pairs"),
    ("regularizer", "r2", f"{C}.regularizers.r2:R2", "gradient penalty on fake pairs"),
    ("regularizer", "wgan-gp", f"{C}.regularizers.wgan_gp:WGANGP", "gradient norm of 1 between real and fake pairs"),
    ("regularizer", "lecam", f"{C}.regularizers.lecam:LeCam", "logits near their moving averages, for few data"),
    ("augmentation", "diffaug", f"{C}.augmentations.diffaug:DiffAug", "colour, translation, cutout, differentiable"),
    ("augmentation", "diffusion", f"{C}.augmentations.diffusion:Diffusion", "noise of the forward process"),
    ("augmentation", "instance-noise", f"{C}.augmentations.instance_noise:InstanceNoise", "Gaussian noise on some samples"),
    ("method", "ddgan", f"{C}.methods.ddgan:DDGAN", "denoising diffusion GAN"),
    ("method", "cvae", f"{C}.methods.cvae:CVAE", "conditional VAE denoising"),
    ("method", "ddpm", f"{C}.methods.ddpm:DDPM", "denoising diffusion with Gaussian steps"),
    ("sampler", "ancestral", f"{C}.samplers.ancestral:Ancestral", "posterior sampling, step by step"),
    ("data", "gaussians25", f"{C}.data.gaussians25:Gaussians25", "25 Gaussians on a grid in the plane"),
    ("data", "digits", f"{C}.data.digits:Digits", "scikit-learn's 1797 handwritten digits, 8x8"),
    ("data", "stacked-digits", f"{C}.data.digits:StackedDigits", "three digits as RGB, 1000 modes"),
    ("data", "idx", f"{C}.data.idx:Idx", "MNIST's file format: MNIST, Fashion-MNIST"),
    ("data", "image-folder", f"{C}.data.image_folder:ImageFolder", "a folder of images, subfolders as classes"),
    ("data", "image-zip", f"{C}.data.image_zip:ImageZip", "a zip archive of images, StyleGAN's dataset.json as classes"),
    ("data", "image-tar", f"{C}.data.image_tar:ImageTar", "tar archives of images, one or many shards"),
    ("data", "image-lmdb", f"{C}.data.image_lmdb:ImageLmdb", "an LMDB of encoded images or raw pixels"),
    ("data", "image-parquet", f"{C}.data.image_parquet:ImageParquet", "parquet files with a column of images"),
    ("data", "packed", f"{C}.data.packed:Packed", "decoded images, packed by `gentool data pack`"),
    ("data", "mnist", f"{C}.data.mnist:MNIST", "MNIST's handwritten digits, 28x28"),
    ("data", "fashion-mnist", f"{C}.data.mnist:FashionMNIST", "Fashion-MNIST's clothes, 28x28"),
    ("data", "stacked-mnist", f"{C}.data.stacked_mnist:StackedMNIST", "three MNIST digits as RGB, 1000 modes"),
    ("data", "cifar10", f"{C}.data.cifar10:CIFAR10", "CIFAR-10, official batches or zip, 32x32"),
    ("data", "celeba-hq", f"{C}.data.celeba_hq:CelebAHQ", "CelebA-HQ's 27 000 training faces, 256x256"),
    ("data", "lsun-church", f"{C}.data.lsun_church:LSUNChurch", "LSUN's churches, the first 120 000, 256x256"),
    ("optimizer", "adam", f"{C}.optimizers.adam:Adam", "Adam"),
    ("optimizer", "adamw", f"{C}.optimizers.adam:AdamW", "Adam with decoupled weight decay"),
    ("optimizer", "sgd", f"{C}.optimizers.sgd:SGD", "gradient descent with momentum"),
    ("lr_schedule", "constant", f"{C}.optimizers.lr_schedules:Constant", "the same rate in every step"),
    ("lr_schedule", "cosine", f"{C}.optimizers.lr_schedules:Cosine", "half a cosine down to a final rate"),
    ("lr_schedule", "linear", f"{C}.optimizers.lr_schedules:Linear", "a straight line down to a final rate"),
    ("observer", "sample-grid", f"{C}.observers.sample_grid:SampleGrid", "pictures of the same samples over the run"),
    ("observer", "loss-per-step", f"{C}.observers.loss_per_step:LossPerStep", "loss per t (paper, Fig. 10)"),
    ("observer", "tensorboard", f"{C}.observers.tensorboard:TensorBoard", "the log as TensorBoard events"),
    ("observer", "wandb", f"{C}.observers.wandb:WandB", "the log and sample grids in Weights & Biases"),
    ("metric", "mixture", f"{C}.metrics.mixture:Mixture", "quality and coverage of a Gaussian mixture"),
    ("metric", "modes", f"{C}.metrics.modes:Modes", "classes covered, as a classifier sees them"),
    ("metric", "speed", f"{C}.metrics.speed:Speed", "time, evaluations, parameters, memory"),
    ("schedule", "sigmoid", f"{C}.schedules.sigmoid:Sigmoid", "sigmoid alpha_bar, ends without signal"),
    ("schedule", "edm", f"{C}.schedules.edm:EDM", "variance-exploding, the noise levels of EDM"),
    ("schedule", "zero-terminal-snr", f"{C}.schedules.zero_terminal_snr:ZeroTerminalSNR", "linear betas, ends without signal"),
    ("parametrization", "edm-posterior", f"{C}.parametrizations.posterior:EDMPosterior", "predict what EDM's network does"),
    ("denoiser", "adm", f"{C}.denoisers.adm:ADM", "U-Net of DDPM, Improved DDPM and ADM"),
    ("denoiser", "dit", f"{C}.denoisers.dit:DiT", "diffusion transformer"),
    ("features", "pixels", f"{C}.features.pixels:Pixels", "the sample itself"),
    ("sampler", "ddim", f"{C}.samplers.ddim:DDIM", "non-Markovian, deterministic at eta = 0"),
]


@hookimpl
def gentoolkit_register(registry: Registrar) -> None:
    """Everything that comes with gentoolkit."""
    for slot, name, target, summary in COMPONENTS:
        registry.add(slot, name, target, summary)
