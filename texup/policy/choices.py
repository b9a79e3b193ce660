"""What a user may choose of a texture's treatment; light, for the command line."""

from __future__ import annotations

from typing import Literal

AlphaChoice = Literal["auto", "opacity", "binary", "smooth", "data", "copy"]
EdgeChoice = Literal["auto", "wrap", "mirror", "clamp"]
MethodChoice = Literal["auto", "net", "pixel", "nearest"]
NormalsChoice = Literal["resize", "model", "copy"]
PaletteChoice = Literal["expand", "keep"]
DdsChoice = Literal["auto", "bc1", "bc3", "bc7"]
GrainChoice = float | Literal["auto"]
MAX_GRAIN = 2.0
