"""``texup upscale --remember``: what was asked for some files stays so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from texup.policy.rules import load_rules


@pytest.fixture
def pack(tmp_path, wall):
    folder = tmp_path / "pack"
    (folder / "ui").mkdir(parents=True)
    for name in ("wall.png", "ui/a.png", "ui/b [x].png"):
        Image.fromarray(wall(16, 24)).save(folder / name)
    return folder


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.usefixtures("catalog")
def test_a_redo_is_undone_by_the_next_run_unless_it_is_remembered(texup, pack):
    out = pack.with_name("pack_x4")
    assert texup("upscale", pack).code == 0
    redo = ("upscale", pack, "-o", out, "--include", "ui/*", "--method", "nearest", "--edges", "wrap,clamp")
    hinted = texup(*redo)
    assert hinted.code == 0
    assert "--remember keeps them as a rule of the pack" in hinted.err
    repeated = np.array(Image.open(pack / "ui" / "a.png")).repeat(4, 0).repeat(4, 1)
    texup("upscale", pack)
    assert (np.array(Image.open(out / "ui" / "a.png")) != repeated).any(), "undone"
    told = texup(*redo, "--remember")
    assert f"remembered in {pack / 'texup.toml'}" in told.err
    (rule,) = load_rules(pack / "texup.toml")
    assert (rule.match, rule.method, rule.edges) == (("ui/*",), "nearest", ("clamp", "wrap"))
    assert texup("upscale", pack).code == 0
    np.testing.assert_array_equal(np.array(Image.open(out / "ui" / "a.png")), repeated)
    assert (np.array(Image.open(out / "wall.png")) != repeated).any()


@pytest.mark.usefixtures("catalog")
def test_the_newest_rule_decides_and_older_ones_stay(texup, pack):
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "**"\nscale = 1  # my own\n')
    done = texup(
        "upscale", pack, "--include", "ui/*", "--scale", "2", "--blend", "0.25", "--key", "00FF00", "--remember"
    )
    assert done.code == 0
    newest, mine = load_rules(pack / "texup.toml")
    assert (newest.scale, newest.blend, newest.key, mine.scale) == (2, 0.25, (0, 255, 0), 1)
    assert "# my own" in (pack / "texup.toml").read_text()


@pytest.mark.usefixtures("catalog")
def test_what_no_rule_can_say_is_told(texup, pack):
    assert "nothing to remember" in texup("upscale", pack, "--include", "ui/*", "--remember").err
    assert "nothing to remember" in texup("upscale", pack, "--grain", "0", "--remember").err
    assert not (pack / "texup.toml").exists()


def test_a_model_of_the_users_own_is_not_remembered_in_a_pack_that_could_not_name_it(
    texup, pack, tmp_path, monkeypatch, tiny_weights
):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "4x_mine.safetensors").write_bytes((tiny_weights / "tiny-gan.safetensors").read_bytes())
    monkeypatch.setenv("TEXUP_MODELS", str(tmp_path / "models"))
    told = texup("upscale", pack, "--include", "*", "--model", "4x_mine", "--remember")
    assert told.code == 0
    assert "nothing to remember" in told.err
    assert not (pack / "texup.toml").exists()
