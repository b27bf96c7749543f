"""`gentool import`."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """Make a run folder of weights that others released."""


@command.command()
@click.argument("generator", metavar="NETG")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--image-size", "size", required=True, metavar="N or HxW", help="Size of the images it makes.")
@click.option("--steps", type=click.IntRange(1), required=True, help="T: 4 for CIFAR-10 and LSUN, 2 for CelebA-HQ.")
@click.option("--discriminator", metavar="NETD", help="The discriminator's file; a fresh one otherwise.")
@click.option("--fir/--no-fir", default=None, help="Whether it resamples with the FIR filter, where the file does not tell.")
@click.option("-o", "out", help="The run folder; runs/<name of the file> unless given.")
def ddgan(
    generator: str,
    overrides: tuple[str, ...],
    size: str,
    steps: int,
    discriminator: str | None,
    fir: bool | None,
    out: str | None,
) -> None:
    """Make a run folder of NETG, a generator that DDGAN's authors released or their code wrote (netG_1200.pth).

    The recipe's data may be set on the way: data.source=pictures. The released weights are licensed for
    non-commercial use only.
    """
    from pathlib import Path

    from gentoolkit.interop.ddgan_run import import_run

    where = out or str(Path("runs") / Path(generator).stem)
    folder = import_run(generator, _sides(size), steps, where, discriminator, overrides, fir=fir)
    click.echo(f"{generator} is now the run {folder}; the authors' weights are for non-commercial use only")
    click.echo(f"next: gentool sample {folder} -n 100 -o samples.png")


def _sides(text: str) -> tuple[int, ...]:
    words = text.lower().split("x")
    if len(words) > 2 or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise click.UsageError(f"--image-size is a number or HxW, not {text!r}")
    return (int(words[0]), int(words[-1]))
