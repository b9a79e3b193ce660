"""Which convention a pack is taken for: by most of its names, confirmed by folders, and ``plain`` when in doubt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.conventions.detection import detect
from texup.conventions.plain import PLAIN
from texup.conventions.table import CONVENTIONS, convention_by_id
from texup.errors import UnreadableTexture, UsageError
from texup.packs.opening import folders_of, open_pack
from texup.packs.pack import Pack
from texup.packs.walk import walk

from ..builders import pack_of
from ..contract.dumps import DUMPS

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


def pack_at(place: str, paths: list[str], texts: Mapping[str, str] | None = None) -> Pack:
    """Return a pack of names only, but for its small text files."""
    held = {path: texts[path].encode() if texts and path in texts else None for path in sorted(paths)}
    return pack_of(held, ("home", "me", *place.split("/")))


def mixed(**counts: int) -> list[str]:
    """Return so many names of each convention."""
    makers = {
        "dolphin": "tex1_64x64_{:016x}_14.png",
        "citra": "tex1_64x64_{:016X}_13.png",
        "pcsx2": "{:016x}-00005993.png",
        "gliden64": "GAME#{:08X}#0#2_all.png",
        "other": "picture {}.png",
    }
    return [makers[kind].format(0xA0B1C2D3 + k) for kind, count in counts.items() for k in range(count)]


@pytest.mark.parametrize("id_", ["beetle-psx", "citra", "dolphin", "duckstation", "gliden64", "pcsx2"])
def test_names_alone_are_enough_where_they_are_hashes(id_):
    names = [path.rpartition("/")[2] for path in DUMPS[id_].files]
    assert detect(pack_at("some folder", names)).convention.id == id_


@pytest.mark.parametrize(
    ("pack", "id_"),
    [("programmerart", "minecraft"), ("freedoom", "gzdoom"), ("librequake", "quake"), ("crawl_tiles", "plain")],
)
def test_every_real_pack_is_known(shared_packs, pack, id_):
    root = shared_packs / pack
    found = detect(open_pack(root, list(walk(root))))
    assert found.convention.id == id_, found.why


def test_the_example_pack_is_plain():
    root = ROOT / "tests" / "data" / "n64_textures"
    assert detect(open_pack(root, list(walk(root)))).convention is PLAIN


@pytest.mark.parametrize(("names", "id_"), [("dolphin", "dolphin"), ("n64_rice", "gliden64"), ("ppsspp", "ppsspp")])
def test_whole_packs_of_real_names_are_known(names, id_):
    path = SHARED / "names" / f"{names}.txt"
    if not path.is_file():
        pytest.skip(f"no real names in {path.parent}")
    lines = (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    paths = [line.split("\t")[-1] for line in lines]
    ini = "[options]\nhash = quick\n[hashes]\n"
    ini += "".join(f"{k:024x} = {p.replace('/', chr(92))}\n" for k, p in enumerate(paths, 1))
    found = detect(pack_at("downloads/a pack", paths, {"textures.ini": ini}))
    assert found.convention.id == id_, found.why


def test_one_stranger_does_not_count():
    """S2: nine Dolphin names and one that looks like Citra's."""
    assert detect(pack_at("x", mixed(dolphin=9, citra=1))).convention.id == "dolphin"
    assert detect(pack_at("x", mixed(dolphin=1, citra=9))).convention.id == "citra"


def test_dolphin_names_without_palette_are_not_citras():
    names = [f"tex1_32x32_{0xABCDEF << 24 | k:016x}_{k % 7}.png" for k in range(50)]
    assert detect(pack_at("x", names)).convention.id == "dolphin"


@pytest.mark.parametrize(("other", "id_"), [("dolphin", "dolphin"), ("citra", "citra")])
def test_hashes_of_digits_alone_follow_the_rest(other, id_):
    digits = [f"tex1_32x32_{k:016d}_6.png" for k in range(3)]
    assert detect(pack_at("x", digits + mixed(**{other: 9}))).convention.id == id_


def test_walls_with_names_like_sprites_are_no_sprites():
    walls = ["STARTAN2.png", "TROOA1.png", "COMPTALL.png", "BIGDOOR1.png"]
    assert detect(pack_at("walls", walls)).convention is PLAIN
    assert detect(pack_at("mod", [f"sprites/{name}" for name in walls])).convention.id == "gzdoom"


def test_a_tie_is_plain_and_names_both():
    found = detect(pack_at("x", mixed(dolphin=5, pcsx2=5)))
    assert found.convention is PLAIN
    assert found.why == "plain: dolphin (0.50) and pcsx2 (0.50) fit nearly as well; choose one with --format"


def test_a_mixed_pack_is_of_most_names_and_the_others_are_counted():
    found = detect(pack_at("x", mixed(gliden64=7, dolphin=3)))
    assert found.convention.id == "gliden64"
    assert found.why == "gliden64: 7 of 10 names, in home/me/x; 3 more are of dolphin"


def test_names_that_two_emulators_share_follow_the_folder():
    """PlayStation hashes of eight digits are spelt as PCSX2's hash and bits."""
    names = [f"{0x1A2B3C4D + k:x}-5e6f7081.png" for k in range(9)]
    assert detect(pack_at("Game-texture-replacements", names)).convention.id == "beetle-psx"
    assert detect(pack_at("textures/SLUS-21214/dumps", names)).convention.id == "pcsx2"


def test_too_few_names_are_plain_and_the_nearest_is_named():
    found = detect(pack_at("x", mixed(pcsx2=3, other=7)))
    assert found.convention is PLAIN
    assert found.why == "plain: no loader's names; the nearest is pcsx2, 3 of 10 names"


def test_nothing_is_plain():
    assert detect(pack_at("x", [])).why == "plain: no loader's names"
    assert detect(pack_at("x", ["notes.txt"])).convention is PLAIN


def test_the_reason_counts_the_names_and_shows_the_folder():
    names = [f"GQPE78/{folder}/{name}" for folder in ("a", "b c") for name in mixed(dolphin=4)] + ["GQPE78/x.png"]
    assert detect(pack_at("User/Load/Textures", names)).why == "dolphin: 8 of 9 names, in Load/Textures/GQPE78"


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=8))
def test_any_names_are_something(names):
    paths = {f"{name}.png" for name in names}
    found = detect(pack_at("x", sorted(paths)))
    assert found.convention in CONVENTIONS
    assert "\n" not in found.why.replace("\n", "", sum(name.count("\n") for name in names))


@pytest.mark.parametrize("id_", DUMPS)
def test_a_convention_is_found_by_its_id(id_):
    assert convention_by_id(id_).id == id_


@pytest.mark.parametrize(
    ("id_", "hint"),
    [("dolfin", "did you mean 'dolphin'?"), ("PCSX2", "did you mean 'pcsx2'?"), ("zz", "use one of dolphin, pcsx2, ")],
)
def test_an_unknown_id_is_refused_with_the_nearest(id_, hint):
    with pytest.raises(UsageError, match=f"^--format {id_}: there is no such format; ") as caught:
        convention_by_id(id_)
    assert hint in str(caught.value)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "pack" / "ui").mkdir(parents=True)
    (tmp_path / "pack" / "ui" / "a.png").write_bytes(b"0123456789")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return tmp_path / "pack"


def test_a_pack_reads_its_files_whole_or_in_part(folder):
    pack = open_pack(folder, list(walk(folder)))
    assert pack.read("ui/a.png", None) == b"0123456789"
    assert pack.read("ui/a.png", 4) == b"0123"
    assert pack.place == folders_of(folder) == folder.parts[1:]


@pytest.mark.parametrize("path", ["../secret.png", "ui/../../secret.png", "ui/b.png", "ui", "", "/etc/passwd"])
def test_a_pack_reads_nothing_else(folder, path):
    pack = open_pack(folder, list(walk(folder)))
    with pytest.raises(UnreadableTexture, match="no file of this pack"):
        pack.read(path, None)


def plant_a_link(folder):
    (folder / "ui" / "a.png").unlink()
    (folder / "ui" / "a.png").symlink_to(folder.parent / "secret.png")


def plant_a_folder_link(folder):
    (folder / "ui").rename(folder.parent / "moved")
    (folder / "ui").symlink_to(folder.parent / "moved")


def plant_a_pipe(folder):
    (folder / "ui" / "a.png").unlink()
    os.mkfifo(folder / "ui" / "a.png")


@pytest.mark.parametrize("plant", [plant_a_link, plant_a_folder_link, plant_a_pipe])
def test_what_was_put_there_since_is_not_followed(folder, plant):
    pack = open_pack(folder, list(walk(folder)))
    plant(folder)
    with pytest.raises(UnreadableTexture, match=r"^ui/a\.png: ") as caught:
        pack.read("ui/a.png", None)
    assert "\n" not in str(caught.value)


def test_a_link_of_the_pack_is_not_read(folder):
    (folder / "b.png").symlink_to(folder.parent / "secret.png")
    pack = open_pack(folder, list(walk(folder)))
    with pytest.raises(UnreadableTexture, match="no file of this pack"):
        pack.read("b.png", None)


def test_a_beetle_pack_without_its_folder_is_not_of_pcsx2():
    names = [f"{k:x}abcd{k:x}-{k + 7:x}00{k:x}.png" for k in range(16, 26)]
    found = detect(pack_of(names))
    assert found.convention.id == "beetle-psx"
