"""DDS files against the checks that five loaders make before they take one; written anew from what their sources do.

References:
    Dolphin, Source/Core/VideoCommon/Assets/CustomTextureData.cpp; PCSX2, pcsx2/GS/Renderers/HW/
    GSTextureReplacementLoaders.cpp; PPSSPP, GPU/Common/ReplacedTexture.cpp; GZDoom, src/common/textures/formats/
    ddstexture.cpp; DarkPlaces, gl_textures.c (R_LoadTextureDDSFile).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from texup.textures.codecs.files import encode_levels
from texup.textures.mips import smaller_levels
from texup.textures.storing import convert_storage
from texup.textures.texture import Container, Texture

SIZES = [(64, 64), (20, 12), (4, 4), (256, 64), (30, 30)]
STORES = ("bgra8", "bc1", "bc3", "bc7")
OK, FOURS, NEVER = "ok", "if both sides are multiples of 4", "never"
TABLE = {
    "bgra8": {"dolphin": OK, "pcsx2": OK, "ppsspp": NEVER, "gzdoom": OK, "darkplaces": OK},
    "bc1": {"dolphin": FOURS, "pcsx2": NEVER, "ppsspp": OK, "gzdoom": OK, "darkplaces": OK},
    "bc3": {"dolphin": FOURS, "pcsx2": FOURS, "ppsspp": OK, "gzdoom": OK, "darkplaces": OK},
    "bc7": {"dolphin": FOURS, "pcsx2": FOURS, "ppsspp": OK, "gzdoom": NEVER, "darkplaces": NEVER},
}
MASKS = {
    "A8R8G8B8": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "X8R8G8B8": (0xFF0000, 0xFF00, 0xFF, 0),
    "A8B8G8R8": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "X8B8G8R8": (0xFF, 0xFF00, 0xFF0000, 0),
}


@dataclass(frozen=True)
class Seen:
    """The header as a loader reads it, straight from the bytes."""

    size: int
    flags: int
    height: int
    width: int
    linear: int
    depth: int
    mips: int
    pf_flags: int
    fourcc: bytes
    bits: int
    masks: tuple[int, ...]
    caps: int
    caps2: int
    dx10: tuple[int, ...]
    after: int

    @property
    def is_fourcc(self):
        return bool(self.pf_flags & 4)

    @property
    def in_fours(self):
        return self.width % 4 == 0 and self.height % 4 == 0

    @property
    def block(self):
        """Bytes of a block, 0 for plain pixels."""
        if not self.is_fourcc:
            return 0
        return 8 if self.fourcc == b"DXT1" or self.dx10[:1] == (71,) else 16

    def level_bytes(self, level):
        width, height = max(self.width >> level, 1), max(self.height >> level, 1)
        if self.block:
            return ((width + 3) // 4) * ((height + 3) // 4) * self.block
        return width * height * self.bits // 8


def seen(data):
    assert data[:4] == b"DDS "
    size, flags, height, width, linear, depth, mips = struct.unpack_from("<7I", data, 4)
    pf_size, pf_flags, fourcc, bits, *masks = struct.unpack_from("<2I4s5I", data, 76)
    caps, caps2 = struct.unpack_from("<2I", data, 108)
    assert (size, pf_size) == (124, 32)
    newer = bool(pf_flags & 4) and fourcc == b"DX10"
    dx10 = struct.unpack_from("<5I", data, 128) if newer else ()
    return Seen(
        size, flags, height, width, linear, depth, mips, pf_flags, fourcc, bits, tuple(masks), caps, caps2, dx10,
        len(data) - (148 if newer else 128),
    )  # fmt: skip


def all_levels_fit(one, count):
    return sum(one.level_bytes(level) for level in range(max(count, 1))) <= one.after


def dolphin(one):
    if one.flags & 0x1007 != 0x1007 or one.caps2 & 0x200000 or one.flags & 0x800000:
        return False
    if one.flags & 0x8 and one.flags & 0x80000:
        return False
    count = one.mips if one.flags & 0x20000 else 1
    if not one.is_fourcc:
        known = one.masks in MASKS.values() if one.bits == 32 else one.masks == MASKS["X8R8G8B8"] and one.bits == 24
        row = one.linear if one.flags & 0x8 else one.width * one.bits // 8
        return known and row == one.width * one.bits // 8 and all_levels_fit(one, count)
    if one.fourcc == b"DX10":
        known = one.dx10[0] in (71, 74, 77, 98) and one.dx10[3] == 1
    else:
        known = one.fourcc in (b"DXT1", b"DXT3", b"DXT5")
    return known and one.in_fours and all_levels_fit(one, count)


def pcsx2(one):
    if one.flags & 0x1007 != 0x1007 or max(one.width, one.height) >= 32768:
        return False
    if not one.is_fourcc:
        return one.masks in MASKS.values() and one.bits == 32
    if one.fourcc == b"DX10":
        known = one.dx10[0] in (71, 74, 77, 98) and one.dx10[1] == 3 and one.dx10[3] == 1
    else:
        known = one.fourcc in (b"DXT1", b"DXT2", b"DXT3", b"DXT4", b"DXT5")
    whole_chain = one.mips == max(one.width, one.height).bit_length()
    shows_full_alpha_as_twice = one.block == 8
    return known and one.in_fours and whole_chain and not shows_full_alpha_as_twice and all_levels_fit(one, one.mips)


def ppsspp(one):
    if not one.is_fourcc:
        return False
    if one.fourcc == b"DX10":
        return one.dx10[0] in (71, 72, 74, 75, 77, 78, 98, 99) and all_levels_fit(one, min(one.mips, 12))
    return one.fourcc in (b"DXT1", b"DXT3", b"DXT5") and all_levels_fit(one, min(one.mips, 12))


def gzdoom(one):
    if one.flags & 0x1007 != 0x1007 or one.caps2 & 0x200000:
        return False
    if one.is_fourcc:
        known = one.fourcc in (b"DXT1", b"DXT2", b"DXT3", b"DXT4", b"DXT5")
        return known and bool(one.flags & 0x80000) and one.linear == one.level_bytes(0)
    return one.pf_flags & 0x40 != 0 and one.flags & 0x8 != 0 and one.linear == one.width * one.bits // 8


def darkplaces(one):
    if one.is_fourcc and one.fourcc not in (b"DXT1", b"DXT2", b"DXT3", b"DXT4", b"DXT5"):
        return False
    if not one.is_fourcc and (one.bits != 32 or one.masks[:3] != MASKS["A8R8G8B8"][:3]):
        return False
    count = one.mips if one.caps & 0x400000 else 1
    return count == max(one.width, one.height).bit_length() and all_levels_fit(one, count)


LOADERS = {"dolphin": dolphin, "pcsx2": pcsx2, "ppsspp": ppsspp, "gzdoom": gzdoom, "darkplaces": darkplaces}


def picture(wall, width, height, store):
    """Bricks with a gradient of alpha, or opaque for BC1."""
    rgb = wall(height, width)
    alpha = np.linspace(0, 255, width, dtype=np.uint8)[None].repeat(height, 0)
    return rgb if store == "bc1" else np.dstack([rgb, alpha])


def written(pixels, store):
    level = convert_storage(Texture(np.ascontiguousarray(pixels), Container("png")), store)
    alpha = "soft" if pixels.shape[2] == 4 else "none"
    return encode_levels([level, *smaller_levels(level, alpha=alpha, is_data=False)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("loader", LOADERS)
def test_what_each_loader_takes(wall, store, size, loader):
    one = seen(written(picture(wall, *size, store), store))
    promise = TABLE[store][loader]
    assert LOADERS[loader](one) == (promise == OK or (promise == FOURS and one.in_fours))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("store", STORES)
def test_the_chain_is_whole_and_not_a_byte_longer(wall, store, size):
    one = seen(written(picture(wall, *size, store), store))
    assert one.mips == max(size).bit_length()
    assert sum(one.level_bytes(level) for level in range(one.mips)) == one.after


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("store", STORES)
def test_pillow_reads_it_back(wall, store, size):
    pixels = picture(wall, *size, store)
    with Image.open(io.BytesIO(written(pixels, store)), formats=["DDS"]) as image:
        shown = np.asarray(image)[..., : pixels.shape[2]]
    error = ((shown.astype(float) - pixels) ** 2).mean()
    assert shown.shape == pixels.shape
    assert error == 0 if store == "bgra8" else 10 * np.log10(255**2 / error) > 28


@pytest.mark.parametrize("store", STORES)
def test_a_file_of_one_level_says_nothing_of_levels(wall, store):
    level = convert_storage(Texture(picture(wall, 64, 64, store), Container("png")), store)
    one = seen(encode_levels([level]))
    assert (one.flags & 0x20000, one.caps) == (0, 0x1000)
    assert one.level_bytes(0) == one.after
