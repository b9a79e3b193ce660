"""What a user may choose of a texture's treatment; light, for the command line."""

from __future__ import annotations

import re
from typing import Literal

AlphaChoice = Literal["auto", "opacity", "binary", "smooth", "data", "copy"]
EdgeChoice = Literal["auto", "wrap", "mirror", "clamp"]
MethodChoice = Literal["auto", "net", "pixel", "nearest"]
NormalsChoice = Literal["resize", "model", "copy"]
PaletteChoice = Literal["expand", "keep"]
PngChoice = Literal["fast", "small"]
DdsChoice = Literal["auto", "bc1", "bc3", "bc7"]
DdsQualityChoice = Literal["fast", "normal", "best"]
GateChoice = Literal["off", "warn", "fallback"]
GrainChoice = float | Literal["auto"]
KeyChoice = Literal["auto", "none"] | tuple[int, int, int]
"""A colour key by red, green and blue of 0..255, or whether one is looked for."""
MAX_GRAIN = 2.0
_KEY = re.compile(r"#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)


def read_key(text: str) -> KeyChoice:
    """Return what ``auto``, ``none`` or ``RRGGBB`` stands for.

    Raises:
        ValueError: it is none of them.
    """
    if text in ("auto", "none"):
        return "none" if text == "none" else "auto"
    found = _KEY.fullmatch(text)
    if found is None:
        raise ValueError("use auto, none, or a colour as RRGGBB, such as ff00ff")
    red, green, blue = (int(part, 16) for part in found.groups())
    return red, green, blue
