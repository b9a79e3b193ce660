"""How rough a texture is: the contrast of its finest detail inside regions, its directions, and where edges run.

The *top octave* of a texture is what it holds between a half and the whole of the finest frequency that its texels can
carry. Where it fills an area (fibre, grit, weave) the octaves above it held more of the same before the texture was
made small; where it stands at single lines (joints, outlines, letters) they held nothing but the sharpness of those.
"""

from __future__ import annotations

import numpy as np

from texup.textures.color import Plane, blur, quantile
from texup.textures.planes import AlphaKind, bleed, split
from texup.textures.seams import Edges, pad
from texup.textures.texture import Texture

WINDOW = 2  # texels that a window of local contrast reaches from its middle
SHIFTS = (-3, 0, 3)  # texels by which the windows lie beside the texel that they speak for; at 3 they miss it
STRUCTURE = 15 / 255  # contrast of keys, lamps and letters, not of a surface: from here on it counts for less
NOISE_GAIN = 1.27  # by how much the smallest of nine windows understates white noise, measured on 256 x 256 texels
EDGE_SIGMA = 1.5  # texels: what stands out after this blur is an edge and no grain
EDGE_WEIGHT = 1.0  # how steep a slope a texel may cover, in local contrast, at which half of its grain is left
CUT = 1.0  # local contrasts, to which edges are cut down where directions are sought
WHOLE = 0.5  # what the direction of the whole texture counts beside that of a place
DIRECTION_SIGMA = 5.0  # texels around one that tell its direction; of fewer noise would seem to have one

USUAL = 1.0  # strength of grain on a texture that is rough all over
SPREAD = (0.4, 0.6)  # of mean local contrast off edges to that of the whole; art and skies have less, surfaces more
JOINTS = 2.5  # times the contrast of a rough place, to which joints and rivets are cut: a tiled floor is rough as well
ROUGHEST = 0.8  # share of the places that are less rough than such a one
FLAT = 0.3 / 255  # contrast of a texture that holds nothing fine
SIDES = (12.0, 48.0)  # texels a side, between which a picture gets large enough to show a surface
CUT_SIDES = (16.0, 64.0)  # of one with holes, which is more often a drawn thing
RINGS = 7  # texels that colour is bled outward: nothing that is measured where a picture shows looks further
MEASURED = 512  # texels a side that are looked at, from the middle
LEAST = 0.2  # strength: less cannot be seen
GRAIN_STEPS = 20  # of strength 1: so coarse that no last bit decides about pixels


def ramp(values: Plane, ends: tuple[float, float]) -> Plane:
    """Return 0 below the lower end, 1 above the upper one, and a smooth way between."""
    t = np.clip((values - np.float32(ends[0])) / np.float32(ends[1] - ends[0]), 0, 1)
    way: Plane = t * t * (3 - 2 * t)
    return way


def luma_of(colour: Plane) -> Plane:
    """Return the mean of the channels, (H, W, 1)."""
    if colour.shape[2] == 1:
        return colour.copy()
    luma: Plane = colour @ np.ones(colour.shape[2], np.float32)  # numpy's own sum takes six times as long
    luma /= np.float32(colour.shape[2])
    return luma[..., None]


def detail(luma: Plane, edges: Edges) -> Plane:
    """Return what the binomial blur of 3 by 3 texels takes away; a line shows in the texels beside it, no further."""
    padded = pad(luma, (1,) * 4, edges)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    blurred = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    band: Plane = luma - blurred / np.float32(16)
    return band


def window_means(plane: Plane, reach: int, edges: Edges) -> Plane:
    """Return the means over windows of ``2 * reach + 1`` texels a side, (H, W, C)."""
    h, w = plane.shape[:2]
    padded = pad(plane, (reach,) * 4, edges)
    side = 2 * reach + 1
    rows, means = padded[:h].copy(), np.zeros_like(plane)
    for k in range(1, side):
        rows += padded[k : k + h]
    for k in range(side):
        means += rows[:, k : k + w]
    means /= np.float32(side * side)
    return means


def contrast_inside(band: Plane, edges: Edges) -> Plane:
    """Return the local contrast of a band (H, W, 1) as of the quietest region that a texel may belong to.

    Of nine windows that touch the texel the quietest speaks for it. Beside a joint that is one without the joint, so a
    smooth stone stays smooth up to its border, while fibre and grit are in all nine.

    Returns:
        Standard deviation, (H, W, 1).
    """
    h, w = band.shape[:2]
    far = max(SHIFTS)
    means = pad(window_means(band * band, WINDOW, edges), (far,) * 4, edges)
    quietest = means[far : far + h, far : far + w]
    for dy in SHIFTS:
        for dx in SHIFTS:
            quietest = np.minimum(quietest, means[far + dy : far + dy + h, far + dx : far + dx + w])
    contrast: Plane = np.float32(NOISE_GAIN) * np.sqrt(quietest)
    return contrast


def surface_part(contrast: Plane) -> Plane:
    """Return how much of a local contrast is that of a surface: nearly all if low, ever less if high."""
    part: Plane = contrast / (np.float32(1) + np.square(np.square(contrast / np.float32(STRUCTURE))))
    return part


def slopes(luma: Plane, edges: Edges) -> Plane:
    """Return how steep the smoothed plane (H, W, 1) is at most in the 3 by 3 texels around each.

    In the middle of a joint it is not steep at all.
    """
    smooth = pad(blur(luma, EDGE_SIGMA, edges), (1,) * 4, edges)
    across, down = smooth[1:-1, 2:] - smooth[1:-1, :-2], smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    steep = pad(np.float32(0.5) * np.sqrt(across**2 + down**2), (1,) * 4, edges)
    rows = np.maximum(np.maximum(steep[:-2], steep[1:-1]), steep[2:])
    most: Plane = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return most


def off_edges(luma: Plane, contrast: Plane, edges: Edges) -> Plane:
    """Return the share of grain, (H, W, 1) in [0, 1], that slopes leave: all in noise, little at edges."""
    room = contrast * contrast
    share: Plane = room / (room + np.square(np.float32(EDGE_WEIGHT) * slopes(luma, edges)) + np.float32(1e-9))
    return share


def directions(band: Plane, contrast: Plane, share: Plane, edges: Edges) -> Plane:
    """Return where the waves of a band (H, W, 1) run, from the gradients around each texel.

    Edges are cut down to the contrast around them and count by the share that ``off_edges`` leaves of them, or a stone
    would be streaked along its joints. The direction of the whole texture counts a little everywhere.

    Returns:
        (H, W, 2): cosine and sine of twice the angle across the fibres, from the axis of columns, times how clear that
        is, 0 to 1; in white noise it is up to 0.2.

    References:
        J. Bigun and G. H. Granlund, "Optimal orientation detection of linear symmetry", ICCV 1987.
    """
    held = pad(np.clip(band, -CUT * contrast, CUT * contrast), (1,) * 4, edges)
    wide, high = held[:, :-2] + 2 * held[:, 1:-1] + held[:, 2:], held[:-2] + 2 * held[1:-1] + held[2:]
    across, down = high[:, 2:] - high[:, :-2], wide[2:] - wide[:-2]
    tensor = np.concatenate([across**2 - down**2, 2 * across * down, across**2 + down**2], axis=2)
    tensor *= share**2
    around, whole = blur(tensor, DIRECTION_SIGMA, edges), tensor.mean(axis=(0, 1))
    turned: Plane = around[..., :2] / (around[..., 2:] + np.float32(1e-9))
    turned += np.float32(WHOLE) * whole[:2] / (whole[2] + np.float32(1e-9))
    turned /= np.maximum(np.hypot(turned[..., :1], turned[..., 1:]), np.float32(1))
    return turned


def surface_grain(texture: Texture, alpha_kind: AlphaKind, edges: Edges, size: tuple[int, int]) -> float:
    """Return how much grain a texture of colour should get, 0 to ``USUAL``, by how evenly rough it is.

    Line art, letters, faces and skies hold their finest detail at few places; wood, stone and grass hold it all over.

    Args:
        texture: what its colour and opacity are taken from.
        alpha_kind: the class of its last channel.
        edges: how it goes on beyond its borders.
        size: (rows, columns) of one picture in it; small pictures are drawn things and get little.
    """
    middle = tuple(slice(max(0, (side - MEASURED) // 2), (side + MEASURED) // 2) for side in texture.pixels.shape[:2])
    planes = split(Texture(texture.pixels[middle], texture.container), alpha_kind)
    shown = None if alpha_kind in ("none", "data") else planes.alpha
    weight = np.ones_like(planes.colour[..., :1]) if shown is None else (shown > 0).astype(np.float32)
    sides = SIDES if weight.all() else CUT_SIDES
    asked = ramp(np.array([np.sqrt(size[0] * size[1])], np.float32), sides)[0]
    if not weight.any() or not _strength(asked):
        return 0.0
    luma = luma_of(planes.colour if shown is None else bleed(planes.colour, shown, edges, RINGS))
    band = detail(luma, edges)
    if _deviation(band, weight) < FLAT:  # at once: cut down it is less
        return 0.0
    contrast = contrast_inside(band, edges)
    most = JOINTS * quantile(contrast[weight > 0], ROUGHEST)
    whole = _deviation(np.clip(band, -most, most), weight)
    if whole < FLAT:
        return 0.0
    inside = surface_part(contrast) * np.sqrt(off_edges(luma, contrast, edges))
    spread = float(np.average(inside, weights=weight) / whole)
    return _strength(ramp(np.array([spread], np.float32), SPREAD)[0] * asked)


def _deviation(band: Plane, weight: Plane) -> float:
    """Return the standard deviation of a band whose mean is 0."""
    return float(np.sqrt(np.average(band * band, weights=weight)))


def _strength(share: np.float32) -> float:
    """Return a share of ``USUAL`` in whole steps, 0 if it cannot be seen."""
    strength = round(USUAL * float(share) * GRAIN_STEPS) / GRAIN_STEPS
    return strength if strength >= LEAST else 0.0
