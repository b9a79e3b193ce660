"""What a page was given to show, read back from its script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from texup.gallery.content import VARIABLE


def values_of(script: str) -> dict[str, Any]:
    """Return the data of a script, as JavaScript reads it."""
    literal = re.fullmatch(rf"{re.escape(VARIABLE)}=JSON\.parse\('(.*)'\);\n", script)
    assert literal is not None
    return json.loads(re.sub(r"\\(x3c|.)", lambda found: found[1].replace("x3c", "<"), literal[1]))


def data_of(folder: Path) -> dict[str, Any]:
    """Return the data of the page in a folder."""
    return values_of((folder / "data.js").read_text("ascii"))
