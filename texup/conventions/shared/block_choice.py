"""Which DDS coding a wish stands for, for loaders that want whole blocks of 4 x 4 texels."""

from __future__ import annotations

from collections.abc import Collection

from texup.conventions.convention import Name, Wishes
from texup.textures.storing import Store


def fills_blocks(name: Name, scale: int) -> bool:
    """Return whether the result has whole blocks; a name that tells no size is trusted."""
    return name.native is None or not any(side * scale % 4 for side in name.native)


def store_for(name: Name, wishes: Wishes, hard_alpha: Collection[str]) -> Store:
    """Return the coding of a DDS, or "" without the wish or without whole blocks.

    Args:
        name: its field "fmt" is the game's own format.
        wishes: what the user wants.
        hard_alpha: formats without soft alpha, which alone BC1 can hold.
    """
    if not wishes.dds or name.native is None or not fills_blocks(name, wishes.scale):
        return ""
    if wishes.dds == "auto" or (wishes.dds == "bc1" and name.fields["fmt"] not in hard_alpha):
        return "bc7"
    return wishes.dds
