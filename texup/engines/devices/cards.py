"""Several cards of one kind as the device of one run: a batch goes to whichever has most lanes free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock

import torch

from texup.engines.devices.accelerators import accelerators, memory_of
from texup.engines.devices.device import Device, Upscaled, pick_device
from texup.engines.devices.failures import watch_device
from texup.engines.devices.precision import pick_precision
from texup.engines.engine import UNTOLD, Execution, Plane, Request, Told
from texup.errors import DeviceError
from texup.models.model import UpscaleModel


class Cards:
    """The nets of a chain on several devices, used as one :class:`Device` is.

    Tiles are cut for the smallest of them, so that no pixel depends on where it was made. What each has memory for at
    once it learns by itself. One that is lost ends the run: an error that a card gives up at may come from what it was
    given, and would take one card after the other.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        """Use devices that have the same nets."""
        self.devices = list(devices)
        first = self.devices[0]
        self.models, self.at_once, self.grid = first.models, first.at_once, first.grid
        self.device = ",".join(str(card.device) for card in self.devices)
        self.lanes = sum(card.lanes for card in self.devices)
        self.running = [0] * len(self.devices)
        self.lock = Lock()
        tile = min(card.tile for card in self.devices)
        whole = {model: min(card.whole[model] for card in self.devices) for model in first.whole}
        for card in self.devices:
            card.tile, card.first_tile, card.whole = tile, tile, dict(whole)

    @property
    def batch_pixels(self) -> int:
        """Texels of the largest batch that any of them takes; others get it in parts."""
        return max(card.batch_pixels for card in self.devices)

    def upscale(self, model: int, batch: Sequence[Plane], told: Told = UNTOLD) -> list[Upscaled]:
        """Run one net on planes of equal shape, on one of the cards; see :meth:`Device.upscale`.

        Raises:
            LostDevice: that card does not work any more.
        """
        with self._free() as card:
            count = max(1, card.batch_pixels // batch[0][..., 0].size)
            parts = [batch[k : k + count] for k in range(0, len(batch), count)]
            return [result for part in parts for result in card.upscale(model, part, told)]

    @contextmanager
    def _free(self) -> Iterator[Device]:
        """Give the card with most of its lanes free; of equals the first."""
        with self.lock:
            k = min(range(len(self.devices)), key=lambda k: self.running[k] / self.devices[k].lanes)
            self.running[k] += 1
        try:
            yield self.devices[k]
        finally:
            with self.lock:
                self.running[k] -= 1

    def execution(self, models: Iterable[int]) -> Execution:
        """Return on what kind of device and in what types some of the nets run."""
        used = list(models)
        precisions = {name for card in self.devices for name in card.execution(used).precision.split("+")}
        return Execution(self.devices[0].device.type, "+".join(sorted(precisions)))

    def tile_of(self, requests: Sequence[Request]) -> int:
        """Return the side of the tiles that requests are cut into."""
        return self.devices[0].tile_of(requests)

    def shrink(self, requests: Sequence[Request], tile: int) -> None:
        """Cut into smaller tiles from now on, whichever card they go to."""
        for card in self.devices:
            card.shrink(requests, tile)

    def is_cut_finer(self, requests: Sequence[Request], tile: int) -> bool:
        """Tell whether tiles of that side are smaller than these requests would have in memory enough."""
        return self.devices[0].is_cut_finer(requests, tile)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Let all of them be ready."""
        with ExitStack() as stack:
            for card in self.devices:
                stack.enter_context(card.ready())
            yield

    def state(self) -> str:
        """Return how many there are, in what type nets run, and how much of their memory they fill together."""
        name = f"{len(self.devices)} x {self.devices[0].device.type} {self.devices[0].precision}"
        used, there = 0, 0
        for card in self.devices:
            with watch_device(card.device):
                free, total = memory_of(card.device)
            if free is None or total is None:
                return name
            used, there = used + total - free, there + total
        return f"{name}, {used / 1e9:.1f} of {there / 1e9:.0f} GB"

    def batch_bytes(self) -> int:
        """Return about how much memory of one card the largest batch takes."""
        return max(card.batch_bytes() for card in self.devices)

    def notes(self) -> list[str]:
        """Return what the user may want to know of how nets ran, a line each."""
        return [note for card in self.devices for note in card.notes()]


AnyDevice = Device | Cards


def pick_devices(name: str) -> list[torch.device]:
    """Return the devices that ``name`` stands for: one as in :func:`pick_device`, "all", or several with commas.

    "all" is every card of the kind that "auto" takes, or the CPU where there is none.

    Raises:
        DeviceError: one of them is not there, is named twice, or is of another kind than the others.
    """
    if name == "all":
        kind = pick_device("auto").type
        name = ",".join(card for card in accelerators() if card.partition(":")[0] == kind) or kind
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 1:
        return [pick_device(parts[0])]
    found = [pick_device(part) for part in parts]
    kinds = sorted({device.type for device in found})
    if len(kinds) > 1:
        raise DeviceError(
            f"--device {name}: {' and '.join(kinds)} round differently, and a pack shall be of one kind; name one kind"
        )
    indexed = [torch.device(device.type, device.index or 0) for device in found]
    for device in indexed:
        if indexed.count(device) > 1:
            raise DeviceError(f"--device {name}: {device} is named twice")
    return indexed


def nets_on(
    models: Sequence[UpscaleModel],
    devices: Sequence[torch.device],
    precision: str = "auto",
    batch_pixels: int | None = None,
    tile: int | None = None,
) -> AnyDevice:
    """Move models to devices of one kind, in the type that ``--precision`` names; see :class:`Device`.

    Raises:
        DeviceError: the weights do not fit into the memory of one.
        LostDevice: one does not work.
    """
    chosen = {pick_precision(precision, device) for device in devices}
    own = precision if len(chosen) == 1 else "fp32"  # cards that disagree about their half have that in common
    made = [Device(models, device, own, batch_pixels, tile) for device in devices]
    return made[0] if len(made) == 1 else Cards(made)
