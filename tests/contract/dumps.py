"""A dump and the canonical names of every convention: what the contract of conventions is tried on.

A new convention adds one entry to :data:`DUMPS`; the contract fails until it does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from texup.textures.codecs.dds_header import DdsHeader, pack_header

from ..builders import encoded

Names = st.SearchStrategy[str]


@dataclass(frozen=True, kw_only=True)
class Dump:
    """What one loader's users begin with."""

    place: str
    """Folders that a user finds it in."""
    files: dict[str, bytes]
    """Textures as the program wrote them, and what usually lies beside; some are no textures of the program."""
    names: Names
    """Paths whose bare names are spelt as the loader spells them."""


def art(width: int, height: int, *alphas: int, format_="png", seed=0) -> bytes:
    """Return grainy colour; with stripes of alpha for each of ``alphas``, without alpha for none."""
    pixels = np.random.default_rng(seed).integers(40, 220, (height, width, 3), np.uint8)
    if alphas:
        stripes = np.array(alphas, np.uint8)[np.arange(width) * len(alphas) // width]
        pixels = np.dstack((pixels, np.broadcast_to(stripes, (height, width))))
    return encoded(pixels, format_)


def grey(width: int, height: int) -> bytes:
    """Return an intensity, which stands in all four channels."""
    return encoded(np.random.default_rng(1).integers(0, 256, (height, width, 1), np.uint8).repeat(4, axis=2))


def block_dds(width: int, height: int) -> bytes:
    """Return an opaque BC1 texture with all its levels."""
    mips = max(width, height).bit_length()
    header = DdsHeader(width, height, 0xA1007, mips=mips, format_flags=4, fourcc=b"DXT1", caps=0x401008)
    sizes = [(max(1, width >> k), max(1, height >> k)) for k in range(mips)]
    blocks = np.random.default_rng(2).integers(0, 256, (sum(-(-w // 4) * -(-h // 4) for w, h in sizes), 8), np.uint8)
    blocks[:, 1] |= 0x80  # the first colour stands above the second: such blocks have no clear texels
    blocks[:, 3] &= 0x7F
    return pack_header(header) + blocks.tobytes()


def hexadecimal(digits: int, *, letters="abcdef") -> Names:
    return st.text("0123456789" + letters, min_size=digits, max_size=digits)


# Dolphin


@st.composite
def dolphin_names(draw) -> str:
    side, name = st.integers(1, 4096), hexadecimal(16) | st.just("$")
    palette = draw(st.just("") | name.map("_{}".format))
    size = f"{draw(side)}x{draw(side)}{draw(st.sampled_from(('', '_m')))}"
    form = draw(st.sampled_from(["0", "1", "2", "3", "4", "5", "6", "8", "9", "10", "14"]))
    end = draw(st.sampled_from(("", "_arb"))) + draw(st.just("") | st.integers(1, 12).map("_mip{}".format))
    folder, ext = draw(st.sampled_from(("", "UI/", "a b/{c}/"))), draw(st.sampled_from(("png", "dds")))
    return f"{folder}tex1_{size}_{draw(name)}{palette}_{form}{end}.{ext}"


DOLPHIN = Dump(
    place="User/Dump/Textures/GALE01",
    files={
        "tex1_64x32_00112233445566aa_14.png": art(64, 32),
        "tex1_16x16_m_00112233445566bb_6.png": art(16, 16, 0, 90, 180, 255),
        "tex1_16x16_m_00112233445566bb_6_mip1.png": art(8, 8, 0, 90, 180, 255),
        "tex1_16x16_m_00112233445566cc_14_arb.png": art(16, 16),
        "tex1_16x16_m_00112233445566cc_14_arb_mip1.png": art(8, 8, seed=5),
        "tex1_64x64_00112233445566dd_fedcba9876543210_9.png": art(64, 64, 0, 255),
        "tex1_32x32_00112233445566ee_0.png": grey(32, 32),
        "UI/tex1_8x8_00112233445566ff_$_8.png": art(8, 8, seed=3),
        "efb1_n000001_640x528.png": art(64, 52),
        "notes.txt": b"by hand",
        "tex1_64x64_00112233445566dd_fedcba9876543210_9 old.png": art(64, 64),
    },
    names=dolphin_names(),
)

# PCSX2


@st.composite
def pcsx2_names(draw) -> str:
    name = st.text("0123456789abcdef", min_size=1, max_size=16)
    palette = draw(st.just("") | name.map("-{}".format))
    side = st.integers(1, 4096)
    region = draw(st.just("") | st.builds("-r{}x{}".format, side, side))
    ends = draw(st.sampled_from(["", "-mip3"])) + draw(st.sampled_from([".png", ".dds"]))
    return f"{draw(name)}{palette}{region}-{draw(st.integers(0, 2**32 - 1)):08x}{ends}"


PCSX2 = Dump(
    place="emulators/textures/SLUS-21214/dumps",
    files={
        "a12c6273bb2704a5-9cc5a928efa767d0-00005993.png": art(64, 64, 128),
        "789110728129f4-d565036946364224-000061d4.png": art(128, 256, 0, 128),
        "36fcd419707a35cf-3b0f5ac99a2574db-00006653.png": art(64, 64, *range(0, 129, 8)),
        "0123456789abcdef-00001dc0.png": art(32, 64, *range(0, 201, 10)),
        "0123456789abcdef-fedcba9876543210-r128x64-00005993.png": art(128, 64, 128, seed=4),
        "a12c6273bb2704a5-9cc5a928efa767d0-00005993-mip1.png": art(32, 32, 128),
        "16359c5c8834848d-d565036946364224-000061d4 (1).png": art(16, 16, 0, 128),
    },
    names=pcsx2_names(),
)

# The Nintendo 64

ROM = "SUPER MARIO 64"
RICE_KINDS = ("all", "rgb", "a", "ci", "ciByRGBA", "allciByRGBA")
HEX8 = hexadecimal(8, letters="ABCDEF")
RICE_FILES = st.tuples(
    st.text(st.characters(exclude_characters="#/\\", exclude_categories=()), min_size=1, max_size=20),
    st.one_of(
        st.tuples(HEX8, st.sampled_from("01234"), st.sampled_from("0123"), st.none() | HEX8 | st.just("$")),
        st.tuples(st.just("$"), st.sampled_from("01234"), st.sampled_from("0123"), HEX8),
    ),
    st.sampled_from(RICE_KINDS),
    st.sampled_from(["png", "bmp"]),
)
"""Name of the game, the parts of the key, ending and suffix of a file that Rice's names spell."""


def rice_name(file: tuple[str, tuple[str | None, ...], str, str]) -> str:
    rom, key, kind, ext = file
    return "#".join((rom, *(part for part in key if part is not None))) + f"_{kind}.{ext}"


HALVES = {
    f"{ROM}#0A1B2C40#0#3_rgb.png": art(32, 32),
    f"{ROM}#0A1B2C40#0#3_a.png": art(32, 32, seed=6),
}
RICE_TEXTURES = {
    f"{ROM}#0A1B2C3D#0#2_all.png": art(32, 32, 0, 255),
    f"{ROM}#0A1B2C3E#2#1#2DC66F47_ciByRGBA.png": art(16, 16, 0, 255),
    f"{ROM}#0A1B2C3F#3#1_all.png": art(32, 32, *range(0, 256, 16)),
    **HALVES,
    f"{ROM}#0A1B2C41#4#1_rgb.png": art(16, 16),
    f"{ROM}#0A1B2C42#2#1_ci.bmp": art(16, 16, format_="bmp"),
    f"{ROM}#0A1B2C43#0#2_a.png": art(32, 32),
    f"{ROM}#0a1b2c44#0#2_all.png": art(32, 32, 255),
    f"{ROM}#0A1B2C45#2#1#$_ciByRGBA.png": art(16, 16, 0, 255, seed=7),
    "readme.txt": b"by hand",
}
GLIDEN64 = Dump(
    place=f"user/texture_dump/{ROM}/GLideNHQ",
    files=RICE_TEXTURES,
    names=st.builds("{}{}".format, st.sampled_from(("", "some/folder/")), RICE_FILES.map(rice_name)),
)
RICE = Dump(place=f"user/texture_dump/{ROM}/png_all", files=RICE_TEXTURES, names=GLIDEN64.names)
RT64 = Dump(
    place="mods/my pack",
    files={
        "rt64.json": json.dumps(
            {
                "configuration": {"autoPath": "rice"},
                "textures": [
                    {"hashes": {"rt64": "0001d0556bc980b5"}, "path": path} for path in ("rt64\\e56f.png", "ui/logo", "")
                ],
            }
        ).encode(),
        "rt64/e56f.png": art(16, 16),
        "ui/logo.png": art(32, 16, 0, 255),
        f"Stage/{ROM}#0A1B2C3D#0#2_all.png": art(32, 32, 0, 255),
        **{f"Stage/{path}": data for path, data in HALVES.items()},
        "cover.jpg": art(16, 16, format_="jpeg"),
    },
    names=st.builds("GAME#{}#{}#{}_all.png".format, HEX8, st.sampled_from("01234"), st.sampled_from("0123")),
)

# PPSSPP

PPSSPP = Dump(
    place="memstick/PSP/TEXTURES/ULUS10000",
    files={
        "textures.ini": (
            b"\xef\xbb\xbf[options]\r\nversion = 1\r\nhash = xxh64   # strong\r\nignoreMipmap = true\r\n[hashes]\r\n"
            b"0000000000000000ecaaece3 = MS\\A\\a_1.png\r\n099bf1c000000909 =\r\n"
        ),
        "MS/A/a_1.png": art(32, 32),
        "new/08d3961000000909ba70b2af.png": art(32, 32, 0, 255),
        "new/08d3961000000909ba70b2af_1.png": art(16, 16, 0, 255),
        "loose/readme.png": art(16, 16),
    },
    names=st.builds(
        "{}{}{}.{}".format,
        st.sampled_from(["", "new/", "a/b/"]),
        hexadecimal(24),
        st.just("") | st.integers(1, 99).map("_{}".format),
        st.sampled_from(["png", "dds", "ktx2", "zim"]),
    ),
)

# The PlayStation

HEX16 = hexadecimal(16, letters="ABCDEF")
NUMBER = st.integers(0, 1024).map(str)
RECTANGLE = st.builds("{}x{}-{}-{}-{}x{}".format, *[NUMBER] * 6)
PALETTED = st.builds(
    "{}-{}-{}-{}-{}-P{}-{}.{}".format,
    st.sampled_from(["texupload", "texpage"]),
    st.sampled_from(["P4", "P8", "STP4", "STP8"]),
    HEX16,
    HEX16,
    RECTANGLE,
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(["png", "JPG", "webp"]),
)
DIRECT = st.builds(
    "{}-{}-{}-{}.png".format,
    st.sampled_from(["texupload", "texpage"]),
    st.sampled_from(["C16", "STC16"]),
    HEX16,
    RECTANGLE,
)
DUCKSTATION = Dump(
    place="user/textures/SLUS-00067",
    files={
        "dumps/texupload-P8-F5F3557223CD3F4A-EAFB5B4F0E007E25-128x256-0-0-256x112-P0-255.png": art(256, 112, 255),
        "dumps/texpage-P4-A11813EA8B413CE2-E9C11EE79B72F5C0-64x256-128-32-64x64-P0-15.png": art(64, 64, 0, 255),
        "dumps/texupload-STP4-AAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBB-64x256-0-192-64x64-P0-14.png": art(64, 64, 0, 128, 255),
        "dumps/vram-write-0123456789ABCDEF0123456789ABCDEF.png": art(64, 32),
        "config.yaml": b"DumpFullTexturePages: true\n# kept\n",
    },
    names=st.builds(
        "{}{}".format,
        st.sampled_from(["", "menus/"]),
        PALETTED | DIRECT | st.builds("vram-write-{}{}.webp".format, HEX16, HEX16),
    ),
)
SHORT_HEX = st.integers(0, 2**32 - 1).map("{:x}".format)
BEETLE_PSX = Dump(
    place="player/Chrono Cross (USA) (Disc 1)-texture-dump",
    files={
        "1a2b3c4d-5e6f7a8b.png": art(16, 16, 0, 127, 255),
        "f00dcafe-0.png": art(16, 16, 255),
        "1a2b3c4d-missing.png": art(16, 16, 255),
        "ABCDE-00FF.png": art(16, 16, 0, 255),
        "cover.png": art(16, 16),
        "readme.txt": b"by hand",
    },
    names=st.builds(
        "{}{}-{}.{}".format,
        st.sampled_from(["", "a/"]),
        SHORT_HEX,
        SHORT_HEX | st.just("missing"),
        st.sampled_from(["png", "dds", "jpeg", "tga"]),
    ),
)

# The Nintendo 3DS


@st.composite
def citra_names(draw) -> str:
    size = f"{2 ** draw(st.integers(3, 10))}x{2 ** draw(st.integers(3, 10))}"
    level = draw(st.just("") | st.integers(0, 9).map("_mip{}".format))
    end = draw(st.sampled_from(("", ".norm"))) + draw(st.sampled_from((".png", ".dds", ".ktx")))
    folder = draw(st.sampled_from(("", "UI/", "a b/c/")))
    return f"{folder}tex1_{size}_{draw(HEX16)}_{draw(st.integers(0, 13))}{level}{end}"


CITRA = Dump(
    place="citra-emu/dump/textures/0004000000030800",
    files={
        "tex1_64x64_F305C9338867CC37_13_mip0.png": art(64, 64, 0, 255),
        "tex1_32x32_0A4B083BF0B35A78_13_mip1.png": art(32, 32, 0, 255),
        "tex1_128x128_083287DDE382AE8F_13_mip0.png": art(128, 128, 255),
        "tex1_128x128_083287DDE382AE8F_13_mip0.norm.png": encoded(
            np.broadcast_to(np.array([128, 128, 255, 255], np.uint8), (128, 128, 4))
        ),
        "pack.json": b'{"options": {"skip_mipmap": false, "flip_png_files": true, "use_new_hash": true}}',
    },
    names=citra_names(),
)

# Games

BLOCKS = "assets/minecraft/textures/block/"
MINECRAFT = Dump(
    place="resourcepacks/faithful",
    files={
        "pack.mcmeta": b'{"pack": {"pack_format": 34, "description": "test"}}',
        "pack.png": art(64, 64),
        f"{BLOCKS}stone.png": art(16, 16),
        f"{BLOCKS}fire_0.png": art(16, 512),
        f"{BLOCKS}fire_0.png.mcmeta": b'{"animation": {"frames": [16, 17, 0]}}',
        f"{BLOCKS}sea.png": art(32, 64),
        f"{BLOCKS}sea.png.mcmeta": b'{"animation": {"width": 32, "height": 16, "frametime": 2}}',
        f"{BLOCKS}leaves.png": art(16, 16, 0, 255),
        f"{BLOCKS}stone_n.png": encoded(np.broadcast_to(np.array([128, 128, 255, 255], np.uint8), (16, 16, 4))),
        f"{BLOCKS}stone_s.png": art(16, 16, 0, 255, seed=8),
        "assets/minecraft/textures/colormap/grass.png": art(64, 64),
        "assets/minecraft/textures/entity/chest/ender.png": art(64, 64, seed=9),
        "assets/minecraft/optifine/anim/ender.png": art(16, 48, seed=10),
        "assets/minecraft/optifine/anim/ender.properties": (
            b"from=./ender.png\nto=textures/entity/chest/ender.png\nx=8\ny=8\nw=16\nh=16\nduration=2"
        ),
        "assets/minecraft/lang/x.json": b"{}",
    },
    names=st.builds(
        "assets/{}/textures/{}/{}".format,
        st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True),
        st.from_regex(r"[a-z0-9_/.-]{0,20}", fullmatch=True),
        st.from_regex(r"[a-z0-9_.-]{1,12}(_n|_s|_e)?\.(png|PNG)", fullmatch=True),
    ),
)
GZDOOM = Dump(
    place="mods/mine",
    files={
        "sprites/TROOA1.png": art(41, 57, 0, 255),
        "textures/STARTAN2.png": art(64, 64),
        "flats/FLOOR4_8.png": art(64, 64, seed=9),
        "graphics/TITLEPIC.png": art(64, 40),
        "sprites/readme.txt": b"by hand",
    },
    names=st.builds(
        "{}/{}".format,
        st.sampled_from(["flats", "graphics", "hires", "patches", "sprites", "textures"]),
        st.from_regex(r"[A-Za-z0-9_\[\]\\^-]{1,8}\.(png|PNG|tga)", fullmatch=True),
    ),
)
STEM = st.text(st.characters(exclude_characters="/*\n", exclude_categories=("Cs",)), min_size=1, max_size=12)
QUAKE = Dump(
    place="quake/id1",
    files={
        "textures/#lava1.tga": art(16, 16, format_="tga"),
        "textures/wall.tga": art(32, 32, format_="tga"),
        "textures/wall_luma.tga": art(32, 32, format_="tga", seed=1),
        "textures/{fence.tga": art(16, 16, 0, 255, format_="tga"),
        "gfx/sky1.tga": art(64, 32, format_="tga"),
        "scripts/a.shader": b"by hand",
    },
    names=st.builds("textures/e1m1/{}.{}".format, STEM, st.sampled_from(["tga", "png", "jpg", "TGA"])),
)
BETHESDA = Dump(
    place="mods/Sword",
    files={
        "textures/armor/iron_sword.dds": block_dds(32, 16),
        "textures/armor/iron_sword_n.dds": block_dds(32, 16),
        "textures/armor/body_msn.dds": block_dds(16, 16),
        "textures/armor/cube_e.dds": block_dds(16, 16),
        "meshes/armor/iron_sword.nif": b"by hand",
    },
    names=st.builds("textures/{}.{}".format, STEM, st.sampled_from(["dds", "tga", "DDS"])),
)
PLAIN = Dump(
    place="pictures/mine",
    files={
        "stone.png": art(16, 16),
        "stone_normal.png": encoded(np.broadcast_to(np.array([128, 128, 255], np.uint8), (16, 16, 3))),
        "b/C.TGA": art(8, 8, 0, 255, format_="tga"),
        "b/d.e.webp": art(8, 8, format_="webp"),
        "b/#f.bmp": art(8, 8, format_="bmp"),
        "b/notes.txt": b"by hand",
    },
    names=st.builds("a/{}.png".format, STEM),
)

DUMPS: dict[str, Dump] = {
    "dolphin": DOLPHIN,
    "pcsx2": PCSX2,
    "gliden64": GLIDEN64,
    "rice": RICE,
    "rt64": RT64,
    "ppsspp": PPSSPP,
    "duckstation": DUCKSTATION,
    "minecraft": MINECRAFT,
    "gzdoom": GZDOOM,
    "citra": CITRA,
    "beetle-psx": BEETLE_PSX,
    "quake": QUAKE,
    "bethesda": BETHESDA,
    "plain": PLAIN,
}
"""By the id of the convention."""
