"""Everything that looks at a run while it goes on, and changes nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from torch import Tensor

from .average import Average
from .log.console import Console
from .log.meters import Meters
from .log.watchers import Watchers
from .models.snapshots import Snapshots
from .processes.stopping import Stop
from .samples.evaluations import Evaluations
from .storage.journal import Journal


@frozen
class Onlookers:
    """The log (None at processes other than the first), the console, the observers, the meters, the snapshots and the
    evaluations of a run."""

    journal: Journal | None
    console: Console
    watchers: Watchers
    meters: Meters
    snapshots: Snapshots
    evaluations: Evaluations

    def look(self, done: int, average: Average, draw: Callable[[int, Stop], Tensor | None], stop: Stop, hurried: bool) -> bool:
        """Pictures, snapshots and measurements that are due after `done` steps; every process calls it.

        Args:
            done: steps that were taken.
            average: what is sampled from, measured and kept.
            draw: `draw(n, stop)`, the first n samples for pictures.
            stop: a stop that is agreed on meanwhile is obeyed.
            hurried: the run is about to leave before its end: nothing is drawn or measured any more.

        Returns:
            Whether the model is the best so far, so that its checkpoint is wanted.
        """
        shown, snapped = self.watchers.wants(done), self.snapshots.wants(done)
        samples = None
        if (shown or snapped) and not hurried:
            with self.meters.spending("sampling"):
                samples = draw(max(shown, snapped), stop)
                if shown and samples is not None:
                    self.watchers.call("sampled", step=done, samples=samples)
        if snapped:
            with self.meters.spending("saving"), average.whole() as model:
                self.snapshots.take(done, model, samples)
        if hurried or not self.evaluations.due(done):
            return False
        with self.meters.spending("evaluating"), average.whole() as model:
            results = self.evaluations.measure(done, model, stop)
        if results:
            self.watchers.call("evaluated", step=done, results=results)
        return self.evaluations.best == done
