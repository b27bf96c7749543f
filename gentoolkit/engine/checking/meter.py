"""What a computation costs, read off as it runs: floating-point operations and the most memory that is alive at once.

Every operation below autograd is seen, in forward, backward and second derivatives alike; under fake tensors nothing is
computed.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Meter(TorchDispatchMode):
    """Counts while it is entered.

    Args:
        known: tensors that are there anyway, and are not counted (weights).
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.flops = 0
        """Multiplications and additions of matrix products and convolutions; elementwise operations count for nothing."""
        self.counting = True
        self.live = self.peak = 0
        """Bytes of storages that were made here and are alive, now and at most."""
        self._rules = FlopCounterMode(display=False).flop_registry
        self._seen: dict[int, Any] = {}
        for tensor in known:
            self._track(tensor, 0)

    def restart(self) -> None:
        """Count from 0 again; what is alive stays alive."""
        self.flops, self.peak = 0, self.live

    def uncounted(self) -> Uncounted:
        """A context, to be entered any number of times: operations in it are none of the model's; their memory counts."""
        return Uncounted(self)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        rule = self._rules.get(func._overloadpacket)
        if rule is not None and self.counting:
            self.flops += rule(*args, **kwargs, out_val=out)
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self._track(value)
        return out

    def _track(self, tensor: Tensor, size: int | None = None) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._seen:
            return
        size = storage.nbytes() if size is None else size

        def freed(_: Any) -> None:
            del self._seen[key]
            self.live -= size

        self._seen[key] = weakref.ref(storage, freed)
        self.live += size
        self.peak = max(self.peak, self.live)


class Uncounted:
    """While it is entered, a meter counts no operations, as where something is done again.

    Args:
        meter: the meter.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def __enter__(self) -> None:
        self.meter.counting = False

    def __exit__(self, *_: object) -> None:
        self.meter.counting = True
