"""Damaged and hostile pictures: a picture that is right, or a refusal in one line; never a silent loss."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import time
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.errors import TextureError, UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.codecs.files import decode, encode
from texup.textures.texture import Container, Texture

LIMIT = 1 << 20
PATIENCE = 60.0  # seconds; the slowest here takes 2
KINDS = ("bit", "byte", "zeros", "deleted", "doubled", "noise")


def outcome_of(data: bytes, name: str, good: Texture) -> str:
    """Decode a damaged file; return "refused", "same" or "other"."""
    try:
        found = decode(data, name, LIMIT)
    except (UnreadableTexture, UnsupportedTexture) as error:
        return "refused" if str(error).startswith(f"{name}: ") and "\n" not in str(error) else f"says {error}"
    assert found.pixels.size
    assert found.pixels.dtype in (np.uint8, np.uint16)
    equal = found.pixels.dtype == good.pixels.dtype and np.array_equal(found.pixels, good.pixels)
    return "same" if equal else "other"


def damaged(data: bytes, kind: str, dice: np.random.Generator) -> bytes:
    """Return a file with one fault somewhere."""
    spoiled, at, length = bytearray(data), int(dice.integers(len(data))), int(dice.integers(1, 64))
    if kind == "bit":
        spoiled[at] ^= 1 << int(dice.integers(8))
    elif kind == "byte":
        spoiled[at] = int(dice.integers(256))
    elif kind == "zeros":
        spoiled[at : at + length] = bytes(len(spoiled[at : at + length]))
    elif kind == "deleted":
        del spoiled[at : at + length]
    elif kind == "doubled":
        spoiled[at:at] = spoiled[at : at + length]
    else:
        spoiled[at : at + length] = dice.bytes(len(spoiled[at : at + length]))
    return bytes(spoiled)


def tried(sound: dict[str, bytes], count: int, seed: int) -> Counter[str]:
    """Damage files ``count`` times; return how often each outcome was seen, by format and kind."""
    dice, names = np.random.default_rng(seed), sorted(sound)
    good = {name: decode(data, name, LIMIT) for name, data in sound.items()}
    seen: Counter[str] = Counter()
    while sum(seen.values()) < count:
        name, kind = names[dice.integers(len(names))], KINDS[dice.integers(len(KINDS))]
        data = damaged(sound[name], kind, dice)
        if data != sound[name]:
            seen[f"{Path(name).suffix[1:]} {kind} {outcome_of(data, name, good[name])}"] += 1
    return seen


def check_damage(seen: Counter[str]) -> None:
    """PNG has checksums: whatever is hit is told. The others have none, but where bytes are missing they tell too."""
    assert not [what for what in seen if what.startswith("png") and what.endswith("other")]
    assert {what.split(maxsplit=2)[2] for what in seen} == {"refused", "same", "other"}


def test_p07_damage_to_any_byte_is_told_or_harmless(sound):
    check_damage(tried(sound, 600, 1))


@pytest.mark.slow
def test_p07_damage_to_any_byte_is_told_or_harmless_long(sound, capsys):
    seen = tried(sound, 30_000, 2)
    check_damage(seen)
    with capsys.disabled():
        print(json.dumps(dict(sorted(seen.items()))))


def boundaries(data: bytes) -> list[int]:
    """Return where the parts of a PNG begin and end; of others, every place of the header and some behind it."""
    cuts, at = set(range(0, min(len(data), 160), 3)), 8
    while data.startswith(b"\x89PNG") and at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        cuts |= {at, at + 4, at + 8, end - 4, end - 1}
        at = end
    return sorted(cuts | set(range(160, len(data), max(1, len(data) // 40))) | set(range(len(data) - 30, len(data))))


def test_p07_a_truncated_file_is_never_a_whole_picture(sound):
    seen: Counter[str] = Counter()
    for name, data in sound.items():
        good = decode(data, name, LIMIT)
        seen.update(f"{Path(name).suffix} {outcome_of(data[:cut], name, good)}" for cut in boundaries(data) if cut >= 0)
    assert seen.total() > 5000
    assert not [what for what in seen if what.endswith("other")]
    # What is behind the pixels may be missing: a footer of TGA, the last padding of BMP, smaller levels of DDS, which
    # are made anew.
    assert {what for what in seen if what.endswith("same")} == {".tga same", ".bmp same", ".dds same"}


def test_p06_zero_bytes_and_zeroed_files_are_refused(sound):
    for name, data in sound.items():
        for spoiled in (b"", bytes(len(data)), bytes(10), data[:1]):
            with pytest.raises(TextureError):
                decode(spoiled, name, LIMIT)


def chunks_of(data: bytes) -> list[tuple[int, int]]:
    """Return where each chunk of a PNG begins and ends."""
    found, at = [], 8
    while at < len(data):
        found.append((at, at + 12 + int.from_bytes(data[at : at + 4], "big")))
        at = found[-1][1]
    return found


def test_p07_a_wrong_checksum_is_reported_wherever_it_is(sound):
    for name, data in sound.items():
        if name.endswith(".png"):
            for start, end in chunks_of(data):
                with pytest.raises(UnreadableTexture, match="checksum of its chunk") as told:
                    decode(data[: end - 1] + bytes([data[end - 1] ^ 1]) + data[end:], name, LIMIT)
                assert data[start + 4 : start + 8].decode() in str(told.value)


ROWS = bytes(40 * 31)  # of 10 x 40 pixels of 24 bits


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (zlib.compress(ROWS)[:-4] + b"\0\0\0\1", "its compressed pixels make no sense"),
        (zlib.compress(ROWS)[:-4], "the end of its compressed pixels is missing"),
        (zlib.compress(ROWS)[:-1], "the end of its compressed pixels is missing"),
        (zlib.compress(ROWS[:-1]), "its last scanlines are missing"),
        (zlib.compress(ROWS + b"\0"), "more scanlines than its header says"),
        (zlib.compress(ROWS * 2), "more scanlines than its header says"),
        (zlib.compress(ROWS[:-31] + b"\5" + bytes(30)), "damaged PNG"),
        (b"", "its last scanlines are missing"),
        (ROWS, "damaged PNG"),
    ],
)
def test_p07_pixels_behind_right_checksums_are_checked_too(make_png, rows, said):
    for pieces in (1, 7):
        with pytest.raises(UnreadableTexture, match=said):
            decode(make_png(10, 40, 8, 2, rows=rows, pieces=pieces), "a.png", LIMIT)
    assert decode(make_png(10, 40, 8, 2, rows=zlib.compress(ROWS), pieces=7), "a.png", LIMIT).pixels.shape == (
        40,
        10,
        3,
    )


def test_p07_a_header_that_lies_about_the_size_is_found_out(make_png):
    rows = zlib.compress(ROWS)
    lies = (
        (10, 39, 8, 2),
        (10, 41, 8, 2),
        (9, 40, 8, 2),
        (11, 40, 8, 2),
        (10, 40, 16, 2),
        (10, 40, 8, 6),
        (10, 40, 8, 2, 1),
    )
    for lie in lies:
        with pytest.raises(UnreadableTexture):
            decode(make_png(*lie, rows=rows), "a.png", LIMIT)


def test_p07_missing_pixels_of_a_jpeg_are_found_before_a_sound_end(sound):
    for name in ("grey.jpg", "baseline.jpg", "restarts.jpg", "progressive.jpg", "turned.jpg"):
        data, good = sound[name], decode(sound[name], name, LIMIT)
        start = data.index(b"\xff\xda") + 2 + data[data.index(b"\xff\xda") + 3]
        scans = {m.start() for m in re.finditer(b"\xff[\xc4\xda]", data)} if name == "progressive.jpg" else set()
        for cut in range(start, len(data) - 2):
            if not scans & {cut, cut - 1, cut + 1}:  # between whole scans it is a coarser picture, and no fault
                assert outcome_of(data[:cut] + b"\xff\xd9", name, good) == "refused", (name, cut)
    tall = data.replace(struct.pack(">HH", 21, 26), struct.pack(">HH", 60, 26))
    assert tall != data
    with pytest.raises(UnreadableTexture, match="some of its pixels are missing"):
        decode(tall, "a.jpg", LIMIT)


def test_p07_a_gap_in_the_pixels_of_a_tga_is_not_filled_from_its_footer(sound):
    for name in ("1.tga", "3.tga", "4.tga", "5551.tga", "indexed.tga"):
        data = sound[name]
        for gap in range(1, 27):
            with pytest.raises(UnreadableTexture):
                decode(data[:300] + data[300 + gap :], name, LIMIT)


def test_p07_16_bits_are_never_cut_to_8(sound):
    for colour in (0, 2, 4, 6):
        for name in (f"{colour}-16.png", f"{colour}-16-interlaced.png"):
            pixels = decode(sound[name], name, LIMIT).pixels
            assert pixels.dtype == np.uint16
            assert len(np.unique(pixels)) > 256
            again = decode(encode(Texture(pixels, Container("png", bits=16))), name, LIMIT)
            assert np.array_equal(again.pixels, pixels)


def deflated(megabytes: int) -> bytes:
    """Return zeros, a lot of them, deflated: one block again and again, so that nobody has to wait for zlib."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * (megabytes - 1) + b"\x03\x00" + zlib.adler32(bytes(megabytes)).to_bytes(4, "big")


def scans(data: bytes, count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes ``count`` times."""
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


@pytest.fixture
def bombs(sound, make_png, make_chunk) -> dict[str, tuple[bytes, str | None]]:
    """Files that ask for far more than they are, and what is said of each; None where the picture is sound."""
    cycle = b"II*\0\x08\0\0\0\xff\xff" + b"\x12\1\3\0\1\0\0\0\1\0\0\0" * 9 + b"\x08\0\0\0"
    row, gigabyte = zlib.compress(ROWS), deflated(1 << 10)
    jpeg = sound["baseline.jpg"].replace(struct.pack(">HH", 21, 26), struct.pack(">HH", 65500, 65500))
    dds, bmp, tga = (bytearray(sound[name]) for name in ("bc7.dds", "3.bmp", "3-rle.tga"))
    struct.pack_into("<II", dds, 12, 1 << 30, 1 << 30)
    struct.pack_into("<ii", bmp, 18, 1 << 30, 1 << 30)
    struct.pack_into("<HH", tga, 12, 65535, 65535)
    lossless = b"VP8L" + struct.pack("<IBI", 6, 0x2F, (16382 << 14) | 16382) + b"\0"
    limit, short = "is more than the limit of", "too short for"
    text = b"a\0\0" + gigabyte

    def with_chunks(*chunks):
        return make_png(10, 40, 8, 2, rows=row, before=b"".join(make_chunk(*chunk) for chunk in chunks))

    return {
        "header.png": (make_png(1 << 30, 1 << 30, 8, 6, rows=row), limit),
        "honest.png": (make_png(60000, 60000, 1, 0, rows=deflated(430)), limit),
        "ratio.png": (make_png(10, 40, 8, 2, rows=gigabyte), "more scanlines than its header says"),
        "tall.png": (make_png(1, 1 << 20, 16, 6, rows=gigabyte), "more scanlines than its header says"),
        "text.png": (with_chunks((b"zTXt", text)), None),
        "profile.png": (with_chunks((b"iCCP", text)), None),
        "exif.png": (with_chunks((b"eXIf", cycle)), None),
        "words.png": (with_chunks(*[(b"tEXt", b"a\0b")] * 100_000), None),
        "pieces.png": (make_png(10, 40, 8, 2, rows=row, before=make_chunk(b"IDAT", b"") * 100_000), None),
        "length.png": (make_png(10, 40, 8, 2, before=b"\x7f\xff\xff\xfftEXt"), "truncated"),
        "length2.png": (make_png(10, 40, 8, 2, before=b"\xff\xff\xff\xfftEXt"), "truncated"),
        "header.jpg": (jpeg, limit),
        "scans.jpg": (scans(sound["progressive.jpg"], 5000), "more than 200 scans"),
        "segments.jpg": (b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000, "damaged before its pixels"),
        "fill.jpg": (b"\xff\xd8" + b"\xff" * 10_000_000, "damaged before its pixels"),
        "lossless.webp": (b"RIFF" + struct.pack("<I", 4 + len(lossless)) + b"WEBP" + lossless, limit),
        "header.dds": (bytes(dds), limit),
        "header.bmp": (bytes(bmp), limit),
        "header.tga": (bytes(tga), limit),
        "short.tga": (struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 1000, 1000, 32, 8) + b"\xff", short),
    }  # fmt: skip


def test_p15_bombs_of_all_kinds_cost_neither_memory_nor_time(bombs, decoders):
    for name, (data, said) in bombs.items():
        began = time.monotonic()
        if said is None:
            assert decoders.decode(data, name, LIMIT).pixels.shape == (40, 10, 3), name
        else:
            with pytest.raises(TextureError, match=said):
                decoders.decode(data, name, LIMIT)
        assert time.monotonic() - began < PATIENCE, name
    for process in decoders._all:
        status = Path(f"/proc/{process._popen.pid}/status")
        if status.exists():
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            assert int(peak.split()[1]) < 300 << 10, "kilobytes"


def test_p07_what_follows_a_picture_or_hides_in_it_changes_nothing(sound):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("evil.py", "boom")
    for name, data in sound.items():
        if not name.endswith(("webp", "tga")):
            good = decode(data, name, LIMIT)
            assert outcome_of(data + packed.getvalue(), name, good) == "same", name


def animated(format_: str, wall) -> bytes:
    frames, file = [Image.fromarray(wall(8, 8, seed=k)) for k in range(3)], io.BytesIO()
    frames[0].save(file, format_, save_all=True, append_images=frames[1:], lossless=True)
    return file.getvalue()


@pytest.fixture
def zoo(tmp_path, sound, bombs, wall) -> tuple[Path, dict[str, str]]:
    """A pack of three sound textures among everything hostile, and what has to be said of each of the others."""
    pack = tmp_path / "pack"
    pack.mkdir()
    said = {name: text for name, (_, text) in bombs.items() if text}
    for name, (data, text) in bombs.items():
        if text:
            (pack / name).write_bytes(data)
    for name in ("2-8.png", "4-rle.tga", "lossless.webp"):
        (pack / f"sound-{name}").write_bytes(sound[name])
    spoiled = {
        "animated.png": (animated("PNG", wall), "an animated PNG"),
        "animated.webp": (animated("WEBP", wall), "an animated WebP"),
        "gif.png": (animated("GIF", wall), "wrong extension, the content is GIF"),
        "jpeg.png": (sound["baseline.jpg"], "wrong extension, the content is JPEG"),
        "png.dds": (sound["2-8.png"], "wrong extension, the content is PNG"),
        "zip.bmp": (b"PK\3\4" + bytes(99), "wrong extension, the content is zip"),
        "script.png": (b"#!/bin/sh\n", "the content is no picture"),
        "empty.webp": (b"", "the file is empty"),
        "cut.jpg": (sound["baseline.jpg"][:-9], "truncated"),
    }
    for name, (data, text) in spoiled.items():
        (pack / name).write_bytes(data)
        said[name] = text
    cube = pack_header(DdsHeader(8, 8, format_flags=4, fourcc=b"DXT1", caps2=0xFE00))
    volume = pack_header(DdsHeader(8, 8, flags=0x801007, depth=4, format_flags=4, fourcc=b"DXT1", caps2=0x200000))
    for name, data in {"cube.dds": cube, "volume.dds": volume}.items():
        (pack / name).write_bytes(data + bytes(32 * 6))
    os.mkfifo(pack / "pipe.png")
    (pack / "zero.png").symlink_to("/dev/zero")
    (pack / "loop.png").symlink_to("loop.png")
    (pack / "folder.png").mkdir()
    with (pack / "giant.png").open("wb") as file:
        file.write(sound["2-8.png"])
        file.truncate(1 << 40)
    said |= {
        "pipe.png": "neither a file nor a folder",
        "zero.png": "a link",
        "loop.png": "a link",
        "giant.png": "larger than 1024 MiB",
    }
    return pack, said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_p06_one_bad_file_never_stops_the_pack(zoo, tmp_path, texup, weights):
    pack, said = zoo
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--gate", "off", "--json")
    assert result.code == 3
    failures = {failure["path"]: failure["reason"] for failure in result.json["failures"]}
    assert failures.keys() == said.keys()
    for path, reason in failures.items():
        assert said[path] in reason
        assert f"failed: {path}: " in result.err
    assert len(result.err.splitlines()) == len(said) + 1
    assert result.json["counts"] == {"upscaled": 3, "copied": 2, "failed": len(said)}
    for name in [path.name for path in pack.iterdir() if not path.name.startswith("sound")]:
        (pack / name).rmdir() if (pack / name).is_dir() else (pack / name).unlink()
    assert texup("upscale", pack, "-o", tmp_path / "alone", "--model", weights).code == 0
    for path in (tmp_path / "alone").glob("sound*"):
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
