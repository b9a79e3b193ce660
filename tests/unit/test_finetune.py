"""Fine-tuning: the recipe fits the model, the patches fit the pictures, and what is measured on is not trained on."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from texup.errors import UsageError, WeightsError
from texup.models.catalog import CatalogModel
from texup.models.loading import open_weights
from texup.models.weights import save_weights
from texup.training.config import Data, Discriminator, Early, Loss, Recipe
from texup.training.data.pictures import Picture
from texup.training.finetune import (
    LEAST_PATCH,
    MULTIPLES,
    fit_patches,
    hold_out,
    make_plan,
    patch_step,
    recipe_for,
)
from texup.training.objective.systems import build_discriminator, build_generator

from ..builders import tiny_net


def picture(height, width=None, name="", seed=0) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width or height, 4), np.uint8)
    return Picture("a", noise, (False, False), name)


@pytest.fixture
def weights(tmp_path):
    """Writes the weights of a net to a file and returns the model and what is in the file."""

    def write(net, name="mine"):
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, net.state_dict(), {})
        return CatalogModel(name, path), open_weights(path)

    return write


NETS = {
    "rrdb": lambda: tiny_net("RRDBNet"),
    "rrdb-x2": lambda: tiny_net("RRDBNet", scale=2, unshuffle=2),
    "srresnet": lambda: tiny_net("SRResNet", scale=2),
    "compact-x3": lambda: tiny_net(scale=3),
}


@pytest.mark.parametrize("name", NETS)
def test_the_recipe_takes_name_net_and_scale_from_the_model(weights, name):
    net = NETS[name]()
    model, known = weights(net)
    base = Recipe("gentle", net={"architecture": "SRResNet"}, batch=5)
    found = recipe_for(model, known, base)
    assert (found.name, found.scale, found.batch) == ("mine-finetuned", known.architecture.scale, 5)
    built = build_generator(found.net, found.scale)
    built.load_state_dict(known.state)
    built.eval()
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(built(x), net(x))


def test_what_cannot_be_trained_is_refused(weights):
    grey = weights(tiny_net(num_in_ch=1, num_out_ch=1))
    with pytest.raises(WeightsError, match=r"mine\.safetensors: a net of 1 channels in and 1 out; texup trains nets"):
        recipe_for(*grey, Recipe("gentle"))
    same = weights(tiny_net("RRDBNet", scale=1, unshuffle=4))
    with pytest.raises(UsageError, match="scale 1 enlarges nothing; fine-tuning needs 2 or more"):
        recipe_for(*same, Recipe("gentle"))
    thrice = weights(tiny_net(scale=3))
    mixed = Recipe("gentle", data=Data(kernels={"box": 0.5, "mixed": 0.5}))
    with pytest.raises(UsageError, match="gentle reduces by the kernel mixed, which needs an even scale; mine has 3"):
        recipe_for(*thrice, mixed)
    without = dataclasses.replace(mixed, data=Data(kernels={"box": 1.0, "mixed": 0.0}))
    assert recipe_for(*thrice, without).scale == 3


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", MULTIPLES)
def test_every_discriminator_takes_patches_of_whole_steps(name, scale):
    wanted = Discriminator(name, num_feat=1)
    recipe = Recipe("gan", scale=scale, loss=Loss(adversarial=0.1), discriminator=wanted)
    step = patch_step(recipe)
    assert step % 4 == 0
    judge = build_discriminator(wanted, dataclasses.replace(recipe, lr_patch=step))
    side = step * scale
    assert judge.eval()(torch.rand(1, 3, side, side)).isfinite().all()
    assert patch_step(Recipe("plain", scale=scale)) == 4


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    sides=st.lists(st.tuples(st.integers(48, 200), st.integers(48, 200)), min_size=1, max_size=24),
    patch=st.sampled_from([12, 16, 24, 32]),
    early=st.sampled_from([0, 12, 16, 48]),
    adversarial=st.booleans(),
)
def test_patches_are_as_large_as_nearly_all_pictures_allow(sides, patch, early, adversarial):
    pictures = [picture(h, w) for h, w in sides]
    first = Early(0.5, 4, early) if early else Early()
    recipe = Recipe("a", lr_patch=patch, early=first, loss=Loss(adversarial=0.1 * adversarial))
    fitted, used = fit_patches(recipe, pictures)
    side = fitted.largest_patch
    assert LEAST_PATCH <= side <= recipe.largest_patch
    assert fitted.lr_patch <= recipe.lr_patch
    assert [min(p.pixels.shape[:2]) >= 4 * side for p in pictures] == [any(p is u for u in used) for p in pictures]
    assert len(used) >= math.ceil(0.9 * len(pictures))
    if fitted != recipe:
        larger = side + patch_step(recipe)
        assert sum(min(s) >= 4 * larger for s in sides) < 0.9 * len(sides) or larger > recipe.largest_patch
        assert side % 4 == 0


def test_what_the_pictures_allow_is_left_as_it_is():
    recipe = Recipe("a", lr_patch=24)
    assert fit_patches(recipe, [picture(96), picture(300)])[0] is recipe
    fitted, used = fit_patches(recipe, [picture(95, 300)])
    assert (fitted.lr_patch, len(used)) == (20, 1)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(0, 400))
def test_a_tenth_is_held_out_and_never_all(count):
    one = picture(48)
    pictures = [dataclasses.replace(one, name=f"{k}.png") for k in range(count)]
    held = hold_out(pictures, 4)
    if count < 2:
        assert held == []
    else:
        assert len({p.name for p in held}) == len(held) == min(16, max(1, round(count / 10)))
        assert len(held) < count


def test_the_choice_depends_on_names_alone():
    pictures = [picture(48, name=f"sub/{k}.png", seed=k) for k in range(40)]
    held = {p.name for p in hold_out(pictures, 4)}
    assert len(held) == 4
    moved = [dataclasses.replace(p, group="elsewhere") for p in reversed(pictures)]
    assert {p.name for p in hold_out(moved, 4)} == held
    other = [dataclasses.replace(p, name=f"x{p.name}") for p in pictures]
    assert {p.name.removeprefix("x") for p in hold_out(other, 4)} != held
    without = [p for p in pictures if p.name != "sub/0.png"]
    assert len(held & {p.name for p in hold_out(without, 4)}) >= 3


def test_plain_pictures_measure_nothing():
    plain = Picture("a", np.full((64, 64, 4), 90, np.uint8), (False, False), "plain")
    assert hold_out([plain, plain], 4) == []
    assert [p.name for p in hold_out([plain, picture(64, name="grain"), plain], 4)] == ["grain"]


@pytest.fixture
def pack(tmp_path, wall):
    """Twelve pictures of 64 pixels a side and one of 40, in folders, and what is no picture."""
    for k in range(12):
        path = tmp_path / "pack" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall(64, 64, seed=k)).save(path)
    Image.fromarray(wall(40, 40)).save(tmp_path / "pack" / "icon.png")
    (tmp_path / "pack" / "cut.png").write_bytes(b"\x89PNG")
    return tmp_path / "pack"


def test_a_plan_parts_the_pictures(weights, pack):
    model, _ = weights(NETS["rrdb"]())
    plan = make_plan(str(model.path), [pack])
    assert (len(plan.pictures), len(plan.held_out)) == (11, 1)
    assert {p.name for p in plan.pictures}.isdisjoint(p.name for p in plan.held_out)
    assert (plan.recipe.name, plan.recipe.lr_patch, plan.is_for_fidelity) == ("mine-finetuned", 16, True)
    assert plan.remarks == (
        "fine-tuning mine by the recipe finetune, on 11 pictures",
        "patches of 16 low-resolution pixels instead of 24, because pictures are small",
        "left out 2 pictures under 64 pixels a side, or unreadable",
        f"held out of training, to measure on: {plan.held_out[0].name}",
    )
    again = make_plan(str(model.path), [pack])
    assert [p.name for p in again.held_out] == [p.name for p in plan.held_out]


def test_given_pictures_to_measure_on_spare_the_others(weights, pack):
    model, _ = weights(NETS["rrdb"]())
    plan = make_plan(str(model.path), [pack / "a"], [pack / "b"], sharp=True)
    assert (len(plan.pictures), len(plan.held_out)) == (6, 6)
    assert not plan.is_for_fidelity
    assert "by the recipe finetune-gan, on 6 pictures" in plan.remarks[0]
    assert plan.remarks[-1] == "to measure on: 1.png, 11.png, 3.png and 3 more"
    for val, data in (([pack / "a"], [pack]), ([pack], [pack / "a"]), ([pack / "b" / ".." / "a"], [pack / "a"])):
        with pytest.raises(UsageError, match="must not be trained on"):
            make_plan(str(model.path), data, val)


def test_the_gan_of_the_catalog_is_known_to_be_sharp(weights, pack, monkeypatch):
    model, _ = weights(NETS["rrdb"](), "soft")
    gan, _ = weights(tiny_net("RRDBNet", seed=1), "gan")
    fields = dict.fromkeys(("licence", "source", "description"), "x") | {"architecture": "RRDBNet"}
    numbers = "scale = 4\ncontext = 8\n" + "".join(f"{key} = '{value}'\n" for key, value in fields.items())
    entry = "[[model]]\nname = '{0}'\nfile = '{0}.safetensors'\nsha256 = '{1}'\n" + numbers
    entries = [entry.format(m.name, open_weights(m.path).file.sha256) for m in (model, gan)]
    folder = model.path.parent
    (folder / "catalog.toml").write_text("default='gan'\npair={psnr='soft',gan='gan'}\n" + "".join(entries))
    shutil.copytree(Path(__file__).parents[2] / "weights" / "recipes", folder / "recipes")
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    for name in ("gan", str(gan.path)):
        assert "recipe finetune-gan" in make_plan(name, [pack]).remarks[0]
    assert "recipe finetune," in make_plan("soft", [pack]).remarks[0]
    assert "recipe features," in make_plan("gan", [pack], recipe=Path("features")).remarks[0]
    gan.path.write_bytes(model.path.read_bytes())  # sound, but not what the catalog says
    with pytest.raises(WeightsError, match=r"gan\.safetensors: "):
        make_plan("gan", [pack])
