"""Pairs of pixel art and the drawing that it stands for, from pictures with alpha as vector programs draw them.

A texel of pixel art has one of the drawing's colours, that which is typical of its square, and no mixture of two:
artists drew it so. What has no slanted line, as walls of texels, crates and noise, must stay as it is; such patches are
drawn here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from texup.degradations.palettes import fit_palette, paint
from texup.degradations.reduce import most_typical, round_8bit
from texup.training.data.degrade import Dice

CUT_OUT = 0.4  # share of patches that keep their alpha; the others lie on one colour
PLAIN_GROUND = 0.3  # share of these on black or white
FEW, FEW_COLOURS = 0.6, (6, 8, 12, 16, 32)  # share of patches stored in few colours
DIM, DIM_GAIN = 0.3, (0.35, 1.0)  # share of patches with weaker channels
INVERTED = 0.3
SQUARE = 0.4  # share of patches that are drawn of whole texels
SQUARE_COLOURS = (2, 8)
SPECKLED = 0.05  # share of the texels of some walls that have any colour


def pixel_art_pair(drawings: Tensor, scale: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return pixel art (N, 4, h, w) and its drawing (N, 4, h * scale, w * scale), straight alpha, in [0, 1].

    Args:
        drawings: (N, 4, h * scale, w * scale) in [0, 1], straight alpha.
        scale: sides of the squares of which one texel each is made.
        generator: on the CPU, the only source of chance.
    """
    dice = Dice(generator)
    hr = torch.stack([_laid(drawing, dice) for drawing in drawings])
    lr = most_typical(hr, scale)
    lr[:, 3:] = (lr[:, 3:] > 0.5).to(lr)
    for k in range(len(lr)):
        if dice.chance(SQUARE):
            lr[k] = _squares(lr.shape[2], dice).to(lr)
            hr[k] = lr[k].repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        elif dice.chance(FEW):
            lr[k, :3] = _in_few_colours(lr[k], FEW_COLOURS[dice.one_of(len(FEW_COLOURS))])
    return round_8bit(lr), hr


def _laid(drawing: Tensor, dice: Dice) -> Tensor:
    """Return a drawing (4, H, W) in other colours, as a cut-out or on a ground of one colour."""
    colour, alpha = drawing[:3], drawing[3:]
    colour = colour[torch.randperm(3, generator=dice.generator)]
    if dice.chance(INVERTED):
        colour = 1 - colour
    if not dice.chance(CUT_OUT):
        ground = torch.rand(3, 1, 1, generator=dice.generator).to(colour)
        if dice.chance(PLAIN_GROUND):
            ground = torch.full_like(ground, float(dice.chance(0.5)))
        colour, alpha = colour * alpha + ground * (1 - alpha), torch.ones_like(alpha)
    if dice.chance(DIM):
        colour = colour * dice.uniform(*DIM_GAIN, 3, colour)[:, None, None]
    return torch.cat((colour, alpha))


def _in_few_colours(texels: Tensor, colours: int) -> Tensor:
    """Return the colour (3, h, w) of texels (4, h, w) by a palette of what shows, without a dither."""
    shown = texels[:3, texels[3] > 0].T
    if not len(shown):
        return texels[:3]
    return paint(texels[None, :3], fit_palette(shown[None], colours))[0]


def _squares(side: int, dice: Dice) -> Tensor:
    """Return a drawing of whole texels (4, side, side): noise, a wall, a weave, areas or frames of few colours."""
    colours = int(dice.number(*SQUARE_COLOURS))
    palette = torch.rand(colours, 3, generator=dice.generator)
    kind = dice.one_of(5)
    noise = torch.randint(colours, (side, side), generator=dice.generator)
    if kind == 0:
        index = noise
    elif kind == 1:
        index = _wall(side, colours, dice)
        if dice.chance(0.5):
            index = torch.where(torch.rand(side, side, generator=dice.generator) < SPECKLED, noise, index)
    elif kind == 2:
        index = _repeated(side, colours, dice)
    else:
        index = _areas(side, colours, dice, filled=kind == 3)
    alpha = (index > 0).float() if dice.chance(CUT_OUT) else torch.ones(side, side)
    return torch.cat((palette[index].permute(2, 0, 1), alpha[None]))


def _wall(side: int, colours: int, dice: Dice) -> Tensor:
    """Return the colours (side, side) of bricks with joints of one texel."""
    height, width = 3 + dice.one_of(6), 4 + dice.one_of(9)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    row = y // height
    along = x + (row % 2) * (width // 2)
    bricks = 1 + (row * 7 + along // width * 3) % max(colours - 1, 1)
    return torch.where((y % height == 0) | (along % width == 0), 0, bricks)


def _repeated(side: int, colours: int, dice: Dice) -> Tensor:
    """Return the colours (side, side) of a weave, a grille or a dither: few texels, again and again."""
    tile = torch.randint(min(colours, 3), (2 + dice.one_of(6), 2 + dice.one_of(6)), generator=dice.generator)
    index = tile.repeat(side // tile.shape[0] + 1, side // tile.shape[1] + 1)[:side, :side]
    return index.T if dice.chance(0.5) else index


def _areas(side: int, colours: int, dice: Dice, *, filled: bool) -> Tensor:
    """Return the colours (side, side) of rectangles over each other, filled or as frames of one texel."""
    index = torch.zeros(side, side, dtype=torch.long)
    for _ in range(2 + dice.one_of(12)):
        top, left = dice.one_of(side), dice.one_of(side)
        bottom, right = min(top + 1 + dice.one_of(side // 2), side), min(left + 1 + dice.one_of(side // 2), side)
        area = index[top:bottom, left:right]
        inside = area[1:-1, 1:-1].clone()
        area.fill_(dice.one_of(colours))
        if not filled:
            area[1:-1, 1:-1] = inside
    return index
