"""What the tests share: nets with known answers, pictures, and the way of one texture through a net."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.cli.main import SIGNALS, run
from texup.engines.batching import Order
from texup.engines.devices.device import Device
from texup.engines.engine import Plane, Request, drive
from texup.models.borrowed.borrowing import import_spandrel
from texup.models.catalog import resolve
from texup.models.families import INSTALL
from texup.models.loading import load_model
from texup.models.model import UpscaleModel
from texup.nets.rrdbnet import RRDBNet
from texup.policy.classify import Policy
from texup.textures.codecs.decoders import Decoders
from texup.textures.texture import Container, Texture
from texup.upscaling.pixels import upscale_texture
from texup.upscaling.run import Settings, plan_passes

from .builders import tiny_net

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in a shell's background has it, and its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # tiny nets gain nothing from threads, and tests that run side by side lose much

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def own_places(tmp_path_factory):
    """Keep tests away from the user's cache, models and defaults, in this process and in those that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TEXUP_")]:
            patch.delenv(name)
        patch.setenv("TEXUP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TEXUP_MODELS", str(tmp_path_factory.mktemp("models")))
        patch.setenv("TEXUP_CONFIG", "")
        yield


Upscale = Callable[[Request], Plane]


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew instead of comparing with it"
    )


@pytest.fixture(scope="session")
def update_golden(request) -> bool:
    return request.config.getoption("--update-golden")


class Nearest(nn.Module):
    """Repeats every pixel: whatever differs from the source behind it is the work of the code around the net."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)


class NearBilinear(nn.Module):
    """Bilinear enlargement with some of an untrained RRDBNet on top: smooth, coloured and of a real receptive field."""

    def __init__(self, scale: int, share: float) -> None:
        super().__init__()
        self.net = tiny_net("RRDBNet", seed=7, scale=scale)
        self.scale, self.share = scale, share

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=float(self.scale), mode="bilinear") + self.share * self.net(x)


def as_model(net: nn.Module, scale: int, name: str) -> UpscaleModel:
    net = net.eval().requires_grad_(requires_grad=False)
    return UpscaleModel(net, name, "RRDBNet", scale, 3, 3, 1, "0" * 64, {"num_feat": 8})


@pytest.fixture(scope="session")
def nearest_model() -> Callable[[int], UpscaleModel]:
    """Makes the model of a scale that repeats every pixel."""
    return lambda scale: as_model(Nearest(scale), scale, f"nearest-x{scale}")


@pytest.fixture(scope="session")
def tiny_model() -> UpscaleModel:
    """A seeded x4 net near bilinear enlargement."""
    return as_model(NearBilinear(4, 0.05), 4, "tiny-x4")


@pytest.fixture(scope="session")
def shipped_psnr() -> UpscaleModel:
    """The catalog's fidelity net."""
    model = resolve("texup-x4-psnr")
    return load_model(model.path, name=model.name, expected_sha256=model.sha256)


@pytest.fixture(scope="session")
def shipped_context() -> int:
    """Texels of context with which the fidelity net is run by default."""
    context = resolve("texup-x4-psnr").context
    assert context is not None
    return context


@pytest.fixture(scope="session")
def shared_packs() -> Path:
    """Packs of real textures, larger than what belongs into a repository."""
    folder = SHARED / "packs"
    if not folder.is_dir():
        pytest.skip(f"no real packs in {folder}")
    return folder


@pytest.fixture(scope="session")
def through() -> Callable[..., Upscale]:
    """Makes the function that answers one request as an engine does, from the models of a chain."""

    def make(*models: UpscaleModel, tile: int = 4096) -> Upscale:
        device = Device(models, torch.device("cpu"))

        def upscale(request: Request) -> Plane:
            order = Order(None, [request], tile)
            for piece in order.pieces():
                (result,) = device.upscale(piece.model, [piece.plane], piece.told)
                assert result.plane is not None
                piece.put(result.plane)
            return order.planes[0]

        return upscale

    return make


@pytest.fixture(scope="session")
def upscaled() -> Callable[..., Texture]:
    """Sends pixels the whole way of one texture, with ``net`` in the engine's place."""

    def run(
        pixels,
        net: Upscale,
        scale=4,
        *,
        alpha="none",
        edges=("clamp", "clamp"),
        scales=(4,),
        margin=8,
        container=None,
        shows_hidden=False,
        method="net",
        **more,
    ) -> Texture:
        texture = Texture(np.ascontiguousarray(pixels), container or Container("png", pixels.dtype.itemsize * 8))
        passes = plan_passes(scales, scale)
        policy = Policy(alpha, edges, method=method, shows_hidden=alpha == "data" or shows_hidden)
        task = upscale_texture(texture, policy, passes, Settings(scale, margin, **more))
        return drive(task, lambda requests: [net(request) for request in requests])

    return run


@pytest.fixture(scope="session")
def never() -> Upscale:
    """A net that must not be asked."""

    def refuse(request: Request) -> Plane:
        raise AssertionError(f"a plane of {request.plane.shape} was sent through a net")

    return refuse


@pytest.fixture(scope="session")
def wall() -> Callable[..., np.ndarray]:
    """Draws bricks (H, W, 3) uint8 that tile on both axes: grainy, of several colours, mortar in the first rows."""

    def draw(height=48, width=64, *, seed=5) -> np.ndarray:
        dice = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        course = y // 8
        column = (x + course % 2 * 8) % width // 16
        tint = dice.uniform(0.6, 1.0, (height // 8 + 1, width // 16 + 1, 3)) * np.array([190, 110, 80])
        mortar = (y % 8 < 2) | ((x + course % 2 * 8) % 16 < 2)
        picture = np.where(mortar[..., None], (150, 148, 140), tint[course, column])
        return np.clip(picture + dice.normal(0, 9, (height, width, 1)), 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def disc() -> Callable[..., np.ndarray]:
    """Draws the opacity (H, W) in [0, 1] of a disc, hard or with a soft rim."""

    def draw(height=24, width=24, *, radius=8.0, soft=False) -> np.ndarray:
        y, x = np.mgrid[:height, :width]
        inside = radius - np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
        return np.clip(inside / 3 + 0.5, 0, 1) if soft else (inside > 0).astype(float)

    return draw


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines that refuse something."""
        return [line for line in self.err.splitlines() if line.startswith("texup: error: ")]

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def decoders():
    """Processes that decode for all tests, as starting some for each of hundreds of runs would take a minute."""

    class Kept(Decoders):
        def start(self, count: int) -> None:
            if not self._all:  # those of the first run stay for the others
                super().start(count)

        def close(self) -> None:
            pass

    kept = Kept()
    yield kept
    Decoders.close(kept)


@pytest.fixture
def kept_decoders(monkeypatch, decoders):
    """Lets whoever upscales or looks at a pack in this process take the decoders of all tests."""
    for user in ("upscaling.pack", "upscaling.survey", "upscaling.watching", "upscaling.estimate"):
        monkeypatch.setattr(f"texup.{user}.Decoders", lambda: decoders)
    monkeypatch.setattr("texup.textures.codecs.decoders.Decoders", lambda: decoders)


@pytest.fixture
def texup(monkeypatch, capsys, kept_decoders):
    """Runs ``texup ARGUMENTS`` in this process, as its entry point does, on the CPU unless told otherwise."""
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    def call(*arguments) -> Result:
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        monkeypatch.setattr(sys, "argv", ["texup", *map(str, arguments)])
        try:
            with pytest.raises(SystemExit) as caught:
                run()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Result(caught.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def spandrel() -> ModuleType:
    """spandrel, as texup imports it: without torchvision."""
    for name in ("einops", "spandrel"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no {name}: {INSTALL}")
    return import_spandrel()


@pytest.fixture(scope="session")
def near_identity() -> Callable[..., dict[str, Tensor]]:
    """Builds the state of a small net by its seed."""

    def near_identity(seed: int, noise=0.01) -> dict[str, Tensor]:
        """Return the state of a x4 RRDBNet that repeats pixels, nearly: noise gives it a receptive field."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = RRDBNet(num_feat=8, num_block=1, num_grow_ch=4)
            for name, value in net.named_parameters():
                if not name.startswith("body") and value.ndim == 4:
                    value.data = noise * torch.randn_like(value)
                    for k in range(3):
                        value.data[k, k, 1, 1] += name != "conv_body.weight"
        return net.state_dict()

    return near_identity
