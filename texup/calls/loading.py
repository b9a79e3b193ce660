"""How a run gets its engine: late, once, and also in another process, to which the same value is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from texup.calls.options import Options
from texup.engines.engine import Engine
from texup.models.chain import Link

if TYPE_CHECKING:
    from texup.models.model import UpscaleModel

Engines = dict[tuple[str, ...], Engine]
"""Those made so far in one call, by the hashes of their nets."""


@dataclass(frozen=True, slots=True)
class EngineLoader:
    """Loads the weights, verified by their hashes, and makes the engine for them, unless it was made before.

    What is loaded stays in its process: the same value in another process loads again.
    """

    links: Sequence[Link]
    options: Options
    loaded: dict[str, UpscaleModel] = field(default_factory=dict, compare=False)
    """Nets that had to be loaded for their scale, by hash."""
    engines: Engines = field(default_factory=dict, compare=False)

    def __call__(self, cores: int | None = None) -> Engine:
        """Return the engine, for a process that may use so many cores of its machine.

        Raises:
            WeightsError: a file of weights was refused.
            DeviceError: the device cannot be used.
        """
        nets = tuple(link.sha256 for link in self.links)
        if nets not in self.engines:
            self.engines[nets] = self._made(cores or os.cpu_count() or 2)
        return self.engines[nets]

    def __reduce__(self) -> tuple[Callable[..., EngineLoader], tuple[Any, ...]]:
        """Be sent without what is loaded here."""
        return EngineLoader, (self.links, self.options)

    def _for(self, kind: str) -> EngineLoader:
        """Return what loads the engine of one worker of a cluster, on a kind of device."""
        return EngineLoader(self.links, replace(self.options, engine="local", device=kind))

    def _made(self, cores: int) -> Engine:
        if self.options.engine != "local":
            from texup.engines.ray import RayEngine

            address = self.options.engine.partition("://")[2] or None
            return RayEngine(address, self._for, self.options.device, mixed=self.options.mixed)
        from texup.engines.devices.cards import nets_on, pick_devices
        from texup.engines.local import LocalEngine

        options = self.options
        devices = pick_devices(options.device)
        models = [self.loaded.get(link.sha256) or link.load() for link in self.links]
        device = nets_on(models, devices, options.precision, options.batch, options.tile)
        if devices[0].type == "cpu":
            device.lanes = min(device.lanes, cores)
        return LocalEngine(device, options.jobs or max(2, cores))
