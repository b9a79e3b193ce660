"""Pictures made of pictures, for people to look at: contact sheets, and films."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texup.pictures.lettering import FAINT, INK, PAPER, fitted, line_height, write
from texup.textures.codecs.files import encode
from texup.textures.storing import in_bytes
from texup.textures.texture import Container, Pixels, Texture

Bytes = NDArray[np.uint8]

MARGIN, GAP = 16, 12  # pixels around a sheet, and between its cells
LETTERS, LETTERS_SHARE = 13, 24  # least height of letters, and the part of a cell that they are; titles are 2 higher
SQUARE = 8  # side of a square of the chequerboard that shows through alpha
LIGHT, DARK = 200, 172


def contact_sheet(
    rows: Sequence[Sequence[Pixels]],
    *,
    columns: Sequence[str],
    captions: Sequence[Sequence[str]] | None = None,
    cell: int = 256,
) -> Bytes:
    """Lay pictures out as a table on white; return it as (H, W, 3).

    A picture (H, W, C), C = 1 to 4, 8 or 16 bits, is enlarged by the largest whole factor that fits ``cell``, every
    pixel to a square of its own, or else reduced to fit. It stands in the middle of a cell ``cell`` wide and as high as
    the row's highest picture. A row may be shorter than ``columns``, the titles on top; "" leaves a title out.

    Args:
        rows: pictures of any sizes.
        columns: a title for each column.
        captions: text below each picture, of as many lines as it has; too long lines end in "…".
        cell: side in pixels.

    Raises:
        ValueError: a row is longer than ``columns``, or the captions are not as many as the pictures.
    """
    if any(len(row) > len(columns) for row in rows):
        raise ValueError("a row has more pictures than there are columns")
    if captions is not None and [len(row) for row in rows] != [len(row) for row in captions]:
        raise ValueError("not as many captions as pictures")
    shown = [[_shown(picture, cell) for picture in row] for row in rows]
    words = [[text.splitlines() for text in row] for row in captions or [[""] * len(row) for row in rows]]
    heights = [max((picture.shape[0] for picture in row), default=0) for row in shown]
    lines = [max((len(text) for text in row), default=0) for row in words]
    size = max(LETTERS, cell // LETTERS_SHARE)
    title = line_height(size + 2) + GAP // 2 if any(columns) else 0
    below = [line_height(size) * count + (GAP if count else 0) for count in lines]

    width = 2 * MARGIN + len(columns) * (cell + GAP) - (GAP if columns else 0)
    height = 2 * MARGIN + title + sum(h + b + GAP for h, b in zip(heights, below, strict=True)) - (GAP if rows else 0)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, text in enumerate(columns):
        _write_centred(draw, text, (k, MARGIN), cell, size + 2, FAINT)
    top = MARGIN + title
    for pictures, texts, h, b in zip(shown, words, heights, below, strict=True):
        for k, (picture, caption) in enumerate(zip(pictures, texts, strict=True)):
            x, y = (cell - picture.shape[1]) // 2, (h - picture.shape[0]) // 2
            sheet.paste(Image.fromarray(picture), (_left(k, cell) + x, top + y))
            for n, text in enumerate(caption):
                _write_centred(draw, text, (k, top + h + GAP // 2 + n * line_height(size)), cell, size, INK)
        top += h + b + GAP
    return np.array(sheet)


def _left(column: int, cell: int) -> int:
    return MARGIN + column * (cell + GAP)


def _write_centred(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], cell: int, size: int, ink: tuple[int, int, int]
) -> None:
    """Write a line in the middle of a column at (column, top)."""
    column, top = at
    write(draw, (_left(column, cell) + cell / 2, top), fitted(text, size, cell), size, anchor="ma", ink=ink)


def _shown(pixels: Pixels, cell: int) -> Bytes:
    """Return a picture as (h, w, 3), in whole steps as large as fits a square of ``cell``, or reduced into it."""
    picture = in_bytes(pixels)
    h, w, channels = picture.shape
    factor = cell // max(h, w)
    if factor:
        picture = picture.repeat(factor, 0).repeat(factor, 1)
    else:
        size = max(1, w * cell // max(h, w)), max(1, h * cell // max(h, w))
        image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
        # Pillow weighs colours by alpha here; of its filters this is the sharpest that draws no halos
        picture = np.array(image.resize(size, Image.Resampling.HAMMING)).reshape(size[1], size[0], channels)
    return _on_squares(picture)


def _on_squares(picture: Bytes) -> Bytes:
    """Return (h, w, C) as RGB, alpha shown over a chequerboard."""
    h, w, channels = picture.shape
    colour: Bytes = np.ascontiguousarray(np.broadcast_to(picture[..., : 3 if channels > 2 else 1], (h, w, 3)))
    if channels in (1, 3):
        return colour
    y, x = np.mgrid[:h, :w] // SQUARE
    squares = np.where((x + y) % 2, DARK, LIGHT)[..., None]
    alpha = picture[..., -1:] / 255
    return np.rint(colour * alpha + squares * (1 - alpha)).astype(np.uint8)


def encode_png(pixels: Pixels) -> bytes:
    """Return the bytes of a PNG of pixels (H, W, C)."""
    return encode(Texture(pixels, Container("png", 8 * pixels.dtype.itemsize)))


def encode_film(frames: Sequence[Pixels], milliseconds: int) -> bytes:
    """Return an animated WebP without loss that shows each frame (H, W, C) for ``milliseconds`` and begins anew.

    Alpha is shown over a chequerboard. Equal frames in a row are stored as one that is shown longer.

    Raises:
        ValueError: no frames, or frames of different shapes.
    """
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError("a film needs frames, all of one shape")
    first, *others = (Image.fromarray(_on_squares(in_bytes(frame))) for frame in frames)
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0, lossless=True)
    return file.getvalue()
