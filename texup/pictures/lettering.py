"""Text on pictures, in the one font that Pillow carries, so that a sheet looks the same everywhere."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

INK, FAINT, PAPER = (34, 34, 34), (110, 110, 110), (255, 255, 255)

# The font has ASCII and little else; what a name may well hold is written in the letters that it has.
_SPELLED = {0x3B1: "alpha", 0xD7: "x", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0xDF: "ss"}


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own scalable font at a height of ``size`` pixels."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # a size asks for the scalable one
    return found


def line_height(size: int) -> int:
    """Return the pixels from one line to the next."""
    return round(size * 1.35)


def spelled(text: str) -> str:
    """Return ``text`` in letters that the font has: accents dropped, "?" for all else that it lacks."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    kept = (c for c in plain if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c in "…·" else "?" for c in kept)


def text_width(text: str, size: int) -> int:
    """Return the pixels that one line of text takes, rounded up."""
    return int(-(-font(size).getlength(spelled(text)) // 1))


def fitted(text: str, size: int, width: int) -> str:
    """Return one line of text, its end replaced by "…" where it is wider than ``width`` pixels."""
    text = spelled(text)
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    *,
    anchor: str = "la",
    ink: tuple[int, int, int] = INK,
) -> None:
    """Write one line at a point; ``anchor`` is Pillow's: horizontal l, m, r and vertical a, m, s."""
    draw.text(at, spelled(text), fill=ink, font=font(size), anchor=anchor)
