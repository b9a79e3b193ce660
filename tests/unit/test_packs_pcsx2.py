"""texup.conventions.pcsx2.plan: names, the plan of a dump, alpha whose 128 is opaque, and the loader's rules."""

from __future__ import annotations

import re
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.conventions.convention import Planned
from texup.conventions.pcsx2.names import read_bits
from texup.conventions.pcsx2.plan import PCSX2
from texup.textures.blocks.levels import can_compress
from texup.textures.codecs.dds import encode_levels
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.codecs.files import decode, encode
from texup.textures.mips import smaller_levels
from texup.textures.storing import convert_storage
from texup.textures.texture import Container, Texture

from ..builders import pack_of, plans_of

NAMES = Path(__file__).parents[3] / "shared" / "data" / "names"
laws = settings(deadline=None, derandomize=True)
PLACE = ("home", "emulators", "textures", "SLUS-21214", "dumps")
HOME = "textures/SLUS-21214/replacements/"
DUMP = (
    "a12c6273bb2704a5-9cc5a928efa767d0-00005993.png",
    "789110728129f4-d565036946364224-000061d4.png",
    "36fcd419707a35cf-3b0f5ac99a2574db-00006653.png",
    "0123456789abcdef-00001dc0.png",
    "0123456789abcdef-fedcba9876543210-r128x64-00005993.png",
    "a12c6273bb2704a5-9cc5a928efa767d0-00005993-mip1.png",
    "16359c5c8834848d-d565036946364224-000061d4 (1).png",
)
A, B = "a12c6273bb2704a5-00005993", "b12c6273bb2704a5-00005993"


def planned(files, place=PLACE, **wishes):
    return plans_of(PCSX2, pack_of(files, place), **wishes)


def targets(files, place=PLACE, **wishes) -> list[str]:
    return [plan.target for plan in planned(files, place, **wishes)[0].values() if plan.target]


def checked(files, place=(*PLACE[:-1], "replacements")) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in PCSX2.check(pack_of(files, place))]


@pytest.mark.parametrize(
    ("name", "psm", "native"),
    [
        ("a12c6273bb2704a5-9cc5a928efa767d0-00005993.png", 0x13, (64, 64)),
        ("789110728129f4-d565036946364224-000061d4.png", 0x14, (128, 256)),
        ("36fcd419707a35cf-3b0f5ac99a2574db-00006653.png", 0x13, (512, 512)),
        ("0123456789abcdef-00005dd3.png", 0x13, (128, 128)),
        ("0123456789abcdef-00006294.dds", 0x14, (1024, 256)),
        ("0123456789abcdef-fedcba9876543210-r128x64-00005993.png", 0x13, (128, 64)),
    ],
)
def test_the_last_number_says_the_storage_format_and_the_size(name, psm, native):
    found = PCSX2.parse(f"sub/{name}")
    assert (read_bits(int(found.fields["bits"], 16)).psm, found.native) == (psm, native)


def test_the_region_of_older_versions_says_no_size():
    name = PCSX2.parse("0123456789abcdef-fedcba9876543210-r8040302010-00005993.png")
    assert (name.native, PCSX2.format(name)) == (None, "0123456789abcdef-fedcba9876543210-r8040302010-00005993.png")


@pytest.mark.parametrize(
    "name", ["readme.txt", "stone.png", f"{A} (1).png", f"{A}.tga", f"{A}.old.png", "00005993.png", f"{A}-mip0.png"]
)
def test_other_names_are_not_its_own(name):
    assert PCSX2.parse(name) is None


def test_names_quoted_from_a_real_dump_are_kept_byte_for_byte():
    notes = NAMES / "other_formats.txt"
    if not notes.is_file():
        pytest.skip(f"no real names in {notes.parent}")
    rows = re.findall(r"^([0-9a-f]+-[0-9a-f]+-[0-9a-f]{8})   (\d+)x(\d+)$", notes.read_text(), re.MULTILINE)
    names = [PCSX2.parse(f"{stem}.png") for stem, _, _ in rows]
    assert len(names) == 6
    assert [PCSX2.format(name) for name in names] == [f"{stem}.png" for stem, _, _ in rows]
    assert [name.native for name in names] == [(int(width), int(height)) for _, width, height in rows]


def test_a_dump_becomes_replacements():
    plans, findings = planned(DUMP)
    assert [plan.target for plan in plans.values()] == [*(HOME + name for name in DUMP[:5]), "", ""]
    assert {plan.treatment.store for plan in list(plans.values())[:5]} == {"rgba"}
    assert not any(plan.reason for plan in list(plans.values())[:5])
    assert "mip levels" in plans[DUMP[5]].reason
    assert [(finding.severity, finding.path) for finding in findings] == [("warning", DUMP[6])]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (f"{A.upper()}.PNG", f"{A}.png"),
        (f"{A}.png.png", f"{A}.png"),
        (f"{A}.dds.png", f"{A}.png"),
        ("a12c6273bb2704a5-5993.png", f"{A}.png"),
    ],
)
def test_what_the_loader_reads_all_the_same_is_written_its_own_way_with_a_note(name, canonical):
    plans, _ = planned([name])
    assert (plans[name].target, canonical in plans[name].reason) == (HOME + canonical, True)


def test_a_second_spelling_of_one_texture_is_left_out():
    plans, _ = planned([f"{A.upper()}.png", f"{A}.png", f"sub/{A}.dds"])
    assert [plan.action for plan in plans.values()] == ["skip", "upscale", "skip"]
    assert f"{A}.png" in plans[f"{A.upper()}.png"].reason


def test_a_replacement_goes_before_the_dump_of_its_texture():
    plans, _ = planned([f"dumps/{A}.png", f"dumps/{B}.png", f"replacements/ui/{A}.png"], PLACE[:-1])
    assert [plan.target for plan in plans.values()] == ["", f"{HOME}{B}.png", f"{HOME}ui/{A}.png"]


def test_textures_that_differ_in_the_unused_bit_are_one_texture():
    assert PCSX2.lookup(f"{HOME}ab-000061d4.png") == PCSX2.lookup(f"{HOME}sub/ab-000021d4.dds")
    assert PCSX2.lookup(f"{HOME}ab-000061d4.png") != PCSX2.lookup(f"{HOME}ab-000061d3.png")


@pytest.mark.parametrize(
    ("place", "path", "target"),
    [
        (PLACE, f"ui/{A}.png", f"{HOME}ui/{A}.png"),
        ((*PLACE, "ui"), f"{A}.png", f"{HOME}ui/{A}.png"),
        (("x", "textures"), f"SCES-50000/dumps/{A}.png", f"textures/SCES-50000/replacements/{A}.png"),
        (("x",), f"Textures/homebrew/Dumps/{A}.png", f"textures/homebrew/replacements/{A}.png"),
        (("x", "slus-21214", "old"), f"a/{A}.png", f"textures/slus-21214/replacements/a/{A}.png"),
        (("x",), f"SLUS-21214/a/{A}.png", f"{HOME}a/{A}.png"),
    ],
)
def test_the_serial_comes_from_the_folders(place, path, target):
    assert targets([path], place) == [target]


def test_without_a_serial_the_folders_own_name_is_taken_with_a_warning():
    plans, findings = planned([f"dumps/{A}.png"], ("home", "My Pack"))
    assert plans[f"dumps/{A}.png"].target == f"textures/My Pack/replacements/dumps/{A}.png"
    assert [finding.severity for finding in findings] == ["warning"]
    assert "My Pack" in findings[0].text


def test_files_that_are_no_textures_are_left_out_unless_wished():
    assert targets(["notes.txt"]) == []
    assert targets(["notes.txt"], copy_other=True) == [f"{HOME}notes.txt"]


@pytest.mark.parametrize(("wish", "store"), [("auto", "bc7"), ("bc7", "bc7"), ("bc3", "bc3")])
def test_dds_holds_its_levels(wish, store):
    plans, findings = planned([f"{A}.png"], dds=wish)
    plan = plans[f"{A}.png"]
    assert (plan.target, plan.treatment.store, plan.treatment.mips) == (f"{HOME}{A}.dds", store, "inside")
    assert not findings


def test_bc1_is_refused():
    assert [finding.severity for finding in planned([f"{A}.png"], dds="bc1")[1]] == ["error"]


def test_a_size_that_fills_no_blocks_stays_png():
    name = "ab-r30x31-00005993.png"
    plans, findings = planned([name], dds="auto", scale=2)
    assert (plans[name].target, findings[0].severity) == (HOME + name, "warning")


def test_detection_counts_names_and_trusts_its_folders():
    assert PCSX2.detect(pack_of([f"{A}.png", f"{B}.png", "x.png", "notes.txt"], ("x",))) == pytest.approx(2 / 3)
    assert PCSX2.detect(pack_of([f"{A}.png"], PLACE)) == pytest.approx(1.2)
    assert PCSX2.detect(pack_of(["x.png", "tex1_8x8_0123456789abcdef_8.png"])) == 0


def texture(alpha, *, dtype=np.uint8, container=None) -> Texture:
    """Return a texture of grainy colour with ``alpha`` (H, W) as it is, or without alpha."""
    shape = (8, 8) if alpha is None else np.shape(alpha)
    full = np.iinfo(dtype).max
    colour = np.random.default_rng(3).integers(0, full, (*shape, 3)).astype(dtype)
    planes = [colour] if alpha is None else [colour, np.asarray(alpha, dtype)[..., None]]
    return Texture(np.concatenate(planes, axis=2), container or Container("png", np.dtype(dtype).itemsize * 8))


PLAN = Planned("a.png", "upscale")


def back(source: Texture) -> Texture:
    return PCSX2.from_work(PCSX2.to_work(source, PLAN), source, PLAN)


def test_every_alpha_up_to_opaque_comes_back_exactly():
    source = texture(np.arange(129)[None].repeat(2, axis=0))
    before = source.pixels.copy()
    assert PCSX2.to_work(source, PLAN).pixels[0, :, 3].tolist() == [min(255, 2 * a) for a in range(129)]
    assert np.array_equal(back(source).pixels, before)
    assert np.array_equal(source.pixels, before)


def test_alpha_beyond_128_is_worked_on_as_it_is():
    ramp = np.arange(201)[None]
    assert PCSX2.to_work(texture(ramp), PLAN).pixels[0, :, 3].tolist() == list(range(201))
    assert np.array_equal(back(texture(ramp)).pixels, texture(ramp).pixels)


@laws
@given(st.lists(st.integers(0, 255), min_size=4, max_size=4), st.lists(st.integers(0, 255), min_size=64, max_size=64))
def test_no_net_lifts_alpha_above_the_sources_maximum(levels, answer):
    source = texture(np.reshape(levels, (2, 2)))
    result = texture(np.reshape(answer, (8, 8)))
    assert PCSX2.from_work(result, source, PLAN).pixels[..., 3].max() <= max(levels)


def test_two_levels_stay_two_and_one_level_stays_one():
    answer = texture(np.arange(256).reshape(16, 16))
    snapped = PCSX2.from_work(answer, texture([[0, 128], [128, 0]]), PLAN).pixels[..., 3].ravel()
    assert (snapped == np.where(np.arange(256) >= 127, 128, 0)).all()
    for constant in (0, 77, 128, 200):
        assert (PCSX2.from_work(answer, texture([[constant] * 2] * 2), PLAN).pixels[..., 3] == constant).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_source_becomes_rgba_of_8_bits_without_palette(channels):
    pixels = np.full((4, 4, channels), 40, np.uint8)
    source = Texture(pixels, Container("png", palette=bytes(range(8))))
    result = decode(encode(convert_storage(back(source), "rgba")), "a.png")
    assert result.pixels[0, 0].tolist() == [40, 40, 40, 40 if channels in (2, 4) else 128]
    assert (result.container.palette, result.container.bits) == (None, 8)


def test_16_bits_become_8():
    source = texture([[0, 128 * 257]], dtype=np.uint16)
    assert PCSX2.to_work(source, PLAN).pixels.dtype == np.uint8
    result = back(source)
    assert (result.pixels.dtype, result.container.bits) == (np.uint8, 8)
    assert result.pixels[..., 3].tolist() == [[0, 128]]


def png_of(*, bits=8, channels=4, interlaced=False) -> bytes:
    """Return a sound PNG, or one whose header says that it is interlaced."""
    data = encode(Texture(np.full((4, 4, channels), 9, {8: np.uint8, 16: np.uint16}[bits]), Container("png", bits)))
    if not interlaced:
        return data
    head = data[12:28] + b"\1"
    return data[:12] + head + crc32(head).to_bytes(4, "big") + data[33:]


@pytest.mark.parametrize("channels", [3, 4])
def test_rgb_and_rgba_png_pass_the_check(channels):
    assert checked({f"ui/{A}.png": png_of(channels=channels)}) == []


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (png_of(channels=1), "grey"),
        (png_of(channels=2), "alpha"),
        (png_of(bits=16), "16"),
        (png_of(interlaced=True), "interlaced"),
        (b"", "empty"),
        (png_of()[:20], "damaged"),
        (b"GIF89a", "GIF"),
    ],
)
def test_png_that_the_loader_does_not_read_is_an_error(data, part):
    (found,) = checked({f"{A}.png": data})
    assert found[0] == "error"
    assert part in found[1]


def dds(width=64, height=64, *, mips=7, **fields) -> bytes:
    return pack_header(DdsHeader(width, height, mips=mips, **fields))


DX10 = {"format_flags": 4, "fourcc": b"DX10", "misc": 0, "misc2": 0}
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
DDS_FILES = {
    "bc7": (dds(**DX10, dxgi=98, dimension=3, array_size=1), None),
    "dxt5": (dds(format_flags=4, fourcc=b"DXT5"), None),
    "argb": (dds(mips=1, format_flags=0x41, bits=32, masks=MASKS), None),
    "xrgb": (dds(mips=1, format_flags=0x40, bits=32, masks=(*MASKS[:3], 0)), "warning"),
    "dxt1": (dds(format_flags=4, fourcc=b"DXT1"), "warning"),
    "no chain": (dds(mips=1, format_flags=4, fourcc=b"DXT5"), "warning"),
    "half a chain": (dds(mips=3, format_flags=4, fourcc=b"DXT5"), "warning"),
    "not in blocks": (dds(30, 30, mips=5, format_flags=4, fourcc=b"DXT5"), "error"),
    "too wide": (dds(32768, 4, mips=16, format_flags=4, fourcc=b"DXT5"), "error"),
    "array": (dds(**DX10, dxgi=98, dimension=3, array_size=2), "error"),
    "no array": (dds(**DX10, dxgi=98, dimension=3, array_size=0), "error"),
    "flat": (dds(**DX10, dxgi=98, dimension=2, array_size=1), "error"),
    "srgb": (dds(**DX10, dxgi=99, dimension=3, array_size=1), "error"),
    "cube": (dds(format_flags=4, fourcc=b"DXT5", caps2=0x200), "error"),
    "ati2": (dds(format_flags=4, fourcc=b"ATI2"), "error"),
    "565": (dds(mips=1, format_flags=0x40, bits=16, masks=(0xF800, 0x7E0, 0x1F, 0)), "error"),
}


@pytest.mark.parametrize("kind", DDS_FILES)
def test_dds_is_judged_as_the_loader_does(kind):
    data, severity = DDS_FILES[kind]
    assert [found for found, _ in checked({f"{A}.dds": data})] == ([severity] if severity else [])


def test_bc7_of_a_dump_passes_the_check_with_its_alpha_in_range():
    if not can_compress():
        pytest.skip("no encoder of BC7 here")
    source = texture(np.arange(64).reshape(8, 8) * 2 % 129)
    first = convert_storage(back(source), "bc7")
    levels = [first, *smaller_levels(first, alpha="soft", is_data=False)]
    data = encode_levels([level.pixels for level in levels], first.container)
    assert checked({f"{A}.dds": data}) == []
    assert decode(data, "a.dds").pixels[..., 3].max() <= 128 + 4  # the error of the encoder


def test_names_that_the_loader_passes_over_are_warnings():
    found = checked({"stone.png": png_of(), f"{A}-mip1.png": png_of(), f"{A}.png": png_of(), f"x/{A}.dds": dds()})
    assert [severity for severity, _ in found[:2]] == ["warning", "warning"]
    assert "one of them" in found[2][1]


def test_a_texture_outside_the_folder_of_replacements_is_a_warning():
    assert [severity for severity, _ in checked({f"{A}.png": png_of()}, ("home", "pack"))] == ["warning"]
    assert checked({f"dumps/{A}.png": png_of(bits=16)}, PLACE[:-1]) == []
