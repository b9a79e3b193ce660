"""The recipes that come with texup."""

from __future__ import annotations

from pathlib import Path

from texup.errors import UsageError
from texup.models import catalog


def find_recipe(name: Path) -> Path:
    """Return the file of a recipe: ``name`` itself where it exists, else the one of that name beside the weights.

    Raises:
        UsageError: there is neither.
    """
    if name.is_file():
        return name
    shipped = catalog.weights_folder() / "recipes"
    file = shipped / f"{name.name}.toml"
    if name.parent == Path() and file.is_file():
        return file
    known = ", ".join(sorted(path.stem for path in shipped.glob("*.toml")))
    raise UsageError(f"{name}: no such recipe; give a TOML file or one of {known}")
