"""The table of all conventions."""

from __future__ import annotations

from texup.conventions.beetle_psx import BEETLE_PSX
from texup.conventions.bethesda import BETHESDA
from texup.conventions.citra.plan import CITRA
from texup.conventions.convention import Convention
from texup.conventions.dolphin.plan import DOLPHIN
from texup.conventions.duckstation.plan import DUCKSTATION
from texup.conventions.gzdoom.plan import GZDOOM
from texup.conventions.minecraft.plan import MINECRAFT
from texup.conventions.n64.gliden64 import GLIDEN64, RICE
from texup.conventions.n64.rt64 import RT64
from texup.conventions.pcsx2.plan import PCSX2
from texup.conventions.plain import PLAIN
from texup.conventions.ppsspp.plan import PPSSPP
from texup.conventions.quake.plan import QUAKE
from texup.errors import UsageError, nearest

CONVENTIONS: tuple[Convention, ...] = (
    DOLPHIN,
    PCSX2,
    GLIDEN64,
    RICE,
    RT64,
    PPSSPP,
    DUCKSTATION,
    MINECRAFT,
    GZDOOM,
    CITRA,
    BEETLE_PSX,
    QUAKE,
    BETHESDA,
    PLAIN,
)
"""In the order in which they are shown."""


def convention_by_id(id_: str) -> Convention:
    """Return the convention of an id.

    Raises:
        UsageError: there is none.
    """
    known = {convention.id: convention for convention in CONVENTIONS}
    if id_ in known:
        return known[id_]
    raise UsageError(f"--format {id_}: there is no such format; {nearest(id_, known)}")
