"""The card of an exported model: what it is, what it was trained on, how it was measured, how it is used."""

from __future__ import annotations

import json
from typing import Any

from gentoolkit.registry import GentoolError

from ..storage.folder import ORIGIN, RESULTS
from .model_folder import Model

TRAINED = "A generative model trained with gentoolkit."


def card(given: Model) -> str:
    """README.md of the model, Markdown."""
    recipe, facts = given.loaded.recipe, given.loaded.facts
    data, model = recipe.data.spec(), recipe.model
    shape = " x ".join(map(str, facts.shape))
    told = "class-conditional" if facts.classes is not None else "unconditional"
    rows = [
        ("data", f"`{recipe.data.name}`, {facts.kind} of shape {shape}" + (f", {data.labels} classes" if data.labels else "")),
        ("licence of the data", data.licence),
        ("method", f"`{recipe.method.name}`, {told}"),
        ("forward process", f"`{recipe.process.schedule.name}`, T = {facts.steps}"),
        ("network", f"`{model.denoiser.name}`, latent `{model.latent.name}`, parametrization `{model.parametrization.name}`"),
        ("parameters", f"{given.parameters:,}"),
        ("sampler", f"`{recipe.sampler.name}`"),
        ("training", f"{given.step:,} of {recipe.training.steps:,} steps of {recipe.training.batch_size}"),
        ("weights", kind(given.weights)),
        ("run", f"`{given.loaded.run_id}`"),
    ]
    origin = released(given)
    said = "A generative model made with gentoolkit of weights that others released." if origin else TRAINED
    lines = [f"# {given.loaded.name}", "", said, "", "| | |", "|---|---|"]
    rows += origin
    lines += [f"| {name} | {value} |" for name, value in rows]
    if measured := results(given):
        lines += ["", "## Measured", "", "| metric | value | protocol |", "|---|---|---|"]
        lines += [f"| {name} | {value} | `{protocol}` |" for name, value, protocol in measured]
    lines += [
        "",
        "## Use",
        "",
        "```sh",
        "gentool sample THIS_FOLDER -n 64 -o samples.png",
        "```",
        "",
        "```python",
        "import gentoolkit",
        "",
        'x = gentoolkit.load("THIS_FOLDER").sample(64, seed=0)',
        "```",
        "",
        "`MANIFEST.json` holds the sha256 of every file, and a folder that differs from it is refused. `recipe.toml` holds "
        "every value of the run.",
    ]
    if given.loaded.local:
        lines += ["", "The recipe brings code of its own, in `local/`. It is run only with `--trust-local`: read it first."]
    if data.citation:
        lines += ["", "## Citation of the data", "", data.citation]
    return "\n".join(lines) + "\n"


def kind(weights: str) -> str:
    """In words, which weights these are."""
    if weights == "raw":
        return "as trained, not averaged"
    return "averaged over the training" + ("" if weights == "ema" else f" ({weights})")


def released(given: Model) -> list[tuple[str, str]]:
    """Where an imported run's weights are from, and their licence.

    Raises:
        GentoolError: the run's folder says so in words that cannot be read, and a card must not leave a licence out.
    """
    path = given.run / ORIGIN
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text())
        files = [(f"released weights `{name}`", f"sha256 `{sha256}`") for name, sha256 in found["files"].items()]
        return [*files, ("licence of these weights", str(found["licence"]))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GentoolError(f"{path}, which says where the weights are from, cannot be read; import them again") from error


def results(given: Model) -> list[tuple[str, str, str]]:
    """(metric and number, value, protocol) of the newest measurements of these very weights."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    path = given.run / RESULTS
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            found = json.loads(line)
            if (found["step"], found["weights"]) == (given.step, given.weights):
                newest[found["metric"], found["protocol"]] = dict(found["values"])
        except (ValueError, KeyError, TypeError):
            continue  # a line that a crash cut short
    return [
        (f"{metric} {name}", f"{value:.4g}" if isinstance(value, float) else f"{value}", protocol)
        for (metric, protocol), values in newest.items()
        for name, value in values.items()
    ]
