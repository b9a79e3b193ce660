"""The survey: for every file what would be done and why, and as much work as an engine then really finds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from texup.calls.inspection import inspection_of
from texup.conventions.convention import Wishes
from texup.engines.devices.device import Device
from texup.engines.local import LocalEngine
from texup.errors import PackError
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture
from texup.upscaling.pack import upscale_pack
from texup.upscaling.run import Route, Run, Settings, plan_of, plan_passes
from texup.upscaling.survey import Item, Survey, survey_pack


class Texels(list):
    """Texels of each batch; the copies of the net that a device makes share it."""

    def __deepcopy__(self, memo):
        return self


class Counting(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.texels = net, Texels()

    def forward(self, x):
        self.texels.append(x.shape[0] * x.shape[2] * x.shape[3])
        return self.net(x)


@pytest.fixture
def pack(tmp_path, wall, disc):
    """A folder with one file for every action and kind of alpha."""
    dice = np.random.default_rng(4)
    hard, soft = disc(24, 24) * 255, disc(24, 24, soft=True) * 255
    brick = wall(24, 24)
    noise = dice.integers(0, 256, (24, 24, 3), np.uint8)
    pictures = {
        "a/wall.png": wall(32, 48),
        "a/copy.png": wall(32, 48),
        "a/grey.png": noise[..., :1],
        "b/cutout.png": np.dstack((brick, hard)),
        "b/soft.png": np.dstack((brick, soft)),
        "b/few.png": np.dstack((brick, dice.integers(0, 3, (24, 24)) * 100)),
        "b/data.png": np.dstack((noise, np.where(np.arange(24) < 6, 0, noise[..., 1]))),
        "b/constant.png": np.dstack((brick, np.full((24, 24), 9))),
        "c/flat.png": np.full((5, 6, 3), 7),
        "c/flat_too.tga": np.full((5, 6, 3), 7),
        "c/deep.png": dice.integers(0, 1 << 16, (13, 10, 1), np.uint16),
    }
    for name, pixels in pictures.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = np.uint16 if pixels.dtype == np.uint16 else np.uint8
        container = Container(path.suffix[1:], 8 * np.dtype(kind).itemsize)
        path.write_bytes(encode(Texture(np.ascontiguousarray(pixels, kind), container)))
    colours = dice.integers(0, 256, (4, 4), np.uint8)
    colours[:, 3] = 255
    indexed = Texture(
        np.ascontiguousarray(colours[dice.integers(0, 4, (16, 16)), :3]), Container("png", palette=colours.tobytes())
    )
    (tmp_path / "pack" / "palette.png").write_bytes(encode(indexed, indexed=True))
    (tmp_path / "pack" / "cut.png").write_bytes(encode(indexed)[:60])
    (tmp_path / "pack" / "notes.txt").write_text("x")
    (tmp_path / "pack" / "link.png").symlink_to("cut.png")
    return tmp_path / "pack"


def run_for(pack, scales=(4,), scale=4, **more):
    settings = Settings(scale, 8, **{k: more.pop(k) for k in ("alpha", "edges", "palette") if k in more})
    return Run(
        source=pack,
        out=pack.parent / "out",
        models=[("a", "1" * 64), ("b", "2" * 64)],
        route=Route(plan_passes(scales, scale), settings),
        load_engine=lambda: pytest.fail("no net is needed"),
        **more,
    )


def survey_of(run):
    return survey_pack(run, plan_of(run)[0])


def items_of(run) -> dict[str, Item]:
    items = list(survey_of(run))
    assert len({item.path for item in items}) == len(items)
    return {item.path: item for item in items}


def test_every_file_has_its_action_and_its_reason(pack):
    items = items_of(run_for(pack))
    actions = {path: item.action for path, item in items.items()}
    assert actions == dict.fromkeys(actions, "upscale") | {
        "a/wall.png": "twin",
        "c/flat.png": "fill",
        "c/flat_too.tga": "fill",
        "cut.png": "refuse",
        "link.png": "refuse",
        "notes.txt": "skip",
    }
    assert len(actions) == 15
    assert items["a/wall.png"].reason == "same picture as a/copy.png"
    assert items["notes.txt"].reason == "not a texture"
    assert "link" in items["link.png"].reason
    assert "damaged PNG" in items["cut.png"].reason
    assert all(item.reason for item in items.values())


def test_policies_are_told_in_words(pack):
    items = items_of(run_for(pack))
    kinds = {"cutout": "binary", "soft": "soft", "few": "few", "data": "data", "constant": "constant"}
    for name, kind in kinds.items():
        assert items[f"b/{name}.png"].policy.alpha == kind
    assert items["a/grey.png"].reason.startswith("no alpha channel; ")
    chosen = items_of(run_for(pack, edges=("wrap", "clamp")))
    assert chosen["a/copy.png"].reason == "no alpha channel; ends horizontally, tiles vertically; grain of 0.85"
    assert len({items[f"b/{name}.png"].reason.split(";")[0] for name in kinds}) == len(kinds)
    modes = {"a/grey.png": "grey 8 bit", "a/copy.png": "RGB 8 bit", "b/soft.png": "RGBA 8 bit"}
    modes |= {"c/deep.png": "grey 16 bit", "palette.png": "palette RGB 8 bit"}
    assert {path: items[path].mode for path in modes} == modes
    assert (items["a/copy.png"].width, items["a/copy.png"].height) == (48, 32)


def test_choices_of_the_user_show(pack):
    choices = {"alpha": "copy", "edges": ("mirror", "wrap"), "wishes": Wishes(copy_other=True)}
    items = items_of(run_for(pack, **choices, exclude=["c/*"]))
    assert items["b/soft.png"].policy.alpha == "copy"
    assert items["b/soft.png"].reason.endswith("; tiles horizontally, mirrored, as asked vertically")
    assert items["notes.txt"].action == items["c/deep.png"].action == "copy"
    assert items["c/deep.png"].reason == "not selected"
    assert items_of(run_for(pack, include=["*.tga"]))["b/soft.png"].action == "skip"


def test_counts_are_sums_over_the_items(pack):
    items = items_of(run_for(pack))
    survey = Survey()
    for item in items.values():
        survey.add(item)
    assert survey.actions == {"upscale": 9, "twin": 1, "fill": 2, "refuse": 2, "skip": 1}
    assert survey.sizes["24x24"] == 6
    assert survey.sizes["48x32"] == 2
    assert sum(survey.modes.values()) == sum(survey.alphas.values()) == sum(survey.edges.values()) == 12
    assert survey.alphas["none"] == 7
    asymmetric = Survey()
    asymmetric.add(replace(items["a/copy.png"], policy=replace(items["a/copy.png"].policy, edges=("clamp", "wrap"))))
    assert asymmetric.edges == {"wrap,clamp": 1}  # horizontal first, as on the command line


@pytest.mark.parametrize(("scales", "scale"), [((4,), 4), ((4,), 3), ((2,), 8), ((4, 2), 8)])
def test_the_work_is_what_the_nets_then_see(pack, nearest_model, scales, scale):
    for name in ("cut.png", "link.png"):
        (pack / name).unlink()
    run = run_for(pack, scales, scale)
    models = [replace(nearest_model(s), net=Counting(nearest_model(s).net)) for s in scales]
    device = Device(models, torch.device("cpu"), tile=4096)
    estimated = sum(item.work for item in survey_of(run))
    assert {o.outcome for o in upscale_pack(replace(run, load_engine=lambda: LocalEngine(device, 2)))} == {
        "upscaled",
        "skipped",
    }
    assert estimated == sum(sum(model.net.texels) for model in models)


def test_an_inspection_is_plain_json(pack):
    run = run_for(pack)
    items, survey = list(survey_of(run)), Survey()
    for item in items:
        survey.add(item)
    plan, why = plan_of(run)
    values = json.loads(json.dumps(inspection_of(run, plan, why, None, has_estimate=False).as_json()))
    assert values["counts"]["actions"] == dict(survey.actions)
    assert set(values["counts"]) == {"actions", "kinds", "sizes", "modes", "alphas", "edges", "methods", "keys"}
    assert values["net_texels"] == survey.work > 0
    found = {file["path"]: file for file in values["files"]}
    assert found["b/soft.png"]["policy"]["alpha"] == "soft"
    assert found["notes.txt"]["policy"] is None
    assert len(found) == len(items)


def test_one_file_is_a_survey_of_one(pack):
    (item,) = survey_of(replace(run_for(pack), source=pack / "b" / "soft.png"))
    assert (item.path, item.action) == ("soft.png", "upscale")


def test_nothing_is_written_and_bad_packs_are_refused(pack, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    list(survey_of(run_for(pack)))
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(PackError):
        list(survey_of(replace(run_for(pack), out=pack / "inside")))
    with pytest.raises(PackError):
        list(survey_of(run_for(pack, include=["*.jpg"])))
