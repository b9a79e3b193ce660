"""Whether a texture is pixel art: few colours in areas of one colour that meet at hard steps, drawn texel by texel.

A net takes such staircases for noise or for a photograph's edges, and makes waves of them. Photographs and paintings
have none of it even where a palette of 16 colours leaves them areas of one colour: between two of their colours lie
texels of a third, and steps are small against the range of colours.

The bounds were set by eye and by measure on four packs and on photographs stored with palettes; the labels lie in
``tests/data/pixel_art_labels.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import over_channels
from texup.textures.texture import Pixels

Colours = NDArray[np.int16]  # (H, W, 4) in 0..255
Codes = NDArray[np.uint32]  # (H, W), the four bytes of each colour
Mask = NDArray[np.bool_]

# All values that 3, 3 and 2 bits of red, green and blue stand for.
LEVELS_332 = [np.array([round(level * 255 / most) for level in range(most + 1)]) for most in (7, 7, 3)]
COLOURS_332 = 256  # that they make

MAX_SIDE = 256  # texels; nothing larger was drawn texel by texel, and a drawing that large needs no rule for lines
SMALL_SIDE = 64  # a larger one must be clearly so
SOFT_STEP = 17  # of 255: steps up to this are shading; one level of 4 bits
FEW = 4  # colours that are few enough for steps of any height

MAX_COLOURS = 64
MIN_TEXELS_EACH = 5.0
MIN_STEP, MAX_SOFT = 30.0, 0.12
MIN_EQUAL, MAX_RAMP, MAX_LONE = 0.35, 0.25, 0.35
FEW_EQUAL, FEW_RAMP, FEW_LONE = 0.3, 0.35, 0.6  # of few colours: the handle of a tool is a row of lone texels
MIN_ORDER = 0.1
SPARSE_EQUAL = 0.85  # a few lone texels on a plain ground lie anywhere
CLEAR_EQUAL, CLEAR_RAMP, CLEAR_COLOURS = 0.7, 0.1, 16
MAX_SHADED_SOFT = 0.3  # of a shaded sprite; photographs as small have more, but for about one in ten


@dataclass(frozen=True, slots=True)
class PixelArt:
    """The verdict on a texture and what was measured, over pairs of visible neighbours along both axes."""

    is_pixel_art: bool
    reason: str
    """For people only."""
    colours: int = 0
    """Different visible colours."""
    texels_each: float = 0.0
    """Visible texels for each colour."""
    equal: float = 0.0
    """Share of pairs of one colour."""
    step: float = 0.0
    """Median difference of the other pairs in their most different channel, of 255."""
    soft: float = 0.0
    """Share of the other pairs that differ by up to ``SOFT_STEP``."""
    ramp: float = 0.0
    """Share of texels between two others, not all three alike, whose luma lies strictly between theirs."""
    lone: float = 0.0
    """Share of texels that no neighbour above, below or beside is like."""
    cut_out: bool = False
    """Whether some texels do not show."""
    order: float = 0.0
    """How far ``equal`` is along one axis from what the same colours would have by chance, 1 at most; 0 for noise."""
    shaded: bool = False
    """Whether it was drawn texel by texel though it is no pixel art: small, in hard steps, with too many colours or
    too few areas of one. A sharp net makes specks and cells of such texels."""


def detect_pixel_art(pixels: Pixels, *, alpha: bool) -> PixelArt:
    """Tell whether a texture is pixel art.

    Args:
        pixels: (H, W, C), C from 1 to 4, 8 or 16 bits; straight alpha last when ``alpha`` is set.
        alpha: whether the last channel is opacity; what it hides does not count.
    """
    height, width, _ = pixels.shape
    if max(height, width) > MAX_SIDE:
        return PixelArt(is_pixel_art=False, reason="too large")
    codes = _codes(pixels, alpha=alpha)
    visible = codes.view(np.uint8).reshape(height, width, 4)[..., 3] > 0
    seen, counts = np.unique(codes[visible], return_counts=True)
    if len(counts) < 1 or (len(counts) == 1 and visible.all()):
        return PixelArt(is_pixel_art=False, reason="one colour", colours=len(counts))
    return _judged(_measured(codes, visible, seen, counts), max(height, width))


def _codes(pixels: Pixels, *, alpha: bool) -> Codes:
    """Return RGBA of 8 bits as one number each, black where nothing shows."""
    values = pixels if pixels.dtype == np.uint8 else pixels >> 8
    has_alpha = values.shape[2] in (2, 4)
    full = np.full((*values.shape[:2], 4), 255, np.uint8)
    full[..., :3] = values[..., :-1] if has_alpha else values  # grey fills all three
    codes: Codes = full.view(np.uint32)[..., 0]
    if alpha and has_alpha:
        full[..., 3] = values[..., -1]
        codes[full[..., 3] == 0] = 0
    return codes


def _colours_of(codes: Codes) -> Colours:
    """Return the channels of colours."""
    return codes[..., None].view(np.uint8).astype(np.int16)


def _measured(codes: Codes, visible: Mask, seen: Codes, counts: NDArray[np.intp]) -> PixelArt:
    """Return the facts, without a verdict, about colours of which those that are visible occur so often each."""
    colours, is_whole = _colours_of(codes), bool(visible.all())
    even = _with_even_levels(colours) if _has_even_levels(seen) else colours
    both = [_steps(even, visible, axis) for axis in (0, 1)]
    steps = np.concatenate(both)
    unequal = steps[steps > 0]
    equal = 1.0 - len(unequal) / max(len(steps), 1)
    return PixelArt(
        is_pixel_art=False,
        reason="",
        colours=len(counts),
        texels_each=round(float(counts.sum() / len(counts)), 2),
        equal=round(equal, 3),
        step=float(np.median(unequal)) if len(unequal) else 0.0,
        soft=round(float(np.count_nonzero(unequal <= SOFT_STEP) / len(unequal)), 3) if len(unequal) else 0.0,
        ramp=round(_ramp(colours, visible), 3),
        lone=round(_lone(codes, visible), 3),
        cut_out=not is_whole,
        order=round(max(_order(steps, counts) for steps in both), 3),
    )


def _has_even_levels(seen: Codes) -> bool:
    """Tell whether all colours that are seen are of 3, 3 and 2 bits."""
    if len(seen) > COLOURS_332:
        return False
    colours = _colours_of(seen)
    return all(np.isin(colours[..., channel], levels).all() for channel, levels in enumerate(LEVELS_332))


def _with_even_levels(colours: Colours) -> Colours:
    """Return colours of 3, 3 and 2 bits with levels ``SOFT_STEP`` apart.

    A photograph that is stored so has steps of 36 and 85, yet its neighbours are no more than one level apart.
    """
    even = colours.copy()
    for channel, levels in enumerate(LEVELS_332):
        even[..., channel] = SOFT_STEP * np.searchsorted(levels, colours[..., channel])
    return even


def _order(steps: NDArray[np.int16], counts: NDArray[np.intp]) -> float:
    """Return how far the share of equal neighbours is from chance, given how often each colour occurs."""
    by_chance = float(((counts / counts.sum()) ** 2).sum())
    if by_chance == 1 or not len(steps):
        return 1.0 if by_chance == 1 else 0.0
    equal = np.count_nonzero(steps == 0) / len(steps)
    return float(min(1.0, abs(equal - by_chance) / (1 - by_chance)))


def _steps(colours: Colours, visible: Mask, axis: int) -> NDArray[np.int16]:
    """Return the differences of visible neighbours along an axis, in their most different channel."""
    rows, shown = colours.swapaxes(axis, 0), visible.swapaxes(axis, 0)
    changes = np.abs(rows[1:] - rows[:-1])
    steps: NDArray[np.int16] = over_channels(np.maximum, changes)[shown[1:] & shown[:-1]]
    return steps


def _ramp(colours: Colours, visible: Mask) -> float:
    red, green, blue = (colours[..., k].astype(np.int32) for k in range(3))
    luma = 77 * red + 150 * green + 29 * blue
    between = stepping = 0
    for axis in (0, 1):
        rows, shown = luma.swapaxes(axis, 0), visible.swapaxes(axis, 0)
        rises, falls = rows[1:] > rows[:-1], rows[1:] < rows[:-1]
        steps = rises | falls
        seen = shown[2:] & shown[1:-1] & shown[:-2]
        between += int(np.count_nonzero(((rises[1:] & rises[:-1]) | (falls[1:] & falls[:-1])) & seen))
        stepping += int(np.count_nonzero((steps[1:] | steps[:-1]) & seen))
    return float(between / max(stepping, 1))


def _lone(codes: NDArray[np.uint32], visible: Mask) -> float:
    has_twin = np.zeros(codes.shape, np.bool_)
    for axis in (0, 1):
        rows, found = codes.swapaxes(axis, 0), has_twin.swapaxes(axis, 0)
        same = rows[1:] == rows[:-1]
        found[1:] |= same
        found[:-1] |= same
    return float(1 - np.count_nonzero(has_twin & visible) / np.count_nonzero(visible))


def _judged(facts: PixelArt, side: int) -> PixelArt:
    """Return the facts with a verdict; the first bound that is missed is the reason."""
    is_few = facts.colours <= FEW
    has_pairs = facts.colours > 1
    is_shape = is_few and facts.cut_out  # drawn by its outline, whatever lies within
    equal, ramp, lone = (FEW_EQUAL, FEW_RAMP, FEW_LONE) if is_few else (MIN_EQUAL, MAX_RAMP, MAX_LONE)
    missed = {
        "many colours": facts.colours > MAX_COLOURS or (has_pairs and facts.texels_each < MIN_TEXELS_EACH),
        "hardly any areas of one colour": has_pairs and not is_shape and facts.equal < equal,
        "steps are soft": not is_few and (facts.step < MIN_STEP or facts.soft > MAX_SOFT),
        "colours pass over into each other": facts.ramp > ramp,
        "speckled": has_pairs and facts.lone > lone,
        "colours lie by chance": not is_shape and facts.equal < SPARSE_EQUAL and facts.order < MIN_ORDER,
        "large, and not clearly drawn texel by texel": side > SMALL_SIDE and not _is_clear(facts),
    }
    reason = next((words for words, is_missed in missed.items() if is_missed), "")
    has_hard_steps = has_pairs and facts.step >= MIN_STEP and facts.soft <= MAX_SHADED_SOFT
    return replace(
        facts,
        is_pixel_art=not reason,
        reason=reason or "few colours in hard steps",
        shaded=bool(reason) and side <= SMALL_SIDE and has_hard_steps,
    )


def _is_clear(facts: PixelArt) -> bool:
    return facts.equal >= CLEAR_EQUAL and facts.ramp <= CLEAR_RAMP and facts.colours <= CLEAR_COLOURS
