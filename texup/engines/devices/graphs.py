"""Graphs: small batches of shapes that come again are launched as one, because launching their layers takes longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

from torch import Tensor

from texup.engines.devices.failures import is_short_of_memory
from texup.engines.devices.queues import Net

MOST = 16  # graphs of a card; each holds the memory of its result
MOST_TEXELS = 1 << 16  # of a batch: a larger one computes longer than it is launched (bench_gpu.py measures that)
USES = 2  # runs of a shape before it is captured: they also make the libraries choose their kernels


class Graphs:
    """Captured nets by shape. Where a capture fails, or memory runs out, nets run as they are from then on."""

    def __init__(self, capture: Callable[[Net, Tensor], Net], most_texels: int = MOST_TEXELS) -> None:
        """Use ``capture``, as :meth:`Queues.graph` is, for batches of up to ``most_texels``."""
        self.capture, self.most_texels = capture, most_texels
        self.kept: dict[Hashable, Net] = {}
        self.uses: Counter[Hashable] = Counter()
        self.is_off = False
        self.problem: str | None = None
        """Why a capture failed, in one line."""

    def count_for(self, count: int, texels: int) -> int:
        """Return how many planes of ``texels`` a batch of ``count`` is filled up to: few counts, so that they recur."""
        fuller = 1 << (count - 1).bit_length()
        return fuller if not self.is_off and fuller * texels <= self.most_texels else count

    def repeated(self, key: Hashable, net: Net, like: Tensor) -> Net:
        """Return the graph of a net for planes (N, h, w, C) of a shape that came before, or the net itself.

        Once there are many, the rarest makes room for a shape that comes twice as often. Part of the queue of nets.
        """
        if self.is_off:
            self.kept.clear()
            return net
        if like.shape[:3].numel() > self.most_texels:
            return net
        key = (key, like.shape, like.dtype)
        self.uses[key] += 1
        if key not in self.kept and self._is_worth(key):
            self._keep(key, net, like)
        return self.kept.get(key, net)

    def _is_worth(self, key: Hashable) -> bool:
        """Tell whether a shape gets a graph now, and drop the one that it replaces."""
        if self.uses[key] <= USES:
            return False
        if len(self.kept) < MOST:
            return True
        rarest = min(self.kept, key=self.uses.__getitem__)
        if self.uses[key] < 2 * self.uses[rarest]:
            return False
        del self.kept[rarest]
        return True

    def _keep(self, key: Hashable, net: Net, like: Tensor) -> None:
        try:
            self.kept[key] = self.capture(net, like)
        except RuntimeError as error:  # of a device that is lost too, which the next launch finds out
            self.is_off = True
            if not is_short_of_memory(error):
                self.problem = (str(error).splitlines() or ["no reason given"])[0]
