"""What options take: words, numbers, colours, models; a refusal says what would be right."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from texup.calls.options import read_shard
from texup.errors import TexupError, nearest
from texup.policy.choices import EdgeChoice, KeyChoice, read_key

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

T = TypeVar("T")
EDGE_NAMES = get_args(EdgeChoice)


class Word(click.Choice[str]):
    """An option that takes one of some words."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """Return what is wrong with a word that is none of them."""
        return f"{value!r} is unknown; {nearest(str(value), self.choices)}"


def offered(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that a shell may complete what is typed to."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class Offering(click.ParamType[T]):
    """A type of values of which some are words that a shell offers."""

    offers: tuple[str, ...] = ("auto",)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the words that begin as what is typed."""
        return offered(self.offers, incomplete)


class PlaceType(click.Path):
    """A path, or a folder of an object store."""

    def __init__(self) -> None:
        """Take any path, whether or not something is there."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path, or the place that a URL means."""
        from texup.packs.remote.url import is_url, read_url

        if not (isinstance(value, str) and is_url(value)):
            return super().convert(value, param, ctx)
        try:
            return read_url(value)
        except TexupError as error:
            self.fail(str(error), param, ctx)


class EdgesType(Offering[tuple[str, str]]):
    """``wrap``, or ``wrap,clamp`` for the horizontal and the vertical axis."""

    name = "edges"
    offers = EDGE_NAMES

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return (vertical, horizontal) edges; the text names the horizontal axis first, like width before height."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip().lower() for part in str(value).split(",")]
        if len(parts) > 2 or any(part not in EDGE_NAMES for part in parts):
            self.fail(f"{value!r}: use {', '.join(EDGE_NAMES)}, or two of them as X,Y", param, ctx)
        return parts[-1], parts[0]


class KeyType(Offering[KeyChoice]):
    """``auto``, ``none``, or a colour as ``RRGGBB``."""

    name = "auto|none|RRGGBB"
    offers = ("auto", "none")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> KeyChoice:
        """Return the colour as red, green and blue, or the word."""
        if isinstance(value, tuple):
            return value
        try:
            return read_key(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class ShardType(click.ParamType[tuple[int, int]]):
    """``K/N``: a part, from 1, and how many there are."""

    name = "K/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return both numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return read_shard(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class AutoOr(Offering[int | None]):
    """A whole number between bounds, or ``auto`` (None)."""

    name = "auto|N"

    def __init__(self, least: int, most: int) -> None:
        """Take numbers from ``least`` to ``most``."""
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number, or None for ``auto``."""
        if value is None or value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not self.least <= number <= self.most:
            self.fail(f"{value!r}: use a whole number from {self.least} to {self.most}, or auto", param, ctx)
        return number


class AutoOrShare(Offering[float | str]):
    """A number between bounds, or ``auto``."""

    name = "auto|A"

    def __init__(self, meaning: str, bounds: tuple[float, float] | None = None) -> None:
        """Take numbers within ``bounds``, or any where only the models know them; ``meaning`` names them in words."""
        self.meaning, self.bounds = meaning, bounds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the number, or "auto"."""
        if value == "auto":
            return "auto"
        try:
            number: float | None = float(value)
        except ValueError:
            number = None
        if number is None or (self.bounds and not self.bounds[0] <= number <= self.bounds[1]):
            self.fail(f"{value!r}: use a number from {self.meaning}, or auto", param, ctx)
        return number


class DeviceType(Offering[str]):
    """A device as torch names it, or several."""

    name = "text"
    offers = ("auto", "all", "cpu", "cuda", "xpu", "mps")  # not what is there: asking torch takes seconds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is: whether there is such a device is found out when it is needed."""
        return str(value)


class EngineType(Offering[str]):
    """Where nets run."""

    name = "text"
    offers = ("local", "ray")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is, if it names an engine."""
        from texup.calls.options import read_engine

        try:
            return read_engine(value, "it")
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ModelType(click.ParamType[str]):
    """A model of the catalog or of the user's folder, or a file of weights."""

    name = "NAME|FILE"
    envvar_list_splitter = os.pathsep  # names of files may have blanks in them

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is: whether there is such a model is found out when it is needed."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin as what is typed, or files where none does."""
        from texup.models.catalog import load_catalog
        from texup.models.own import own_models

        names: list[str] = []
        with suppress(TexupError):  # a shell shows no errors while somebody types
            names = [*load_catalog().models, *(path.rpartition(".")[0] for path in own_models())]
        return offered(dict.fromkeys(names), incomplete) or click.Path().shell_complete(ctx, param, incomplete)


class RecipeType(click.Path):
    """A recipe of texup's own, or a file."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the recipes that begin as what is typed, or files where none does."""
        from texup.models.catalog import weights_folder

        names = sorted(path.stem for path in (weights_folder() / "recipes").glob("*.toml"))
        return offered(names, incomplete) or super().shell_complete(ctx, param, incomplete)
