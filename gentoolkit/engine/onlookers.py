"""Everything that looks at a run while it goes on, and changes nothing of it."""

from __future__ import annotations

from attrs import frozen

from .console import Console
from .evaluations import Evaluations
from .journal import Journal
from .meters import Meters
from .snapshots import Snapshots
from .watchers import Watchers


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
