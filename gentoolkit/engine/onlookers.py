"""Everything that looks at a run while it goes on, and changes nothing of it."""

from __future__ import annotations

from attrs import frozen

from .log.console import Console
from .log.meters import Meters
from .log.watchers import Watchers
from .models.snapshots import Snapshots
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
