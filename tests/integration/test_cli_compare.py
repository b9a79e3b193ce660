"""``texup compare``, as whole commands: what it shows is what ``texup upscale`` makes by the rules it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from texup.models import loading
from texup.pictures.sheets import encode_png
from texup.textures.codecs.files import read_texture

from ..page_data import data_of

pytestmark = pytest.mark.usefixtures("catalog")
FOUR = ("--method", "auto", "--model", "tiny-psnr", "--blend", "0.3", "--method", "nearest")
OWN = '[[rule]]\nmatch = "ui/*"\nmethod = "smooth"\nedges = "clamp"\n'


@pytest.fixture
def pack(tmp_path, wall, disc) -> Path:
    folder = tmp_path / "pack"
    (folder / "ui").mkdir(parents=True)
    art = np.kron(np.eye(8, dtype=np.uint8), np.full((2, 2), 200, np.uint8))
    (folder / "wall.png").write_bytes(encode_png(wall(16, 24)))
    (folder / "wall_mask.png").write_bytes(encode_png(wall(16, 16, seed=3)))
    (folder / "ui" / "disc.png").write_bytes(encode_png(np.dstack([wall(24, 24), np.uint8(255 * disc())])))
    (folder / "ui" / "art.png").write_bytes(encode_png(art[..., None].repeat(3, 2)))
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def paths_of(folder: Path) -> list[str]:
    return [one["path"] for one in data_of(folder)["exhibits"]]


def rules_text(tables) -> str:
    return "".join("[[rule]]\n" + "".join(f"{key} = {json.dumps(v)}\n" for key, v in t.items()) for t in tables)


@pytest.mark.parametrize("own", ["", OWN])
def test_what_is_picked_is_what_upscale_makes(texup, pack, own):
    if own:
        (pack / "texup.toml").write_text(own)
    result = texup("compare", pack, *FOUR)
    folder = pack.with_name("pack-compare")
    assert (result.code, result.out) == (0, f"{folder / 'index.html'}\n")
    data = data_of(folder)
    labels = [one["label"] for one in data["candidates"]]
    assert labels == ["texup's own choice", "tiny-psnr", "blend 0.3", "nearest"]
    assert [line.split(": ")[0] for line in result.err.splitlines()[-4:]] == labels
    assert data["rules"] == own
    exhibits = data["exhibits"]
    assert paths_of(folder) == ["ui/art.png", "ui/disc.png", "wall.png", "wall_mask.png"]
    for k in range(4):
        rules, out = pack.parent / f"rules{k}.toml", pack.parent / f"out{k}"
        rules.write_text(rules_text({"match": one["path"]} | one["choices"][k] for one in exhibits))
        assert texup("upscale", pack, "-o", out, "-q", "--rules", rules).code == 3  # for the broken one
        for one in exhibits:
            shown = read_texture(folder / one["results"][k]["url"]).pixels
            assert (read_texture(out / one["path"]).pixels == shown).all(), (one["path"], labels[k])


def test_a_pick_of_a_rule_with_a_file_of_weights_works_anywhere(texup, pack, tiny_weights, tmp_path):
    shutil.copy(tiny_weights / "tiny-psnr.safetensors", pack / "own.safetensors")
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "wall.png"\nmodel = "own.safetensors"\n')
    assert texup("compare", pack, "--method", "auto").code == 0
    found = {one["path"]: one for one in data_of(pack.with_name("pack-compare"))["exhibits"]}
    assert found["wall.png"]["choices"] == [{"model": [str(pack / "own.safetensors")]}]
    assert found["wall_mask.png"]["choices"] == [{"action": "upscale"}]


def test_candidates_differ_where_they_should(texup, pack):
    assert texup("compare", pack, *FOUR).code == 0
    found = {one["path"]: one for one in data_of(pack.with_name("pack-compare"))["exhibits"]}
    urls = {path: [result["url"] for result in one["results"]] for path, one in found.items()}
    assert len(set(urls["wall.png"])) == 4
    assert found["wall.png"]["choices"][1] == {"model": "tiny-psnr", "method": "net"}
    assert found["wall_mask.png"]["choices"][1] == {"model": "tiny-psnr"}
    assert urls["wall_mask.png"][1] == urls["wall_mask.png"][2], "a mask goes through no net"


def test_each_net_is_loaded_once(texup, pack, monkeypatch):
    loaded, load, build = [], loading.load_model, loading.build_model

    def count_file(path, **more):
        loaded.append(path.name)
        return load(path, **more)

    def count_blend(state, name, *more):
        loaded.append(name)
        return build(state, name, *more)

    monkeypatch.setattr(loading, "load_model", count_file)
    monkeypatch.setattr(loading, "build_model", count_blend)
    assert texup("compare", pack, "--model", "tiny-psnr", "--model", "tiny-gan", "--blend", "0.5").code == 0
    assert {"tiny-psnr.safetensors", "tiny-gan.safetensors"} < set(loaded)
    assert len(loaded) == len(set(loaded))


def test_files_are_compared_without_a_pack(texup, pack, tmp_path, monkeypatch):
    shutil.copy(pack / "wall.png", tmp_path / "one.png")
    monkeypatch.chdir(tmp_path)
    assert texup("compare", "one.png", "pack/ui/disc.png", "--method", "nearest", "-o", "page").code == 0
    assert paths_of(tmp_path / "page") == ["one.png", "pack/ui/disc.png"]
    assert texup("compare", "one.png", "--method", "nearest", "--single-file").code == 0
    assert (tmp_path / "one.png-compare.html").is_file()


def test_a_zip_is_compared(texup, pack):
    (pack / "texup.toml").write_text(OWN)
    archive = shutil.make_archive(str(pack), "zip", pack)
    assert texup("compare", archive, "--method", "nearest").code == 0
    data = data_of(pack.with_name("pack.zip-compare"))
    assert (len(data["exhibits"]), data["rules"]) == (4, OWN)


def test_the_sample_is_the_same_each_time_and_can_be_steered(texup, pack):
    command, page = ("compare", pack, "--method", "nearest", "--sample", "2"), pack.with_name("pack-compare")
    samples = []
    for _ in range(2):
        assert texup(*command).code == 0
        samples.append(paths_of(page))
    assert samples[0] == samples[1]
    assert len(samples[0]) == 2
    assert texup(*command, "--exclude", "wall*").code == 0
    assert paths_of(page) == ["ui/art.png", "ui/disc.png"]


def test_what_cannot_be_compared_is_refused_in_one_line(texup, pack, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments in (
        (tmp_path / "empty",),
        (tmp_path / "none.png",),
        (pack / "wall.png", pack),
        (pack / "broken.png",),
        (pack, "-o", pack / "page"),
        (pack, "--include", "nothing"),
    ):
        result = texup("compare", *arguments, "--method", "nearest")
        assert (result.code, len(result.errors)) == (2, 1), arguments
    assert texup("compare", pack, "--model", "no-such-model").code == 2
