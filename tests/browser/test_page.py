"""The page in a browser: what is seen, what keys do, and that a pick is what a run then follows."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.gallery.content import Shown
from texup.pictures.sheets import encode_png
from texup.policy.rules import load_rules
from texup.textures.codecs.files import read_texture

from ..page_data import data_of
from .conftest import until

HOSTILE = [
    "</script><script>window.hurt=1</script>.png",
    "<img src=x onerror=window.hurt=1>.png",
    '"onload="window.hurt=1.png',
    "\u202egnp.evil.png",
    "new\nline.png",
    "up%2e%2e/\u2028x.png",
    "what#now?.png",
    "[a-z]*.png",
    "\udcff.png",
    "folder/{}$&'`.png",
]


def rows(page) -> list[str]:
    return page.eval_on_selector_all(".item .words bdi:first-child", "nodes => nodes.map(node => node.textContent)")


def name(page) -> str:
    return page.inner_text("#name")


def value(page, of: str) -> str:
    return page.input_value(f"#{of}")


def colour_at(page, x: float, y: float) -> tuple[int, ...]:
    """Return the colour of the picture area at a share of its width and height."""
    with Image.open(io.BytesIO(page.locator("#panes").screenshot())) as picture:
        return picture.convert("RGB").getpixel((int(picture.width * x), int(picture.height * y)))


def drag(page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end)
    page.mouse.up()


def test_the_slider_moves_by_pointer_and_keys(opened, make_page):
    page = opened(make_page(["a.png"]))
    slider = page.locator(".slider")
    assert slider.get_attribute("aria-valuenow") == "50"
    left, right = colour_at(page, 0.45, 0.4), colour_at(page, 0.55, 0.4)
    assert (left[0], right[1]) == (250, 250)
    assert left != right
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "60"
    assert colour_at(page, 0.55, 0.4) == left
    box = page.locator(".pane").bounding_box()
    x, y = box["x"], box["y"] + 40
    drag(page, (x + 0.6 * box["width"], y), (x + 0.45 * box["width"], y))
    assert abs(int(slider.get_attribute("aria-valuenow")) - 45) <= 1
    assert colour_at(page, 0.5, 0.4) == right


def test_the_pictures_flip_while_a_key_or_a_button_is_held(opened, make_page):
    page = opened(make_page(["a.png"]))
    page.keyboard.press("f")
    result = colour_at(page, 0.5, 0.5)
    page.keyboard.down(" ")
    assert colour_at(page, 0.5, 0.5) != result
    assert page.inner_text(".tag") == "source"
    page.keyboard.up(" ")
    assert colour_at(page, 0.5, 0.5) == result
    hold = page.locator("#flip").bounding_box()
    page.mouse.move(hold["x"] + 5, hold["y"] + 5)
    page.mouse.down()
    assert page.inner_text(".tag") == "source"
    page.mouse.up()
    assert page.inner_text(".tag") == "way 1"


def test_all_panes_zoom_and_move_together_and_stay_sharp(opened, make_page):
    page = opened(make_page(["a.png"], candidates=2))
    assert page.locator(".pane").count() == 3

    def places() -> list[str]:
        return page.eval_on_selector_all(".layer", "nodes => nodes.map(n => n.style.width + n.style.transform)")

    before = places()
    assert page.eval_on_selector(".layer", "n => getComputedStyle(n).imageRendering") == "pixelated"
    box = page.locator(".pane").nth(1).bounding_box()
    corner = (box["x"] + 30, box["y"] + 30)
    page.mouse.move(*corner)
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(50)
    zoomed = places()
    assert len(set(zoomed)) == 1
    assert zoomed != before
    drag(page, corner, (corner[0] + 30, corner[1] + 20))
    assert len(set(places())) == 1
    assert places() != zoomed
    page.keyboard.press("0")
    assert places() == before


def test_keys_lead_through_everything(opened, make_page):
    page = opened(make_page(["a.png", "b.png", "c.png"], candidates=2))
    for key, expected in (("j", "b.png"), ("j", "c.png"), ("j", "c.png"), ("k", "b.png")):
        page.keyboard.press(key)
        assert name(page) == expected
    page.keyboard.press("2")
    assert value(page, "current") == "1"
    for key, view in (("s", "split"), ("d", "difference"), ("f", "flip"), ("v", "side")):
        page.keyboard.press(key)
        assert value(page, "view") == view
    for ground in ("black", "white", "magenta", "checker"):
        page.keyboard.press("b")
        assert page.locator(f".pane.{ground}").count() == 3
    page.keyboard.press("t")
    assert page.get_attribute("#tile", "aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.inner_text("#open-rules") == "1 picked — rules"
    page.keyboard.press("x")
    assert page.is_disabled("#open-rules")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("c.p")
    until(page, "document.getElementById('count').textContent === '1 of 3'")
    assert (rows(page), name(page)) == (["c.png"], "c.png")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list"


def test_three_by_three_repeats(opened, make_page):
    page = opened(make_page(["a.png"]))
    page.keyboard.press("f")
    sizes = "n => [n.clientWidth, parseFloat(n.style.backgroundSize)]"
    one = page.eval_on_selector(".layer", sizes)
    page.keyboard.press("t")
    three = page.eval_on_selector(".layer", sizes)
    assert one[0] == pytest.approx(one[1], abs=1)
    assert three[0] == pytest.approx(3 * three[1], abs=1)


def test_the_difference_of_equal_pictures_is_black(opened, make_page):
    page = opened(make_page(["a.png"], candidates=2))
    page.keyboard.press("d")
    assert colour_at(page, 0.5, 0.5) == (190, 190, 0)
    page.select_option("#left", "0")
    assert colour_at(page, 0.5, 0.5) == (0, 0, 0)
    page.select_option("#current", "1")
    page.select_option("#gain", "4")
    assert colour_at(page, 0.5, 0.5) == (0, 255, 255)


def test_colour_under_alpha_and_alpha_alone(opened, texup, tmp_path):
    pack = tmp_path / "pack"
    pack.mkdir()
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:, 8:, 3] = 255
    (pack / "half.png").write_bytes(encode_png(pixels))
    assert texup("compare", pack, "--method", "nearest", "--method", "smooth").code == 0
    page = opened(tmp_path / "pack-compare" / "index.html")
    page.keyboard.press("f")
    page.keyboard.press("b")
    assert (colour_at(page, 0.47, 0.5), colour_at(page, 0.53, 0.5)) == ((0, 0, 0), (200, 0, 0))
    page.keyboard.press("a")
    assert colour_at(page, 0.47, 0.5) == (200, 0, 0)
    page.keyboard.press("a")
    assert (colour_at(page, 0.47, 0.5), colour_at(page, 0.53, 0.5)) == ((0, 0, 0), (255, 255, 255))


def test_filters_sort_and_search(opened, make_page):
    changes = {
        0: {"outcome": "failed", "reason": "damaged PNG", "results": [], "change": None},
        1: {"outcome": "copied", "kind": "lookup", "change": None},
        2: {"notes": ["same picture as d.png"], "change": 9.0, "seam": 1.0},
        3: {"problems": ["result: changed since"], "alpha": "binary", "seam": 3.0},
    }
    page = opened(make_page([f"{c}.png" for c in "abcdef"], changes=changes))
    wanted = [
        ("outcome", "failed", ["a.png"]),
        ("outcome", "kept", ["b.png"]),
        ("outcome", "notes", ["c.png", "d.png"]),
        ("outcome", "problems", ["d.png"]),
        ("kind", "lookup", ["b.png"]),
        ("alpha", "binary", ["d.png"]),
        ("outcome", "", [f"{c}.png" for c in "abcdef"]),
    ]
    for which, asked, expected in wanted:
        page.select_option(f"#{which}", asked)
        assert rows(page) == expected
        page.select_option(f"#{which}", "")
    page.select_option("#sort", "change")
    assert rows(page)[0] == "c.png"
    page.select_option("#sort", "seam")
    assert rows(page)[0] == "d.png"
    page.select_option("#sort", "name")
    page.fill("#search", "DAMAGED png")
    until(page, "document.getElementById('count').textContent === '1 of 6'")
    assert rows(page) == ["a.png"]
    assert "no result to show: damaged PNG" in page.inner_text(".gone")
    page.fill("#search", "nothing like it")
    until(page, "!document.getElementById('none').hidden")
    assert page.inner_text("#none") == "No texture fits the filters."


def test_no_name_runs_anything_and_every_pick_is_followed(opened, make_page, tmp_path):
    page = opened(make_page(HOSTILE))
    for _ in HOSTILE:
        page.keyboard.press("Enter")
        page.keyboard.press("j")
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src='x']").count() == 0
    assert "\u202e" not in page.inner_text("body")
    page.click("#open-rules")
    path = tmp_path / "texup.toml"
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(path)
    assert download.value.suggested_filename == "texup.toml"
    assert path.read_text("utf-8") == value(page, "rules-text")
    rules = load_rules(path)
    for one in HOSTILE:
        assert [rule.method for rule in rules if rule.fits(one)] == ["nearest"], one
    assert not any(rule.fits("abc.png") for rule in rules)


def test_a_pick_at_the_top_spares_files_of_its_name_in_folders(opened, make_page, tmp_path):
    page = opened(make_page(["a.png", "deep/a.png", "deep/b.png"], changes={1: {"base": {"edges": "wrap"}}}))
    page.keyboard.press("Enter")
    page.click("#open-rules")
    path = tmp_path / "texup.toml"
    path.write_text(value(page, "rules-text"))
    first = {one: next((r for r in load_rules(path) if r.fits(one)), None) for one in ("a.png", "deep/a.png")}
    assert first["a.png"].method == "nearest"
    assert (first["deep/a.png"].method, first["deep/a.png"].edges) == (None, ("wrap", "wrap"))


def test_picks_for_all_shown_are_taken_back_and_kept(opened, make_page):
    page = opened(make_page(["a.png", "b.png", "c.png"], rules='[[rule]]\nmatch = "own"\nmethod = "net"\n'))
    page.select_option("#kind", "colour")
    page.select_option("#pick", label="keep the source")
    page.click("#pick-shown")
    assert page.inner_text("#open-rules") == "2 picked — rules"
    page.click("#open-rules")
    first, second = tomllib.loads(value(page, "rules-text"))["rule"]
    assert first == {"match": ["a.png", "c.png"], "action": "copy"}
    assert second == {"match": "own", "method": "net"}
    page.keyboard.press("Escape")
    page.reload()
    until(page, "window.TEXUP_READY !== undefined")
    assert page.inner_text("#open-rules") == "2 picked — rules"
    page.click("#open-rules")
    page.click("#clear")
    assert page.is_disabled("#open-rules")
    page.click("#undo")
    assert page.inner_text("#open-rules") == "2 picked — rules"


def test_look_pick_run(opened, texup, tmp_path, wall):
    pack, out, rules = tmp_path / "pack", tmp_path / "out", tmp_path / "rules.toml"
    (pack / "walls").mkdir(parents=True)
    for k, one in enumerate(("walls/a.png", "walls/b [1].png", "c.png")):
        (pack / one).write_bytes(encode_png(wall(16, 16, seed=k)))
    ways = ("--method", "auto", "--blend", "0", "--method", "nearest", "--method", "smooth")
    assert texup("compare", pack, *ways).code == 0
    index = tmp_path / "pack-compare" / "index.html"
    page = opened(index)
    picked = {}
    for key in "432":
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        picked[name(page)] = int(key) - 1
        page.keyboard.press("j")
    page.click("#open-rules")
    rules.write_text(value(page, "rules-text"), "utf-8")
    assert texup("upscale", pack, "-q", "--rules", rules, "-o", out).code == 0
    assert len(picked) == 3
    for one in data_of(index.parent)["exhibits"]:
        url = one["results"][picked[one["path"]]]["url"]
        made = read_texture(out / one["path"]).pixels
        assert (read_texture(index.parent / url).pixels == made).all()


def test_five_thousand_textures(opened, make_page):
    page = opened(make_page([f"folder{k % 50}/texture{k:04d}.png" for k in range(5000)]))
    assert page.evaluate("window.TEXUP_READY") < 5000  # milliseconds; alone on a core it takes a tenth
    assert page.locator(".item").count() < 40
    for top in (100_000, 299_000, 0):
        page.evaluate(f"document.getElementById('list').scrollTop = {top}")
        page.wait_for_timeout(100)
        assert 8 < page.locator(".item").count() < 40
    page.focus("#list")
    page.keyboard.press("End")
    assert name(page).endswith("texture4999.png")
    assert page.get_attribute("#list", "aria-activedescendant") == "item-4999"
    assert page.get_attribute("#item-4999", "aria-posinset") == "5000"
    page.fill("#search", "texture12")
    until(page, "document.getElementById('count').textContent === '100 of 5000'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_shows_list_and_picture_in_turn(opened, make_page, scheme):
    page = opened(make_page(["a.png", "b.png"], candidates=2), 360, 740, color_scheme=scheme)
    assert (page.is_visible("#list"), page.is_visible("#panes")) == (True, False)
    page.locator(".item").nth(1).click()
    assert (page.is_visible("#list"), page.is_visible("#panes")) == (False, True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = [page.locator(".pane").nth(k).bounding_box() for k in range(3)]
    assert all(box["width"] >= 150 and box["height"] >= 150 for box in boxes)
    assert boxes[2]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    page.click("#back")
    assert page.is_visible("#list")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper


NAMELESS = """() => [...document.querySelectorAll(
    'button, select, input, textarea, a, [role=slider], [role=img], [role=listbox], [role=option], [role=group]'
)].filter(n => !(n.getAttribute('aria-label') || n.textContent.trim() || (n.labels && n.labels.length)))
  .map(n => n.outerHTML)"""


def test_everything_that_acts_has_a_name(opened, make_page):
    page = opened(make_page(["a.png"], candidates=2))
    for key in "vsfd":
        page.keyboard.press(key)
        assert page.evaluate(NAMELESS) == []


def test_a_page_without_textures_or_data_says_so(opened, make_page):
    index = make_page([])
    assert opened(index).inner_text("#none") == "There are no textures here."
    (index.parent / "data.js").write_text("")
    assert "data.js" in opened(index).inner_text("#warnings")


def test_a_picture_that_is_gone_is_told(browser, make_page):
    index = make_page(["a.png"])
    for path in (index.parent / "pictures").iterdir():
        path.unlink()
    page = browser.new_page()  # not opened: a missing file is told on the console too
    page.goto(index.as_uri())
    page.wait_for_selector(".gone")
    assert "is gone" in page.locator(".gone").first.inner_text()
    page.close()


def test_animations_play_and_levels_are_shown(opened, make_page):
    level = Shown(url="pictures/level.png", width=8, height=8)
    result = Shown(url="pictures/full.png", width=16, height=16, levels=[level])
    index = make_page(["strip.png", "b.png"], changes={0: {"cell": (4, 1)}, 1: {"results": [result]}})
    for one in ("level", "full"):
        (index.parent / "pictures" / f"{one}.png").write_bytes(encode_png(np.full((8, 8, 3), 9, np.uint8)))
    page = opened(index)
    page.keyboard.press("f")
    page.keyboard.press("p")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    first = json.dumps(page.eval_on_selector(".layer", "n => n.style.backgroundPosition"))
    until(page, f"document.querySelector('.layer').style.backgroundPosition !== {first}")
    page.keyboard.press("j")
    assert page.is_hidden("#play")
    page.select_option("#level", "1")
    assert "level.png" in page.eval_on_selector(".layer", "n => n.style.backgroundImage")


def test_one_file_alone_is_a_page(opened, texup, tmp_path, wall):
    pack, alone = tmp_path / "pack", tmp_path / "alone"
    pack.mkdir()
    alone.mkdir()
    (pack / HOSTILE[1]).write_bytes(encode_png(wall(16, 16)))
    result = texup("compare", pack, "--method", "nearest", "--single-file")
    assert result.code == 0
    page = opened(Path(result.out.strip()).rename(alone / "page.html"))
    assert rows(page) == [HOSTILE[1]]
    assert page.locator(".layer").count() == 2
    until(page, "document.querySelector('.item img').naturalWidth === 16")
