"""Somebody else's code under watch: every operation of torch, for time, for size, and for what it looks at."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from texup import bounds
from texup.errors import WeightsError

MAKERS = ("empty", "zeros", "ones", "full", "rand", "randn")
# What makes one number of many: whole where a plane's texels, or more, become one.
REDUCTIONS = ("mean", "sum", "amax", "amin", "max", "var", "var_mean", "std", "norm", "linalg_vector_norm", "logsumexp")
POOLS = ("_adaptive_avg_pool2d", "adaptive_max_pool2d")
NORMS = ("native_group_norm", "_native_batch_norm_legit", "_batch_norm_with_update")  # over all of a plane
PRODUCTS = ("mm", "bmm", "baddbmm", "addmm")
SORTS = ("sort", "topk", "argsort")


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Ends what takes too long or makes too large a tensor; notes the widest, and whether all of a plane is looked at.

    Attributes:
        widest: numbers in the largest tensor that was made.
        whole: whether texels of all of a plane met in one number, by a mean, a norm, a product or an order.
    """

    def __init__(self, texels: int = 0, most: int | None = None) -> None:
        """Watch a net that sees a plane of ``texels``, or one that is built of at most ``most`` numbers."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.texels, self.widest, self.whole = texels, 0, False
        self.most, self.made = most, 0
        self.end = time.monotonic() + bounds.BORROWED_SECONDS

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation."""
        if time.monotonic() > self.end:
            raise WeightsError(f"its net is not ready after {bounds.BORROWED_SECONDS} seconds")
        name = func.overloadpacket.__name__
        if name in MAKERS and args and isinstance(args[0], list | tuple):
            self._count(math.prod(args[0]))  # before it costs anything
        made = func(*args, **(kwargs or {}))
        for value in made if isinstance(made, tuple | list) else (made,):
            if isinstance(value, Tensor):
                self.widest = max(self.widest, value.numel())
                if self.texels and not self.whole:
                    self.whole = self._is_whole(name, args, value)
        if self.widest > bounds.BORROWED_NUMBERS:
            raise WeightsError(f"its net makes a tensor of {self.widest:,} numbers, which no sound one does")
        return made

    def _count(self, numbers: int) -> None:
        self.made += numbers
        if self.most is not None and self.made > self.most:
            raise WeightsError("its net would be far larger than its weights")

    def _is_whole(self, name: str, args: Any, made: Tensor) -> bool:
        given = [value for value in args if isinstance(value, Tensor)]
        if not given:
            return False
        first = given[0]
        if name in NORMS:
            return True
        if name in POOLS:
            return made.shape[-2:].numel() == 1
        if name in REDUCTIONS:
            is_plane = first.ndim == 4 and made.numel() <= first.shape[:2].numel()
            return is_plane or first.numel() >= self.texels * max(1, made.numel())
        if name in PRODUCTS:
            return max(value.shape[-1] for value in given[-2:-1]) >= self.texels
        if name.startswith("_scaled_dot_product"):
            return given[1].shape[-2] >= self.texels
        return name in SORTS and max(first.shape, default=0) >= self.texels


@contextmanager
def address_space() -> Iterator[None]:
    """Hold this process to the memory that it has and some more, where the system can do that."""
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + bounds.BORROWED_BYTES
    within = [limit for limit in (before, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *within]), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
