"""`gentool oracle`."""

from __future__ import annotations

import click


@click.command()
@click.option("--steps", default="2,4,8,16,50,100", show_default=True, help="Values of T, separated by commas.")
@click.option("--samples", type=click.IntRange(25), default=20_000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--figure", help="Instead of the table: the exact step as T falls, as .png, .svg or .pdf; needs matplotlib.")
@click.pass_context
def command(context: click.Context, steps: str, samples: int, seed: int, figure: str | None) -> None:
    """25 Gaussians, no training: the exact reverse step beside the best Gaussian ones, by number of steps T.

    High quality is the share of samples within 4 standard deviations of a mode; a few modes are hit by chance.
    """
    try:
        wanted = [int(word) for word in steps.split(",")]
    except ValueError:
        raise click.UsageError(f"--steps takes whole numbers separated by commas, not {steps!r}") from None
    if min(wanted) < 1:
        raise click.UsageError("T is at least 1")
    if figure is not None:
        draw(figure, wanted, context)
        return
    from gentoolkit.evaluation.oracle_table import STEPS, oracle_row

    click.echo("high-quality share / modes of 25")
    click.echo(f"{'T':>5}" + "".join(f"  {name:>30}" for name in STEPS.values()))
    for T in wanted:
        cells = oracle_row(T, samples, seed)
        click.echo(f"{T:>5}" + "".join(f"  {quality:>25.4f} / {modes:>2}" for quality, modes in cells))


def draw(out: str, steps: list[int], context: click.Context) -> None:
    """The figure into a file."""
    from gentoolkit.engine.samples.sample_files import check_target
    from gentoolkit.evaluation.figures.plotting import ENDINGS, write_plot
    from gentoolkit.evaluation.figures.true_steps import true_steps

    for name in ("samples", "seed"):
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--figure draws densities, without samples; leave --{name} out")
    check_target(out, ENDINGS, "a figure")
    write_plot(out, true_steps(sorted(set(steps), reverse=True)).figure())
    click.echo(f"q(x_{{t-1}} | x_t) for T = {', '.join(map(str, sorted(set(steps), reverse=True)))} in {out}")
