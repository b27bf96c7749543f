"""matplotlib, where a figure needs axes: imported when it is used, and without any window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gentoolkit.registry import GentoolError

from .files import write_figure

ENDINGS = (".png", ".svg", ".pdf")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "gentoolkit",
    "figure.dpi": 144,
}
UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


@contextmanager
def styled() -> Iterator[Any]:
    """The class of matplotlib's figures, within the settings of ours.

    Raises:
        GentoolError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise GentoolError("figures with axes need matplotlib: pip install 'gentoolkit[figures]'") from error
    with matplotlib.rc_context(STYLE):
        yield Figure


def write_plot(out: str | Path, figure: Any) -> Path:
    """A figure as `.png`, `.svg` or `.pdf`; the same bytes for the same figure.

    Raises:
        GentoolError: the ending is another, or the place cannot be written.
    """
    ending = Path(out).suffix.lower()

    def save(path: Path) -> None:
        with styled():
            figure.savefig(path, format=ending[1:], metadata=UNDATED[ending])

    return write_figure(out, save, ENDINGS)
