"""Reading of a texture's files, within the limits of this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod
from pathlib import Path

from texup.engines.engine import Job
from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.files import read_pieces, sha256_of
from texup.textures.codecs.dds import must_copy
from texup.textures.codecs.decoders import Decode
from texup.textures.codecs.files import read_header
from texup.textures.planes import with_alpha
from texup.textures.texture import Texture
from texup.upscaling.run import Run

MAX_SOURCE_BYTES = 1 << 30
MAX_RESULT_PIXELS = 1 << 28  # 16384 x 16384, the largest texture that graphics cards take
# Memory that a texture takes on its way, measured with 16-bit RGBA at x1, x2 and x4; 8-bit RGB takes 33 for 44.
SOURCE_BYTES, RESULT_BYTES = 260, 44  # a pixel


def read_file(pack: Path, path: str) -> bytes:
    """Return the bytes of a pack's file.

    Raises:
        TextureError: it cannot be read, or is larger than any texture.
    """
    name = path.rpartition("/")[2]
    try:
        if (pack / path).stat().st_size > MAX_SOURCE_BYTES:
            raise UnsupportedTexture(f"{name}: larger than {MAX_SOURCE_BYTES >> 20} MiB; no texture is")
        return b"".join(read_pieces(pack / path))
    except OSError as error:
        raise UnreadableTexture(f"{name}: cannot read: {error.strerror}") from error


def sources_sha256(digests: Sequence[str]) -> str:
    """Return the digest of a job's sources: of one file its own, of several that of their digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode("ascii")).hexdigest()


def sources_of(job: Job) -> str:
    """Return the digest of a job's sources, without keeping them in memory.

    Raises:
        OSError: one cannot be read.
    """
    return sources_sha256([sha256_of(job.source / path) for path in (job.path, *job.planned.others)])


def _growth(run: Run) -> int:
    """Return how many times as wide as its source the widest plane of any texture gets."""
    routes = (run.route, *run.routes.values())
    return max(max(prod(p.scale for p in route.passes), route.settings.scale) for route in routes)


def memory_for(height: int, width: int, run: Run) -> int:
    """Return about how many bytes a texture of a size takes on its way."""
    return height * width * (SOURCE_BYTES + RESULT_BYTES * _growth(run) ** 2)


def decode_within_limits(data: bytes, path: str, run: Run, decode: Decode) -> Texture:
    """Decode a file whose header says that its result suits graphics cards and the memory of this machine."""
    name, most = path.rpartition("/")[2], MAX_RESULT_PIXELS // _growth(run) ** 2
    head = read_header(data, name)
    need = memory_for(head.height, head.width, run)
    if head.width * head.height <= most and need > run.memory:
        raise UnsupportedTexture(
            f"{name}: {head.width} x {head.height} pixels take about {need / 1e9:.1f} GB of memory on their way, and"
            f" texup may use {run.memory / 1e9:.1f} GB of what is free; close programs, or use a smaller --scale"
        )
    return decode(data, name, most)


def join_alpha(sources: Sequence[Texture], paths: Sequence[str]) -> Texture:
    """Return the first source with the red of the second as its alpha."""
    colour, alpha = sources
    if colour.pixels.shape[:2] != alpha.pixels.shape[:2]:
        sizes = [f"{texture.pixels.shape[1]} x {texture.pixels.shape[0]}" for texture in sources]
        raise UnsupportedTexture(f"is {sizes[0]}, but its alpha {paths[1]} is {sizes[1]}; make them equal")
    return with_alpha(colour, alpha)


def reason_to_copy(data: bytes, job: Job) -> str | None:
    """Return why a DDS of a kind that texup cannot redo is copied, None for everything else."""
    if not job.path.lower().endswith(".dds"):
        return None
    try:
        return must_copy(data, rewritten=not job.planned.treatment.store)
    except UnreadableTexture:
        return None  # decoding it says what is wrong
