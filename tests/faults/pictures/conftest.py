"""Sound pictures of every kind that texup reads, small and with a fixed seed, to be damaged by the tests."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from texup.textures.blocks.levels import can_compress
from texup.textures.codecs.files import encode, encode_levels
from texup.textures.mips import smaller_levels
from texup.textures.texture import Container, Layout, Texture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEIGHT, WIDTH = 21, 26
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, bits, colour, interlace=0, *, rows=b"", before=b"", pieces=1) -> bytes:
    """Return a PNG of deflated ``rows``, cut into some image data chunks, with more chunks ``before`` them."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
    step = -(-len(rows) // pieces) or 1
    body = b"".join(chunk(b"IDAT", rows[k : k + step]) for k in range(0, max(1, len(rows)), step))
    return SIGNATURE + head + before + body + chunk(b"IEND", b"")


def scanlines(values: np.ndarray, bits: int) -> bytes:
    """Return the unfiltered rows of samples (H, W, C) of ``bits`` bits."""
    if bits == 16:
        packed = values.astype(">u2").view(np.uint8).reshape(len(values), -1)
    else:
        single = np.unpackbits(values.astype(np.uint8)[..., None], axis=3)[..., 8 - bits :]
        packed = np.packbits(single.reshape(len(values), -1), axis=1)
    return np.pad(packed, ((0, 0), (1, 0))).tobytes()


def drawn_png(dice, bits, colour, interlace) -> bytes:
    """Return a PNG of a colour type; some rows repeat, so that the filters of others would matter."""
    values = dice.integers(0, 1 << bits, (HEIGHT, WIDTH, CHANNELS[colour]))
    values[::3] = values[0]
    parts = [values[y::down, x::across] for x, y, across, down in PASSES] if interlace else [values]
    rows = b"".join(scanlines(part, bits) for part in parts if part.size)
    before = chunk(b"grAb", struct.pack(">ii", 3, -4))
    if colour == 3:
        before += chunk(b"PLTE", dice.bytes(3 << bits)) + chunk(b"tRNS", dice.bytes(1 << bits))
    if colour in (0, 2):
        before += chunk(b"tRNS", values[0, 0].astype(">u2").tobytes())
    return png_of(WIDTH, HEIGHT, bits, colour, interlace, rows=zlib.compress(rows), before=before, pieces=3)


def saved(pixels: np.ndarray, format_: str, **options) -> bytes:
    """Return a file that Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, format_, **options)
    return file.getvalue()


def smooth(channels: int) -> np.ndarray:
    """Draw what lossy formats can hold."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = (7 * x + 3 * y, 9 * y, 5 * x, 255 - 6 * x)
    return np.stack([np.clip(plane, 0, 255) for plane in planes[:channels]], axis=-1).astype(np.uint8)


def lossy() -> dict[str, bytes]:
    """Return JPEG and WebP of every kind."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    colour = smooth(3)
    return {
        "grey.jpg": saved(smooth(1), "JPEG", quality=90),
        "baseline.jpg": saved(colour, "JPEG", quality=90, subsampling=2),
        "progressive.jpg": saved(colour, "JPEG", progressive=True),
        "restarts.jpg": saved(colour, "JPEG", restart_marker_blocks=1),
        "turned.jpg": saved(colour, "JPEG", exif=exif),
        "lossy.webp": saved(colour, "WEBP"),
        "lossy-alpha.webp": saved(smooth(4), "WEBP"),
        "lossless.webp": saved(smooth(4), "WEBP", lossless=True),
        "turned.webp": saved(colour, "WEBP", exif=exif),
    }


def packed(dice) -> dict[str, bytes]:
    """Return TGA, BMP and DDS of every packing."""
    noise = dice.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    noise[::3] = noise[0, 0]
    palette = dice.integers(0, 256, (64, 4), dtype=np.uint8).tobytes()
    narrow = {"565": Layout(2, (0xF800, 0x7E0, 0x1F)), "5551": Layout(2, (0x7C00, 0x3E0, 0x1F, 0x8000))}
    files = {}
    for rle in (False, True):
        for channels in (1, 2, 3, 4):
            texture = Texture(noise[..., :channels].copy(), Container("tga", rle=rle, top_down=rle))
            files[f"{channels}{'-rle' * rle}.tga"] = encode(texture)
        indexed = Texture(noise, Container("tga", palette=palette, rle=rle))
        files[f"indexed{'-rle' * rle}.tga"] = encode(indexed, indexed=True)
        files[f"5551{'-rle' * rle}.tga"] = encode(Texture(noise, Container("tga", rle=rle, layout=narrow["5551"])))
    for bits in (1, 4, 8):
        files[f"grey{bits}.bmp"] = encode(Texture(noise[..., :1].copy(), Container("bmp", bits=bits)))
    for channels in (3, 4):
        files[f"{channels}.bmp"] = encode(Texture(noise[..., :channels].copy(), Container("bmp", top_down=True)))
        files[f"{channels}.dds"] = encode(Texture(noise[..., :channels].copy(), Container("dds")))
    files["indexed.bmp"] = encode(Texture(noise[..., :3].copy(), Container("bmp", palette=palette)), indexed=True)
    files["565.bmp"] = encode(Texture(noise[..., :3].copy(), Container("bmp", layout=narrow["565"])))
    files["565.dds"] = encode(Texture(noise[..., :3].copy(), Container("dds", layout=narrow["565"])))
    files["dx10.dds"] = encode(
        Texture(noise, Container("dds", layout=Layout(4, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), dxgi=28))
    )
    for block in ("bc1", "bc2", "bc3", "bc4", "bc5", "bc7"):
        channels = {"bc1": 3, "bc4": 1, "bc5": 3}.get(block, 4)
        if can_compress(block):
            whole = Texture(smooth(channels), Container("dds", block=block, mips=True))
            levels = [whole, *smaller_levels(whole, alpha="none", is_data=True, normal=None)]
            files[f"{block}.dds"] = encode_levels(levels)
    return files


@pytest.fixture(scope="session")
def sound() -> dict[str, bytes]:
    """Files by name: every colour type, depth, packing, block and coding."""
    dice = np.random.default_rng(20)
    files = {
        f"{colour}-{bits}{'-interlaced' * interlace}.png": drawn_png(dice, bits, colour, interlace)
        for colour, depths in DEPTHS.items()
        for bits in depths
        for interlace in (0, 1)
    }
    return files | lossy() | packed(dice)


@pytest.fixture(scope="session")
def make_chunk() -> Callable[[bytes, bytes], bytes]:
    """Makes a chunk of a PNG with its checksum."""
    return chunk


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    """Makes a PNG from the fields of its header and deflated rows."""
    return png_of
