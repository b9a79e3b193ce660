"""Colour keys: one colour of a picture without alpha that stands for nothing, as 255,0,255 in old games.

A keyed texture is upscaled as one with binary alpha and gets its key back afterwards, exactly:

    RGB ── cut_out ── RGBA, colour bled over the key ── net, pixel art, filter ── RGBA ── put_back ── RGB

Nothing on the way sees the key, so that none of it gets into a colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texup.textures.planes import bleed
from texup.textures.texture import Container, Key, Pixels, Texture

# When a colour is found to be a key by itself; judged on all sprites of four packs with a key in place of their alpha,
# and on all textures without one.
MIN_SIDE = 8
BORDER_SHARE = 0.4  # of a picture's outermost texels, at least, are key, and
CORNERS = 2  # of its four corners
AREA = (0.05, 0.98)  # share of the whole
SAMPLES = 1 << 16  # texels that are looked at for what the rest is drawn in, at most: colours take long to sort
MIN_COLOURS = 4  # of what is not key, at least; signs and flags have fewer
MIN_BESIDE_MAGENTA = 2  # the same where that is the key, which nobody draws signs with, but for black placeholders
RIM_TINT = 0.25  # of the colours beside the key are tinted by it, at most: there the picture was mixed with it
TINTED = 0.4  # how much more of the key's channels than of the others a tinted colour has
PURE_SHARE = 0.1  # of what is not key has another such colour, at most: else the picture was drawn in them


def find_key(texture: Texture) -> Key | None:
    """Return the colour that a picture without alpha uses as its key, or None; in doubt it has none.

    One of the six saturated colours of full and empty channels fills the outside, exactly, and touches nothing that is
    mixed with it. Black and white are never found: a picture may be that.
    """
    pixels = texture.pixels
    if pixels.shape[2] != 3 or min(pixels.shape[:2]) < MIN_SIDE or not _is_exact(texture.container):
        return None
    border = np.concatenate((pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]))
    full = np.iinfo(pixels.dtype).max
    if np.count_nonzero(((border == 0) | (border == full)).all(axis=1)) < BORDER_SHARE * len(border):
        return None  # at once, as nearly always: colours take long to sort
    colours, counts = np.unique(border, axis=0, return_counts=True)
    colour = colours[counts.argmax()]
    if not np.isin(colour, (0, full)).all() or len(np.unique(colour)) == 1 or counts.max() < BORDER_SHARE * len(border):
        return None
    is_key = (pixels == colour).all(axis=2)
    at_corners = is_key[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= CORNERS
    if not at_corners or not AREA[0] <= is_key.mean() <= AREA[1] or not _is_apart(pixels, is_key, colour > 0):
        return None
    red, green, blue = (255 if channel else 0 for channel in colour)
    return red, green, blue


def holds_key(texture: Texture, key: Key) -> bool:
    """Tell whether some texels of a texture without alpha, and not all, have the colour of a key."""
    is_key = _is_key(texture.pixels, key)
    return texture.pixels.shape[2] in (1, 3) and bool(is_key.any()) and not is_key.all()


def cut_out(texture: Texture, key: Key) -> Texture:
    """Return a texture with binary alpha, 0 at the key, where the colour of what is visible goes on."""
    pixels, full = texture.pixels, np.iinfo(texture.pixels.dtype).max
    alpha = ~_is_key(pixels, key)[..., None]
    values = pixels.astype(np.float32) / np.float32(full)
    bled = bleed(values, alpha.astype(np.float32), ("clamp", "clamp"))
    colour = np.where(alpha, pixels, np.rint(bled * np.float32(full)).astype(pixels.dtype))
    joined: Pixels = np.concatenate((colour, (alpha * full).astype(pixels.dtype)), axis=2)
    return Texture(joined, texture.container)


def put_back(texture: Texture, key: Key) -> Texture:
    """Return a texture without alpha, the key where that was less than half, and nowhere else."""
    pixels, full = texture.pixels, np.iinfo(texture.pixels.dtype).max
    colour = pixels[..., :-1].copy()
    is_clear = pixels[..., -1] <= full // 2
    by_chance = ~is_clear & _is_key(colour, key)
    last = colour[by_chance, -1]
    colour[by_chance, -1] = np.where(last > full // 2, last - _step(texture), last + _step(texture))
    colour[is_clear] = _scaled(key, colour)
    return Texture(colour, texture.container)


def _is_exact(container: Container) -> bool:
    """Tell whether a file holds its colours exactly."""
    return container.lossless and container.block is None


def _is_apart(pixels: Pixels, is_key: NDArray[np.bool_], is_full: NDArray[np.bool_]) -> bool:
    """Tell whether what is not key is a picture in other colours, with hard edges towards the key."""
    rest, full = pixels[~is_key], np.iinfo(pixels.dtype).max
    rest = rest[:: len(rest) // SAMPLES + 1]
    is_magenta = is_full.tolist() == [True, False, True]
    if len(np.unique(rest, axis=0)) < (MIN_BESIDE_MAGENTA if is_magenta else MIN_COLOURS):
        return False
    if (np.isin(rest, (0, full)).all(axis=1) & (np.ptp(rest, axis=1) > 0)).mean() > PURE_SHARE:
        return False
    beside = np.zeros_like(is_key)
    beside[1:] |= is_key[:-1]
    beside[:-1] |= is_key[1:]
    beside[:, 1:] |= is_key[:, :-1]
    beside[:, :-1] |= is_key[:, 1:]
    rim = pixels[beside & ~is_key].astype(np.float32) / np.float32(full)
    tint = rim[:, is_full].min(axis=1) - rim[:, ~is_full].max(axis=1)
    return bool((tint > TINTED).mean() <= RIM_TINT)


def _is_key(pixels: Pixels, key: Key) -> NDArray[np.bool_]:
    """Return where pixels (H, W, C) have the colour of a key (H, W); grey ones only that of a grey key."""
    if pixels.shape[2] == 1 and len(set(key)) > 1:
        return np.zeros(pixels.shape[:2], np.bool_)
    found: NDArray[np.bool_] = (pixels[..., :3] == _scaled(key, pixels)).all(axis=2)
    return found


def _scaled(key: Key, pixels: Pixels) -> NDArray[np.generic]:
    """Return a key as one texel (C,) of pixels of 8 or 16 bits a channel."""
    step = np.iinfo(pixels.dtype).max // 255
    return (np.array(key[: pixels.shape[2]]) * step).astype(pixels.dtype)


def _step(texture: Texture) -> int:
    """Return the least difference of a channel's values that the file of a texture can hold."""
    container = texture.container
    fewest = min((mask.bit_count() for mask in container.layout.masks[:3]), default=8) if container.layout else 8
    return 1 << (8 - min(fewest, container.bits))
