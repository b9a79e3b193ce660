"""Pictures for a page: files decoded within bounds, copies that every browser shows, thumbnails, and numbers.

A browser is never given a file of a pack unless it lies in the page's own folder and is of a kind that all of them
show; everything else is decoded by texup and written as plain PNG. What was made for a hash is not made again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from threading import Lock

from texup import bounds
from texup.errors import TextureError, UnreadableTexture
from texup.files import atomic_write
from texup.gallery.content import Shown
from texup.gallery.site import Site
from texup.metrics.changes import change_of, seam_of
from texup.packs.pack import Pack
from texup.pictures.sheets import encode_png
from texup.pictures.thumbnails import thumbnail
from texup.textures.codecs.decoders import Decode
from texup.textures.codecs.files import read_header
from texup.textures.storing import in_bytes
from texup.textures.texture import Pixels, Texture

SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
THUMB = 96  # pixels

Numbers = tuple[float | None, float | None]


@dataclass
class Opened:
    """A file of a pack that is read; its pixels are decoded when somebody asks."""

    sha256: str
    data: bytes
    path: Path
    decode: Decode
    large: Lock

    @cached_property
    def texture(self) -> Texture:
        """The decoded file.

        Raises:
            TextureError: it cannot be decoded.
        """
        head = read_header(self.data, self.path.name)
        if head.width * head.height <= bounds.PAGE_PIXELS:
            return self.decode(self.data, self.path.name, bounds.PAGE_PIXELS)
        with self.large:  # one at a time: each may take a gigabyte
            return self.decode(self.data, self.path.name, bounds.RESULT_PIXELS)


class Studio:
    """Makes what a page shows of textures, on any thread."""

    def __init__(self, site: Site, decode: Decode, known: Known | None = None) -> None:
        """Put pictures into ``site``; remember sizes and numbers in ``known``."""
        self._site, self._decode = site, decode
        self.known = known or Known()
        self._large = Lock()

    def open(self, pack: Pack, root: Path, path: str) -> Opened:
        """Read a file of a pack.

        Raises:
            TextureError: it is not there, is a link, or is too large.
        """
        data = pack.read(path, bounds.TEXTURE_BYTES + 1)
        if len(data) > bounds.TEXTURE_BYTES:
            raise UnreadableTexture(f"larger than {bounds.spelt(bounds.TEXTURE_BYTES, 'bytes')}; no texture is", path)
        return Opened(hashlib.sha256(data).hexdigest(), data, root / path, self._decode, self._large)

    def show(self, opened: Opened) -> Shown:
        """Return a file as the page shows it.

        Raises:
            TextureError: it cannot be decoded.
        """
        name, size = opened.sha256[:24], self.known.sizes.get(opened.sha256)
        direct = ""
        if PurePosixPath(opened.path.name).suffix.lower() in SHOWN_BY_BROWSERS:
            direct = self._site.direct(opened.path)
        url, colour = direct or self._site.has(f"{name}.png"), self._site.has(f"{name}c.png")
        if size is not None and url and (colour or not size[2]):
            return Shown(url=url, width=size[0], height=size[1], colour=colour)
        return self._made(name, opened.sha256, opened.texture.pixels, direct)

    def show_pixels(self, pixels: Pixels) -> Shown:
        """Return pixels that lie in no file as the page shows them."""
        digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode() + pixels.tobytes()).hexdigest()
        return self._made(digest[:24], digest, pixels, "")

    def _made(self, name: str, sha256: str, pixels: Pixels, direct: str) -> Shown:
        height, width, channels = pixels.shape
        has_alpha = channels in (2, 4) and bool((pixels[..., -1] < pixels[..., -1].max()).any() or not pixels[0, 0, -1])
        step = math.ceil(math.sqrt(height * width / bounds.PAGE_PIXELS))
        picture = in_bytes(pixels[::step, ::step])
        url = direct or self._site.has(f"{name}.png") or self._site.put(f"{name}.png", encode_png(picture))
        colour = self._site.put(f"{name}c.png", encode_png(picture[..., :-1].copy())) if has_alpha else ""
        self.known.sizes[sha256] = (width, height, has_alpha)
        return Shown(url=url, width=width, height=height, colour=colour)

    def thumb(self, opened: Opened) -> str:
        """Return the address of a file's thumbnail.

        Raises:
            TextureError: it cannot be decoded.
        """
        name = f"{opened.sha256[:24]}t.webp"
        return self._site.has(name) or self._site.put(name, thumbnail(opened.texture.pixels, THUMB))

    def thumb_of_pixels(self, pixels: Pixels) -> str:
        """Return the address of a thumbnail of pixels."""
        data = thumbnail(pixels, THUMB)
        return self._site.put(f"{hashlib.sha256(data).hexdigest()[:24]}t.webp", data)

    def numbers(self, source: Opened, result: Opened, wraps: tuple[bool, bool]) -> Numbers:
        """Return how much a result changes its source, and how well it tiles.

        Raises:
            TextureError: one of them cannot be decoded.
        """
        key = f"{source.sha256}:{result.sha256}:{wraps[0]:d}{wraps[1]:d}"
        if key not in self.known.numbers:
            pixels = result.texture.pixels
            self.known.numbers[key] = (change_of(source.texture.pixels, pixels), seam_of(pixels, wraps))
        return self.known.numbers[key]


class Known:
    """Sizes and numbers by hash, kept between calls beside the page; whatever makes no sense is forgotten."""

    def __init__(self, path: Path | None = None) -> None:
        """Read what an earlier call wrote to ``path``."""
        self._path = path
        self.sizes: dict[str, tuple[int, int, bool]] = {}
        self.numbers: dict[str, Numbers] = {}
        if path is None:
            return
        try:
            with path.open("rb") as file:
                value = json.loads(file.read(bounds.PAGE_KNOWN))
            sizes, numbers = value["sizes"], value["numbers"]
            self.sizes = {str(k): (int(w), int(h), bool(alpha)) for k, (w, h, alpha) in sizes.items()}
            self.numbers = {str(k): (_number(change), _number(seam)) for k, (change, seam) in numbers.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.sizes, self.numbers = {}, {}

    def save(self) -> None:
        """Write it for the next call."""
        if self._path is not None:
            text = json.dumps({"sizes": self.sizes, "numbers": self.numbers}, separators=(",", ":"))
            atomic_write(self._path, text.encode("ascii"))


def _number(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def problem_of(read: Callable[[], Opened]) -> tuple[Opened | None, str]:
    """Return what a reader reads, or why it cannot."""
    try:
        return read(), ""
    except TextureError as error:
        return None, error.reason
