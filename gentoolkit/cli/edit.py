"""`gentool edit`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--strokes", type=click.Path(), help="A painting to follow; needs --from-step.")
@click.option("--from-step", type=click.IntRange(1), help="The step it is noised to: 1 keeps it, T leaves little of it.")
@click.option("--inpaint", "mask", type=click.Path(), help="A mask, white where --image is to be filled in.")
@click.option("--image", type=click.Path(), help="The picture whose black part of the mask is kept.")
@click.option("--repeats", type=click.IntRange(1), help="How often each step of --inpaint is taken; 1 unless given.")
@click.option("--interpolate", "seeds", help="Seeds separated by commas: samples on the way from one's to the next's.")
@click.option("-n", "count", type=click.IntRange(1), default=8, show_default=True, help="How many results.")
@click.option("-o", "out", default="edited.png", show_default=True, help=".png (one picture), .zip (a PNG each) or .npz.")
@click.option("--seed", type=click.IntRange(0), help="Result i depends on (seed, i) alone; 0 unless given.")
@click.option("--y", "label", type=click.IntRange(0), help="The class of all results.")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(
    run: str,
    overrides: tuple[str, ...],
    strokes: str | None,
    from_step: int | None,
    mask: str | None,
    image: str | None,
    repeats: int | None,
    seeds: str | None,
    count: int,
    out: str,
    seed: int | None,
    label: int | None,
    weights: str,
    device: str,
    trust_local: bool,
) -> None:
    """Begin RUN's samples with something of yours: strokes, a picture with a hole, or two samples to go between.

    With another sampler: gentool edit RUN sampler=ddim sampler.steps=2 --interpolate 3,7
    """
    if sum(value is not None for value in (strokes, mask, seeds)) != 1:
        raise click.UsageError("say one of --strokes, --inpaint and --interpolate")
    needs = {"--from-step": (from_step, strokes), "--image": (image, mask)}
    for name, (value, kind) in needs.items():
        if (value is None) != (kind is None):
            what = "--strokes" if name == "--from-step" else "--inpaint"
            raise click.UsageError(f"{what} needs {name}" if value is None else f"{name} goes with {what}")
    if repeats is not None and mask is None:
        raise click.UsageError("--repeats goes with --inpaint")
    if seed is not None and seeds is not None:
        raise click.UsageError("--interpolate names the seeds itself; leave --seed out")
    between = _numbers(seeds) if seeds is not None else []

    from gentoolkit.engine.models.trained import load
    from gentoolkit.engine.samples.editing import from_strokes, inpaint, interpolate
    from gentoolkit.engine.samples.sample_files import check_target, ending_for, write_result

    target = check_target(out)
    trained = load(run, weights, device, trust_local or None, overrides)
    for warning in trained.warnings:
        click.echo(f"warning: {warning}", err=True)
    ending_for(target, count, trained)
    if strokes is not None and from_step is not None:
        made = from_strokes(trained, strokes, from_step, count, seed or 0, label)
    elif mask is not None and image is not None:
        made = inpaint(trained, image, mask, count, seed or 0, label, repeats or 1)
    else:
        made = interpolate(trained, between, count, label)
    write_result(made, out, trained)
    click.echo(f"{count} results ({trained.weights} weights of step {trained.step}) in {out}")


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--interpolate takes seeds separated by commas, as 3,7, not {text!r}") from None
