"""Samples as files: one picture, a zip of PNGs, or an array.

Restartable: chunks are kept in `<target>.part` beside the target until it is whole. Several processes, which must see the same
folder, each make a part of the chunks; which, changes no sample.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gentoolkit.registry import GentoolError

from ..log.console import on_a_terminal
from ..models.trained import TrainedRun
from ..processes.stopping import Stop, Stopped
from ..processes.world import world
from ..storage.whole import write_whole
from .sampling import deal, draw_chunks

ENDINGS = (".png", ".zip", ".npz")
LARGEST_GRID = 10_000


def write_samples(
    trained: TrainedRun, n: int, out: str | Path, seed: int = 0, y: Sequence[int] | int | None = None, quiet: bool = True
) -> bool:
    """Draw `n` samples into a file, on all processes together; False if a signal stopped it, and the same call goes on.

    Args:
        trained: the run.
        n: how many.
        out: `.png` for one picture (grid or scatter), `.zip` for a PNG each, `.npz` for the array `samples` in data range.
        seed: sample i depends on (seed, i) alone.
        y: classes `[n]`, or None.
        quiet: no progress.

    Raises:
        GentoolError: the ending is unknown, does not suit the data, or the place cannot be written.
    """
    target = check_target(out)
    ending = ending_for(target, n, trained)
    labels = trained.labels(n, y)
    parts = target.with_name(target.name + ".part")
    counts = None if labels is not None else trained.label_counts
    total = -(-n // trained.batch)
    with world(trained.device.type) as here, Stop(here) as stop:
        done = here.told(open_parts(parts, identity(trained, n, seed, labels)) if here.first else None)
        numbers, mine = deal([number for number in range(total) if number not in done], here)
        model, sampler, facts = trained.model, trained.sampler, trained.facts
        chunks = draw_chunks(model, sampler, facts, n, seed, trained.batch, labels, counts, numbers, stop.agreed)
        try:
            for at, (number, samples) in enumerate(progress(chunks, total, len(done), here.size, quiet or not here.first)):
                if at < mine:
                    unfinished = parts / f"{number}.unfinished"
                    with unfinished.open("wb") as file:
                        np.save(file, samples.numpy())
                    unfinished.replace(parts / f"{number}.npy")
        except Stopped:
            return False
        here.barrier()
        if here.first:
            merge(parts, total, target, ending, trained)
        here.barrier()
    return True


def check_target(out: str | Path, endings: Sequence[str] = ENDINGS, what: str = "samples") -> Path:
    """The file that samples, or what is made of them, go to.

    Raises:
        GentoolError: the ending is unknown, or no file can be there.
    """
    target = Path(out)
    verb = "go" if what == "samples" else "goes"
    if target.suffix.lower() not in endings:
        raise GentoolError(f"{what} {verb} to a file that ends in {', '.join(endings)}, not to {out}")
    if target.is_dir() or not target.parent.is_dir():
        where = f"{target} is a folder" if target.is_dir() else f"the folder {target.parent} does not exist"
        raise GentoolError(f"{what} cannot be written: {where}")
    return target


def ending_for(target: Path, n: int, trained: TrainedRun) -> str:
    """The ending of the target, lower case, if `n` samples of the run can go there.

    Raises:
        GentoolError: it does not suit the data.
    """
    ending = target.suffix.lower()
    if ending == ".zip" and trained.facts.kind != "image":
        raise GentoolError("a .zip holds images; points go to .npz, or to .png as a scatter picture")
    if ending == ".png" and trained.facts.kind == "image" and n > LARGEST_GRID:
        raise GentoolError(f"a picture of {n} samples is too large; at most {LARGEST_GRID} go to .png, more to .zip or .npz")
    return ending


def write_result(samples: torch.Tensor, out: str | Path, trained: TrainedRun) -> None:
    """Write samples that are there, `[n, *shape]`, as `write_samples` does.

    Raises:
        GentoolError: the ending is unknown, does not suit the data, or the place cannot be written.
    """
    target = check_target(out)
    try:
        write(target, ending_for(target, len(samples), trained), samples.float().numpy(), trained)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}") from error


def merge(parts: Path, total: int, target: Path, ending: str, trained: TrainedRun) -> None:
    """Make the file of all chunks, and delete them.

    Raises:
        GentoolError: it cannot be written; the chunks stay.
    """
    samples = np.concatenate([np.load(parts / f"{i}.npy", allow_pickle=False) for i in range(total)])
    try:
        write(target, ending, samples, trained)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}; the samples are kept in {parts}") from error
    shutil.rmtree(parts)


def identity(trained: TrainedRun, n: int, seed: int, labels: torch.Tensor | None) -> dict[str, Any]:
    """What must agree for chunks of an earlier try to be used."""
    classes = None if labels is None else labels.tolist()
    return {
        "run": trained.loaded.run_id,
        "commit": trained.identity,
        "weights": trained.weights,
        "seed": seed,
        "n": n,
        "y": classes,
    }


def open_parts(parts: Path, about: dict[str, Any]) -> frozenset[int]:
    """Numbers of the chunks that are there already, of the same samples; others are thrown away."""
    label = parts / "samples.json"
    if parts.exists() and not label.is_file():
        raise GentoolError(f"{parts} is in the way: it is no folder of unfinished samples")
    try:
        if parts.exists() and json.loads(label.read_text()) != about:
            shutil.rmtree(parts)
        parts.mkdir(exist_ok=True)
        write_whole(label, json.dumps(about))
    except (OSError, ValueError) as error:
        raise GentoolError(
            f"{parts} cannot be used for unfinished samples ({error}); delete it, or choose another name"
        ) from error
    return frozenset(int(p.stem) for p in parts.glob("*.npy") if p.stem.isdigit() and whole_array(p))


def whole_array(path: Path) -> bool:
    """Whether a chunk can be read; one that a crash cut short is made again."""
    try:
        np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return True


def write(target: Path, ending: str, samples: Any, trained: TrainedRun) -> None:
    """Write the finished file, in full or not at all."""
    from gentoolkit.components.pictures import picture

    unfinished = target.with_name(f".{target.name}.unfinished")
    if ending == ".npz":
        with unfinished.open("wb") as file:
            np.savez(file, samples=samples)
    elif ending == ".zip":
        write_zip(unfinished, samples)
    else:
        picture(samples, trained.facts).save(unfinished, format="PNG")
    unfinished.replace(target)


def write_zip(target: Path, samples: Any) -> None:
    """A zip of PNGs `00000000.png`, ..., stored, not compressed again; the same bytes for the same samples."""
    from PIL import Image

    levels = np.clip(np.rint((samples.astype(np.float64) + 1) * 127.5), 0, 255).astype(np.uint8)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for i, pixels in enumerate(levels):
            buffer = BytesIO()
            Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, format="PNG")
            archive.writestr(zipfile.ZipInfo(f"{i:08d}.png"), buffer.getvalue())


def progress(chunks: Any, total: int, done: int, processes: int, quiet: bool) -> Any:
    """The chunks, with a bar on a terminal; the other processes draw theirs meanwhile."""
    if quiet or not on_a_terminal() or total < 2:
        yield from chunks
        return
    from rich.progress import Progress

    with Progress() as bar:
        task = bar.add_task("sampling", total=total, completed=done)
        for item in chunks:
            yield item
            bar.advance(task, processes)
