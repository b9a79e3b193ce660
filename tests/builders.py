"""What tests are made of: pictures as files, packs in memory, plans of a convention, and nets that take no time.

Plain functions, so that a test says with which values it works; what takes long to make is a fixture instead. Import
them relative to the test (``from ..builders import pack_of``): tests are no installed package.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import torch
from torch import nn

from texup.conventions.convention import Convention, Planned, Wishes
from texup.errors import UnreadableTexture
from texup.models.detect import KINDS
from texup.packs.pack import Finding, Pack
from texup.packs.walk import NOT_SELECTED, Entry
from texup.textures.codecs.files import SUFFIXES, encode
from texup.textures.codecs.png import SIGNATURE
from texup.textures.texture import Container, Texture


def encoded(pixels, format_="png", **facts) -> bytes:
    """Return a file of pixels (H, W, C); ``facts`` are those of its container."""
    bits = facts.pop("bits", pixels.dtype.itemsize * 8)
    return encode(Texture(np.ascontiguousarray(pixels), Container(format_, bits=bits, **facts)))


def picture(width=4, height=4, channels=4, format_="png", *, value=0, **facts) -> bytes:
    """Return a file whose pixels all have one value."""
    return encoded(np.full((height, width, channels), value, np.uint8), format_, **facts)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its length and sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_head(width: int, height: int) -> bytes:
    """Return an RGBA PNG without pixels: enough for whoever asks for its size, and as quick for any size."""
    size = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return SIGNATURE + png_chunk(b"IHDR", size) + png_chunk(b"IDAT", zlib.compress(b""))


def pack_of(
    files: Mapping[str, bytes | None] | Iterable[str],
    place: tuple[str, ...] = ("home", "player", "pack"),
    *,
    content: bytes = b"",
    left_out: Collection[str] = (),
) -> Pack:
    """Return a pack that lies in memory.

    Args:
        files: paths with their bytes, in the order of the walk, None for what cannot be read; or paths alone.
        place: names of the folders down to the pack.
        content: the bytes of every file that is given as a path alone.
        left_out: paths that the user did not select.
    """
    held = dict(files) if isinstance(files, Mapping) else dict.fromkeys(files, content)

    def read(path: str, limit: int | None) -> bytes:
        data = held[path]
        if data is None:
            raise UnreadableTexture("cannot read", path)
        return data[:limit]

    def entry(path: str) -> Entry:
        is_texture = f".{path.rpartition('.')[2].lower()}" in SUFFIXES
        kind, selected = "texture" if is_texture else "other", path not in left_out
        reason = None if selected else NOT_SELECTED
        return Entry(path, len(held[path] or b""), kind, reason, selected=selected)

    return Pack([entry(path) for path in held], place, read)


def plans_of(convention: Convention, pack: Pack, **wishes) -> tuple[dict[str, Planned], list[Finding]]:
    """Return the plans by path, and the findings.

    It also checks what holds for every plan: one for each file, and a reason wherever a file is not upscaled or copied.
    """
    items = list(convention.plan(pack, Wishes(**wishes)))
    plans = [item for item in items if isinstance(item, Planned)]
    assert sorted(plan.path for plan in plans) == sorted(entry.path for entry in pack.entries)
    assert not [plan.path for plan in plans if not plan.reason and plan.action not in ("upscale", "copy")]
    return {plan.path: plan for plan in plans}, [item for item in items if isinstance(item, Finding)]


def said(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Return severity and path of each finding."""
    return [(finding.severity, finding.path) for finding in findings]


TINY = {
    "RRDBNet": {"num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    "SRResNet": {"num_feat": 8, "num_block": 1},
    "MSRResNet": {"num_feat": 8, "num_block": 1},
    "SRVGGNetCompact": {"num_feat": 4, "num_conv": 1},
}
"""Numbers of the smallest net of each architecture that is still one."""


def tiny_net(name="SRVGGNetCompact", *, seed=0, **hyper) -> nn.Module:
    """Return a net of random weights, always the same for one seed; ``hyper`` goes before the smallest numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return KINDS[name].net(**{**TINY[name], **hyper}).eval()
