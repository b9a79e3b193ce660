"""What a page shows: its data, its pictures and its numbers."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

from texup.errors import UsageError
from texup.gallery.content import Exhibit, Page, glob_of, script_of
from texup.gallery.picks import base_of, tables_of
from texup.gallery.site import DATA, INDEX, SCRIPTS, STYLE, Folder, SingleFile, address
from texup.gallery.studio import Known, Studio
from texup.gallery.words import cell_of, edges_of, gate_of, marks_of, why_of
from texup.manifest.gating import Gate, GateScores
from texup.metrics.changes import change_of, seam_of
from texup.packs.opening import open_pack
from texup.packs.walk import matches, patterns, walk
from texup.pictures.sheets import encode_png
from texup.pictures.thumbnails import thumbnail
from texup.textures.codecs.files import decode

from ..page_data import values_of

NAMES = [
    "</script><script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    "a'b`c.png",
    "\u202egnp.evil.png",
    "new\nline\t.png",
    "%2e%2e/%00.png",
    "what#now?.png",
    "[a-z]*.png",
    "\u2028\u2029.png",
    "\udcff\udcfe.png",
    "{}$()&;.png",
]


def page(*exhibits: Exhibit, **more) -> Page:
    return Page(title="pack_x4", about="pack", version="1", exhibits=exhibits, **more)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_ends_the_script_and_all_come_back(name):
    script = script_of(page(Exhibit(path=name, outcome="failed", reason=name), rules=name))
    assert script.isascii()
    assert "<" not in script
    assert script.count("\n") == 1
    assert values_of(script)["exhibits"][0]["path"] == name


def test_what_is_empty_is_left_out_but_numbers_stay():
    (one,) = values_of(script_of(page(Exhibit(path="a.png", outcome="upscaled", change=0.0))))["exhibits"]
    numbers = {"seconds": 0.0, "width": 0, "height": 0, "change": 0.0}
    assert one == {"path": "a.png", "outcome": "upscaled", "results": []} | numbers


@pytest.mark.parametrize("name", [*NAMES, "folder/[x].png", "ui/**/a.png"])
def test_a_glob_fits_its_path_and_no_other(name):
    glob = glob_of(name)
    assert matches(name, patterns([glob]))
    assert not matches(f"x{name}", patterns([glob]))
    assert not any("\ud800" <= c <= "\udfff" for c in glob)
    assert fnmatchcase("abc", glob_of("a*c")) is False


@pytest.mark.parametrize("name", NAMES)
def test_addresses_are_plain(name):
    assert not set(address(name)) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/")
    assert "%2e" not in address("%2e.png")


def test_the_change_is_that_of_what_is_seen():
    source = np.zeros((2, 2, 4), np.uint8)
    source[..., :3] = 200
    result = source.repeat(4, 0).repeat(4, 1)
    assert change_of(source, result) == 0
    result[..., :3] = 10  # under alpha 0
    assert change_of(source, result) == 0
    result[..., 3] = 255
    assert change_of(source, result) == pytest.approx((3 * 10 + 255) / 4)
    assert change_of(source, result[:7]) is None
    assert change_of(source, source[:1]) is None


def test_the_seam_is_the_step_across_the_border():
    ramp = np.arange(16, dtype=np.uint8)[:, None, None].repeat(16, 1).repeat(3, 2) * 4
    assert seam_of(ramp, (True, False)) == pytest.approx(15)
    assert seam_of(ramp, (False, True)) == 0
    assert seam_of(ramp, (False, False)) is None
    assert seam_of(ramp[:1], (True, False)) is None


@pytest.mark.parametrize("channels", [1, 3])
def test_a_seam_is_the_same_with_and_without_an_opaque_alpha(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, channels), np.uint8)
    opaque = np.concatenate((pixels, np.full((12, 9, 1), 255, np.uint8)), axis=2)
    assert seam_of(pixels, (True, True)) == pytest.approx(seam_of(opaque, (True, True)), abs=0.002)


def test_words_bear_any_manifest():
    assert why_of({}) == ""
    assert why_of({"kind": 3, "method": [], "alpha": {}, "edges": 1, "art": "x", "grain": float("nan")}) == ""
    assert why_of({"rule": 2, "kind": "mask", "grain": 0.5}) == "rule 2; a mask: channels apart; grain of 0.5"
    assert edges_of({"edges": ["wrap", "clamp"]}) == "clamp,wrap"
    assert edges_of({"edges": ["wrap"]}) == ""


@pytest.mark.parametrize(
    ("cells", "frame"),
    [
        ({"unit": "texels", "across": 32, "down": 32}, (32, 32)),
        ({"unit": "count", "across": 1, "down": 4}, (32, 32)),
        ({"unit": "count", "across": 1, "down": 1}, None),
        ({"unit": "texels", "across": 5, "down": 5}, None),
        ({"unit": "texels", "across": 0, "down": -1}, None),
        ({"unit": "texels", "across": "1", "down": 1}, None),
        ("islands", None),
    ],
)
def test_frames_of_a_strip(cells, frame):
    assert cell_of({"cells": cells}, 32, 128) == frame


def test_a_rule_keeps_what_a_pick_does_not_set(tmp_path):
    rules = tmp_path / "texup.toml"
    rules.write_text('[[rule]]\nmatch = "a"\nwhen = {max_side = 9}\nmethod = "nearest"\nedges = "wrap"\n')
    tables = tables_of(rules)
    assert base_of(tables, 1) == {"edges": "wrap"}
    assert base_of(tables, 2) == base_of(tables, None) == base_of((), 1) == {}


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "wall.png").write_bytes(encode_png(wall(16, 24)))
    alpha = np.dstack([wall(8, 8), np.full((8, 8), 255)]).astype(np.uint8)
    alpha[:4, :, 3] = 0
    (folder / "cut.png").write_bytes(encode_png(alpha))
    return folder


def studio_of(page_folder: Path, pack: Path, known: Known | None = None) -> tuple[Studio, list[str]]:
    asked: list[str] = []

    def count(data, name, most):
        asked.append(name)
        return decode(data, name, most)

    return Studio(Folder(page_folder, [pack]), count, known), asked


def test_pictures_are_made_once(tmp_path, pack):
    folder = tmp_path / "page"
    for calls in (2, 0):
        known = Known(folder / "known.json")
        studio, asked = studio_of(folder, pack, known)
        opened = {name: studio.open(open_pack(pack, list(walk(pack))), pack, name) for name in ("wall.png", "cut.png")}
        shown = {name: (studio.show(one), studio.thumb(one)) for name, one in opened.items()}
        numbers = studio.numbers(opened["wall.png"], opened["wall.png"], (True, True))
        assert len(asked) == calls
        assert (shown["wall.png"][0].width, shown["wall.png"][0].height, shown["wall.png"][0].colour) == (24, 16, "")
        assert numbers[0] == 0
        known.save()
    for one, thumb in shown.values():
        assert all((folder / url).is_file() for url in (one.url, thumb))
    colour = decode((folder / shown["cut.png"][0].colour).read_bytes(), "c.png").pixels
    assert colour.shape == (8, 8, 3)
    assert colour[:4].any(), "what lies under alpha 0"


def test_a_picture_that_a_power_cut_emptied_is_made_again_and_old_ones_go(tmp_path):
    names = [f"{k:024d}.png" for k in range(3)]
    for shown in (names[:2], names[1:]):
        site = Folder(tmp_path / "page", [])
        for name in shown:
            site.put(name, b"picture")
        (site.folder / "pictures" / "mine.png").write_bytes(b"of somebody else")
        site.finish(page())
        (site.folder / "pictures" / names[1]).write_bytes(b"")
        assert site.has(names[1]) == ""
    assert sorted(path.name for path in (site.folder / "pictures").iterdir()) == [*names[1:], "mine.png"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"sizes": {"a": 1}, "numbers": {}}', '{"sizes":{},"numbers":{"a":[NaN,1]}}']
)
def test_what_is_known_is_forgotten_where_it_makes_no_sense(tmp_path, text):
    (tmp_path / "known.json").write_text(text)
    known = Known(tmp_path / "known.json")
    assert (known.sizes, known.numbers) == ({}, {})


def test_a_file_below_the_page_is_shown_where_it_lies(tmp_path, pack):
    studio, _ = studio_of(tmp_path, pack)
    (pack / "odd #?.png").write_bytes((pack / "wall.png").read_bytes())
    opened = studio.open(open_pack(pack, list(walk(pack))), pack, "odd #?.png")
    assert studio.show(opened).url == "pack/odd%20%23%3F.png"


def test_links_are_not_followed(tmp_path, pack):
    (tmp_path / "secret.png").write_bytes(b"secret")
    (pack / "link.png").symlink_to(tmp_path / "secret.png")
    studio, _ = studio_of(tmp_path / "page", pack)
    with pytest.raises(Exception, match="no file of this pack"):
        studio.open(open_pack(pack, list(walk(pack))), pack, "link.png")


def test_large_pictures_are_reduced_on_the_page(tmp_path, pack, monkeypatch):
    monkeypatch.setattr("texup.bounds.PAGE_PIXELS", 100)
    studio, _ = studio_of(tmp_path / "page", pack)
    shown = studio.show(studio.open(open_pack(pack, list(walk(pack))), pack, "wall.png"))
    assert (shown.width, shown.height) == (24, 16)
    assert decode((tmp_path / "page" / shown.url).read_bytes(), "a.png").pixels.shape == (8, 12, 3)


def test_a_page_is_written_whole_and_again(tmp_path):
    folder = Folder(tmp_path / "page", [])
    for _ in range(2):
        index = folder.finish(page())
        assert sorted(path.name for path in index.parent.iterdir()) == sorted([INDEX, DATA, STYLE, *SCRIPTS])
    text = index.read_text()
    assert all(f'src="{name}"' in text for name in (DATA, *SCRIPTS))
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("kind", [Folder, SingleFile])
def test_no_page_among_the_files_of_a_pack(tmp_path, pack, kind):
    (tmp_path / "link").symlink_to(pack)
    for place in (pack / "page", pack, tmp_path / "link" / "page"):
        with pytest.raises(UsageError, match="lies in the pack"):
            kind(place, [pack])


def test_a_page_of_others_is_not_replaced(tmp_path):
    (tmp_path / INDEX).write_text("<!doctype html>\n<p>mine")
    for make in (lambda: Folder(tmp_path, []), lambda: SingleFile(tmp_path / INDEX, [])):
        with pytest.raises(UsageError, match="no page of texup"):
            make()


def test_one_file_holds_everything(tmp_path):
    site = SingleFile(tmp_path / "page.html", [])
    url = site.put(f"{'0' * 24}.png", b"picture")
    assert url == "data:image/png;base64,cGljdHVyZQ=="
    text = site.finish(page(Exhibit(path=NAMES[0], outcome="failed"))).read_text()
    assert text.count("<script>") == text.count("</script>") == 1 + len(SCRIPTS)
    assert "src=" not in text.replace("src = ", "").replace(".src=", "").split("<script>")[0]
    assert 'href="style' not in text


def test_one_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("texup.bounds.PAGE_SINGLE", 1000)
    site = SingleFile(tmp_path / "page.html", [])
    with pytest.raises(UsageError, match="choose fewer textures with --include"):
        site.put(f"{'0' * 24}.png", bytes(1000))
    with pytest.raises(UsageError, match="leave out --single-file"):
        SingleFile(tmp_path / "page.html", []).finish(page())
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_thumbnails_of_all_channels(channels):
    for side in (4, 200):
        picture = decode(thumbnail(np.full((side, side * 2, channels), 99, np.uint8), 96), "t.webp").pixels
        assert picture.shape[:2] == ((4, 8) if side == 4 else (48, 96))
    assert thumbnail(np.full((300, 1, channels), 99, np.uint16), 96)


def test_what_is_remembered_of_pictures_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "known.json"
    known = Known(path)
    known.sizes["a" * 64] = (8, 16, True)
    known.save()
    assert Known(path).sizes == known.sizes
    monkeypatch.setattr("texup.bounds.PAGE_KNOWN", 40)
    assert Known(path).sizes == {}


def test_a_page_says_what_the_gate_found_and_what_it_means():
    gate = Gate(scores=GateScores(strokes=12.0), wrong=["strokes"], fallback="worse", other=GateScores(strokes=14.0))
    text = gate_of(gate)
    assert text.startswith("strokes 12.00; hatching, worms or scratches")
    assert text.endswith("the other result had strokes 14.00")
    assert marks_of(gate) == ["strokes"]
    assert marks_of(Gate(fallback="better")) == ["fallback"]
    assert (gate_of(None), gate_of(Gate()), marks_of(Gate())) == ("", "no score applies", [])
