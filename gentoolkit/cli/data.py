"""`gentool data`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

SHOWN = 20
"""Unusable images that are named unless all are asked for."""


@click.group()
def command() -> None:
    """Pack images for quick reading, or look a source over.

    SRC is a folder of images, a zip or tar archive, an LMDB, parquet, a packed set, MNIST's idx files, or CIFAR-10's batches;
    all but folders may be fsspec URLs.
    """


def how(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both commands have."""
    for option in (
        click.option("--label-column", default="label", show_default=True, help="Of parquet files."),
        click.option("--image-column", default="image", show_default=True, help="Of parquet files."),
        click.option(
            "--split", type=click.Choice(["train", "test"]), default="train", show_default=True, help="Of MNIST, CIFAR-10."
        ),
        click.option("--workers", type=click.IntRange(1), help="Processes; one for each core unless said."),
    ):
        function = option(function)
    return function


@command.command()
@click.argument("src")
@click.argument("out")
@click.option("--size", help="256, or 128x256 for height and width; that of the first image unless said.")
@click.option("--channels", type=click.Choice(["1", "3"]), help="Grey or colour; as the first image unless said.")
@click.option("--resize", type=click.Choice(["lanczos", "bicubic", "bilinear"]), default="lanczos", show_default=True)
@click.option(
    "--classes", type=click.IntRange(0), default=0, show_default=True, help="Number of classes to pack with the images."
)
@click.option("--skip", is_flag=True, help="Leave images out that cannot be used, and name them.")
@how
def pack(
    src: str,
    out: str,
    size: str | None,
    channels: str | None,
    resize: str,
    classes: int,
    skip: bool,
    workers: int | None,
    split: str,
    image_column: str,
    label_column: str,
) -> None:
    """Decode every image of SRC once into OUT, a .zip that is read without decoding. Interrupted, the same command goes on."""
    from gentoolkit.components.data.packing import pack

    from .progress import Progress

    sides = re.fullmatch(r"(\d+)(?:x(\d+))?", size or "1")
    if sides is None or "0" in sides.groups():
        raise click.UsageError(f"--size takes 256, or 128x256 for height and width, not {size!r}")
    height = int(sides[1])
    with Progress("packing") as progress:
        made = pack(
            src,
            out,
            size=None if size is None else (height, int(sides[2] or height)),
            channels=None if channels is None else int(channels),
            resize=resize,
            classes=classes,
            skip=skip,
            workers=workers,
            split=split,
            columns=(image_column, label_column),
            progress=progress,
        )
    if made.resumed:
        click.echo(f"went on after {made.resumed} images that were packed before")
    named(made.passed_over, "left out", SHOWN)
    h, w, c = made.shape
    sides_text = str(h) if h == w else f"[{h}, {w}]"
    click.echo(f"{made.path}: {made.images} images {h}x{w}, {c} channels, {made.path.stat().st_size / 1e6:.1f} MB")
    extra = "".join([f" data.channels={c}" if c != 3 else "", f" data.classes={classes}" if classes else ""])
    click.echo(f"next: gentool train RECIPE data.use=packed data.source={made.path} data.size={sides_text}{extra}")


@command.command()
@click.argument("src")
@click.option("--all", "everything", is_flag=True, help=f"Name every unusable image, not the first {SHOWN}.")
@how
def check(src: str, everything: bool, workers: int | None, split: str, image_column: str, label_column: str) -> None:
    """Unpack every image of SRC once: how many, of what sizes and kinds, and which cannot be used."""
    from gentoolkit.components.data.looking import survey

    from .progress import Progress

    with Progress("checking") as progress:
        found = survey(src, workers=workers, split=split, columns=(image_column, label_column), progress=progress)
    click.echo(f"{src}: {found.images} images, read by {found.use}")
    click.echo("sizes    " + counted({f"{h}x{w}": n for (h, w), n in found.sizes.items()}))
    click.echo("modes    " + counted(found.modes))
    click.echo("formats  " + counted(found.formats))
    click.echo(f"classes  {found.classes or 'none'}")
    named(found.unusable, "cannot be used", len(found.unusable) if everything else SHOWN)
    if found.unusable:
        click.get_current_context().exit(2)
    click.echo("every image can be read")


def counted(counts: dict[str, int]) -> str:
    """The commonest first, some of them."""
    common = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    more = len(common) - 8
    return ", ".join(f"{name} ({n})" for name, n in common[:8]) + (f", and {more} more" if more > 0 else "") or "none"


def named(images: Any, what: str, most: int) -> None:
    """Images by name with what is wrong with them, on stderr."""
    if not images:
        return
    click.echo(f"{len(images)} {what}:", err=True)
    for name, reason in images[:most]:
        click.echo(f"  {name} {reason}", err=True)
    if len(images) > most:
        click.echo(f"  ... and {len(images) - most} more", err=True)
