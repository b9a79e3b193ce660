"""Reading of a texture's files, within the limits of this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from texup import bounds
from texup.conventions.convention import Planned
from texup.errors import DecoderDied, UnreadableTexture, UnsupportedTexture
from texup.files import read_pieces, sha256_of
from texup.textures.codecs.dds import must_copy
from texup.textures.codecs.decoders import Decode
from texup.textures.codecs.files import decode, read_header
from texup.textures.planes import with_alpha
from texup.textures.texture import Texture

# Memory that a texture takes on its way, measured with 8-bit RGBA at x4 with grain, judged by the gate: 76 for a pixel
# of the result. 16-bit RGBA without either takes 44, 8-bit RGB 33.
SOURCE_BYTES, RESULT_BYTES = 260, 80  # a pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a texture may take on its way."""

    growth: int
    """How many times as wide as its source the widest plane of a texture gets."""
    memory: int
    """Bytes that a texture and its result may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The files of one texture, read."""

    sha256: str
    """Digest of the bytes of all of them."""
    textures: Sequence[Texture]
    """As stored; more than one where the smaller levels of the source are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUpscaled:
    """A texture that is not upscaled, which only its content told."""

    action: Literal["copy", "skip", "refuse"]
    reason: str
    source_sha256: str


def read(planned: Planned, folder: Path, limits: Limits, decode: Decode = decode) -> Sources | NotUpscaled:
    """Read and decode a texture's files in ``folder``; one that kills its decoder is refused.

    Raises:
        TextureError: a file cannot be read, or its result would be too large.
    """
    paths = [planned.path, *planned.others]
    datas = [read_file(folder, path) for path in paths]
    sha256 = sources_sha256([hashlib.sha256(data).hexdigest() for data in datas])
    reason = _reason_to_copy(datas[0], planned)
    if reason is not None:
        return NotUpscaled(action="copy", reason=reason, source_sha256=sha256)
    try:
        textures = [_decoded(data, path, limits, decode) for data, path in zip(datas, paths, strict=True)]
    except DecoderDied as error:
        return NotUpscaled(action="refuse", reason=error.reason, source_sha256=sha256)
    if planned.joins == "alpha":
        textures = [_with_joined_alpha(textures, paths)]
    return Sources(sha256=sha256, textures=textures)


def read_file(pack: Path, path: str) -> bytes:
    """Return the bytes of a pack's file.

    Raises:
        TextureError: it cannot be read, or is larger than any texture.
    """
    name = path.rpartition("/")[2]
    try:
        if (pack / path).stat().st_size > bounds.TEXTURE_BYTES:
            raise UnsupportedTexture(f"larger than {bounds.TEXTURE_BYTES >> 20} MiB; no texture is", name)
        return b"".join(read_pieces(pack / path))
    except OSError as error:
        raise UnreadableTexture(f"cannot read: {error.strerror}", name) from error


def sources_sha256(digests: Sequence[str]) -> str:
    """Return the digest of a texture's files: of one file its own, of several that of their digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode("ascii")).hexdigest()


def sources_of(planned: Planned, source: Path) -> str:
    """Return the digest of a texture's files in the folder ``source``, without keeping them in memory.

    Raises:
        OSError: one cannot be read.
    """
    return sources_sha256([sha256_of(source / path) for path in (planned.path, *planned.others)])


def memory_for(height: int, width: int, growth: int) -> int:
    """Return about how many bytes a texture of a size takes on its way."""
    return height * width * (SOURCE_BYTES + RESULT_BYTES * growth**2)


def check_size(height: int, width: int, limits: Limits, name: str) -> None:
    """Refuse a texture whose result does not suit graphics cards or the memory of this machine.

    Raises:
        UnsupportedTexture: it is too large.
    """
    most, need = bounds.RESULT_PIXELS // limits.growth**2, memory_for(height, width, limits.growth)
    if width * height > most:
        raise UnsupportedTexture(f"{width} x {height} is more than the limit of {most} pixels", name)
    if need > limits.memory:
        raise UnsupportedTexture(
            f"{width} x {height} pixels take about {need / 1e9:.1f} GB of memory on their way, and"
            f" texup may use {limits.memory / 1e9:.1f} GB of what is free; close programs, or use a smaller --scale",
            name,
        )


def _decoded(data: bytes, path: str, limits: Limits, decode: Decode) -> Texture:
    """Decode a file whose header says that it may be done."""
    name = path.rpartition("/")[2]
    head = read_header(data, name)
    check_size(head.height, head.width, limits, name)
    return decode(data, name, bounds.RESULT_PIXELS // limits.growth**2)


def _with_joined_alpha(sources: Sequence[Texture], paths: Sequence[str]) -> Texture:
    """Return the first source with the red of the second as its alpha."""
    colour, alpha = sources
    if colour.pixels.shape[:2] != alpha.pixels.shape[:2]:
        sizes = [f"{texture.pixels.shape[1]} x {texture.pixels.shape[0]}" for texture in sources]
        raise UnsupportedTexture(f"is {sizes[0]}, but its alpha {paths[1]} is {sizes[1]}; make them equal")
    return with_alpha(colour, alpha)


def _reason_to_copy(data: bytes, planned: Planned) -> str | None:
    """Return why a DDS of a kind that texup cannot redo is copied, None for everything else."""
    if not planned.path.lower().endswith(".dds"):
        return None
    try:
        return must_copy(data, rewritten=not planned.treatment.store)
    except UnreadableTexture:
        return None  # decoding it says what is wrong
