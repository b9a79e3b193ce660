"""A net in the shape that engines run it: any channels and any sides go in, whatever the net itself takes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.engines.devices.edges import told_net
from texup.engines.devices.failures import is_lost, is_short_of_memory
from texup.engines.engine import UNTOLD, Told
from texup.models.model import UpscaleModel

TRIAL_SIDE = 24


class Fitted(nn.Module):
    """Maps planes (N, C, h, w) in [0, 1] to (N, C, h * scale, w * scale) through a net that may want others.

    C is 1 for grey, 3, or 4 for colour with alpha. Nets for RGB see grey as three equal channels, whose results are
    averaged; nets for grey see each channel alone; nets for RGBA see an opaque alpha where there is none. Planes that
    are too small, or whose sides do not suit, go on beyond their far edges by reflection.
    """

    def __init__(self, net: nn.Module, model: UpscaleModel, takes: torch.dtype, *, is_quick: bool = False) -> None:
        """Wrap ``net``, a copy of the net of ``model`` on some device that takes planes of some type.

        ``is_quick`` tells that a small plane is through before its many steps are asked for, so that several gain.
        """
        super().__init__()
        self.takes, self.is_quick = takes, is_quick
        self.net, self.scale, self.channels, self.needs = net, model.scale, model.in_channels, model.needs
        self.multiple_of = model.multiple_of
        self.told: dict[Told, nn.Module] = {}  # the net again, by the edges that it is told of

    def forward(self, planes: Tensor, told: Told = UNTOLD) -> Tensor:
        """Return the planes enlarged, as they go on behind their borders; grey in float32."""
        net = self._net(told)
        n, channels, h, w = planes.shape
        x = self._with_channels(planes)
        high, wide = self._sides(h, w)
        if (high, wide) != (h, w):
            x = _extended(x, high, wide)
        if self.needs.plain:
            x = x.contiguous()
        parts = torch.split(x, 1 if self.needs.one_at_a_time else len(x))
        results = torch.cat([net(part) for part in parts]) if len(parts) > 1 else net(parts[0])
        results = results[..., : h * self.scale, : w * self.scale]
        if self.channels == 1:
            return results.reshape(n, channels, *results.shape[2:])
        if channels == 1:
            return results[:, :3].mean(dim=1, keepdim=True, dtype=torch.float32)
        return results[:, :channels]

    def _net(self, told: Told) -> nn.Module:
        """Return the net as it is, or with the same weights and told of edges."""
        if told == UNTOLD:
            return self.net
        if told not in self.told:  # two lanes may both make it: it is only a frame for the weights
            self.told[told] = told_net(self.net, told)
        return self.told[told]

    @torch.inference_mode()
    def runs(self, device: torch.device) -> bool:
        """Tell whether the net takes a plane in the type that it has, of a size that it was not trained on."""
        try:
            self(torch.zeros(1, self.channels, TRIAL_SIDE, TRIAL_SIDE + 1, device=device, dtype=self.takes))
        except Exception as error:
            if is_short_of_memory(error) or is_lost(error):
                raise
            return False
        return True

    def _with_channels(self, planes: Tensor) -> Tensor:
        """Return the planes with the channels of the net."""
        if self.channels == 1:
            return planes.reshape(-1, 1, *planes.shape[2:])
        if planes.shape[1] == 1:
            planes = planes.expand(-1, 3, -1, -1)
        if planes.shape[1] < self.channels:
            planes = torch.cat((planes, torch.ones_like(planes[:, :1])), 1)
        layout = torch.channels_last if planes.is_contiguous(memory_format=torch.channels_last) else None
        return planes.contiguous(memory_format=layout or torch.contiguous_format)

    def _sides(self, h: int, w: int) -> tuple[int, int]:
        """Return the sides that the net wants for a plane of h x w."""
        step = self.multiple_of
        high, wide = (-(-max(side, self.needs.minimum) // step) * step for side in (h, w))
        return (max(high, wide),) * 2 if self.needs.square else (high, wide)


def _extended(x: Tensor, high: int, wide: int) -> Tensor:
    """Return planes that go on to the given sides: reflected as far as they reach, then by their last texels."""
    down, right = high - x.shape[2], wide - x.shape[3]
    near = (min(right, x.shape[3] - 1), min(down, x.shape[2] - 1))
    x = F.pad(x, (0, near[0], 0, near[1]), "reflect")
    return F.pad(x, (0, right - near[0], 0, down - near[1]), "replicate")
