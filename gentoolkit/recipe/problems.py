"""Problems of a recipe, told all at once and each in full: what, where, the line itself, what to do.

error: no option 'widht' in denoiser 'ncsnpp'
  --> recipes/ddgan_celeba.toml:18        model.denoiser.widht
   |
18 | widht = 64
   | ^^^^^ did you mean 'width'?   (gentool explain denoiser ncsnpp)
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from gentoolkit.registry import GentoolError

from .origins import Origin
from .positions import Keys, join_key

MOST_SHOWN = 25
_WIDEST = 160
_LONGEST = 600


@frozen(eq=False)
class Problem:
    """One mistake and where it was made."""

    sentence: str
    keys: Keys = ()
    origin: Origin | None = None
    label: str = ""
    """What stands beside the carets."""
    notes: tuple[str, ...] = ()
    hint: str = ""
    """What to write instead, after `= try`."""

    @property
    def path(self) -> str:
        """The dotted key."""
        return join_key(self.keys)

    def __str__(self) -> str:
        lines = [f"error: {clean(self.sentence)}"]
        margin = "   "
        if self.origin is not None:
            numbered = self.origin.position is not None and self.origin.source.numbered
            number = str(self.origin.position.line) if self.origin.position and numbered else ""
            margin = " " * max(2, len(number))
            where = clean(self.origin.where) if numbered or not self.origin.line else "argument"
            lines.append(f"{margin}--> {where}" + (f"        {clean(self.path)}" if self.keys else ""))
            margin += " "
            lines += self._source(number, margin)
        elif self.label:
            lines.append(f"{margin}| {clean(self.label)}")
        lines += [f"{margin}| {clean(note)}" for note in self.notes]
        if self.hint:
            lines.append(f"{margin}= try {clean(self.hint)}")
        return "\n".join(lines)

    def _source(self, number: str, margin: str) -> list[str]:
        assert self.origin is not None
        position, text = self.origin.position, self.origin.line
        if position is None or not text:
            return [f"{margin}| {clean(self.label)}"] if self.label else []
        start, end = position.start, max(position.end, position.start + 1)
        indent = len(text) - len(text.lstrip())
        start, end, text = start - indent, end - indent, text.strip()
        if len(text) > _WIDEST:
            left = max(0, min(start - 20, len(text) - _WIDEST))
            text, start, end = text[left : left + _WIDEST], start - left, min(end - left, _WIDEST)
        carets = " " * start + "^" * max(1, end - start)
        return [
            f"{margin}|",
            f"{number:>{len(margin) - 1}} | {clean(text)}",
            f"{margin}| {carets} {clean(self.label)}".rstrip(),
        ]


@frozen
class Note:
    """Something worth saying that stops nothing."""

    path: str
    sentence: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" + (f" ({self.where})" if self.where else "")


class RecipeError(GentoolError):
    """Everything that is wrong with a recipe; `problems` holds it piece by piece."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        told = [str(p) for p in self.problems[:MOST_SHOWN]]
        if (more := len(self.problems) - len(told)) > 0:
            told.append(f"... and {more} more")
        count = len(self.problems)
        return "\n\n".join([*told, f"{count} problem{'s' if count != 1 else ''}; nothing was started."])


def clean(text: str) -> str:
    """`text` with nothing in it that would move the cursor or break the line, and of bounded length."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + " ... " + text[-_LONGEST // 2 :]
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "?" for c in text)
