"""Recipes: what they may say, how wrong ones are refused, and that those which come with texup can be trained."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.errors import UsageError
from texup.training.config import Recipe, load_recipe, plain, recipe_of
from texup.training.objective.limits import check_recipe
from texup.training.objective.systems import build_discriminator, build_features, build_generator, features_fact
from texup.training.recipes import find_recipe

SHIPPED = sorted((Path(__file__).parents[2] / "weights" / "recipes").glob("*.toml"))

SHARE = st.floats(0, 1, allow_nan=False)
SHARES = st.dictionaries(st.sampled_from(["bicubic", "box", "nearest"]), st.floats(0.1, 5), min_size=1)
TABLES = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "mine-2"])},
    optional={
        "batch": st.integers(1, 99),
        "lr_patch": st.integers(1, 99),
        "net": st.just({"architecture": "SRResNet", "num_feat": 8, "batch_norm": False}),
        "early": st.fixed_dictionaries({"share": SHARE}, optional={"batch": st.integers(1, 9)}),
        "optimizer": st.fixed_dictionaries(
            {"kind": st.sampled_from(["adam", "muon"])},
            optional={"betas": st.tuples(SHARE, SHARE), "steps": st.lists(SHARE), "ema": SHARE, "clip": st.just(2)},
        ),
        "data": st.fixed_dictionaries({"kernels": SHARES}, optional={"halves": st.booleans(), "blur": SHARE}),
        "features": st.fixed_dictionaries({"taps": st.lists(st.sampled_from(["conv1_1", "conv5_4"]))}),
    },
)


@given(TABLES)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_a_recipe_survives_the_way_through_a_card(table):
    recipe = recipe_of(table)
    assert recipe_of(plain(recipe)) == recipe
    assert recipe_of(json.loads(json.dumps(plain(recipe)))) == recipe
    assert {key: plain(recipe)[key] for key in ("name", "net") if key in table} == {
        key: table[key] for key in ("name", "net") if key in table
    }


def test_what_a_recipe_does_not_say_has_a_default():
    recipe = recipe_of({"name": "x", "optimizer": {"clip": 3}})
    assert recipe.optimizer == replace(Recipe("x").optimizer, clip=3.0)
    assert isinstance(recipe.optimizer.clip, float)
    assert replace(recipe, optimizer=Recipe("x").optimizer) == Recipe("x")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"bach": 2}, "unknown key bach; did you mean 'batch'?"),
        ({"loss": {"perceptua": 1}}, "unknown key loss.perceptua; did you mean 'perceptual'?"),
        ({"discriminator": {"wram_up": 0.1}}, "unknown key discriminator.wram_up; did you mean 'warm_up'?"),
        ({"early": {"zzz": 1}}, "unknown key early.zzz; use one of share, batch, lr_patch"),
        ({"optimizer": {"kind": "adan"}}, "optimizer.kind: 'adan' is unknown; did you mean 'adam'?"),
        ({"optimizer": {"schedule": "x"}}, "optimizer.schedule: 'x' is unknown; use one of cosine, steps, constant"),
        ({"data": {"kernels": {"bicubik": 1}}}, "data.kernels: 'bicubik' is unknown; did you mean 'bicubic'?"),
        ({"data": {"formats": {"bc7": 1}}}, "data.formats: 'bc7' is unknown; did you mean 'bc1'?"),
        ({"features": {"criterion": "relativ"}}, "features.criterion: 'relativ' is unknown; did you mean 'relative'?"),
        ({"loss": {"matching": 1}}, "loss.matching compares features of the discriminator and needs loss.adversarial"),
    ],
)
def test_unknown_words_are_named_with_the_nearest_right_one(table, said):
    with pytest.raises(UsageError) as caught:
        recipe_of({"name": "x", **table})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"batch": 2.5}, "batch"),
        ({"batch": True}, "batch"),
        ({"batch": "8"}, "batch"),
        ({"batch": -1}, "batch"),
        ({"data": {"halves": 1}}, "data.halves"),
        ({"data": {"kernels": ["box"]}}, "data.kernels"),
        ({"optimizer": {"clip": "no"}}, "optimizer.clip"),
        ({"optimizer": {"muon_rate": -0.1}}, "optimizer.muon_rate"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"description": 3}, "description"),
    ],
)
def test_values_of_the_wrong_type_are_refused_by_their_place(table, place):
    with pytest.raises(UsageError, match=f"^{place} must "):
        recipe_of({"name": "x", **table})


def test_files_are_named_in_what_is_said_about_them(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("batch = 2\n[loss]\npixel_kind = 'charbonnier'\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.batch, recipe.loss.pixel_kind) == ("mine", 2, "charbonnier")
    path.write_text("name = 'other'\n")
    assert load_recipe(path).name == "other"
    path.write_text("bach = 2\n")
    with pytest.raises(UsageError, match=r"mine\.toml: unknown key bach; did you mean 'batch'"):
        load_recipe(path)
    path.write_text("batch = = 2")
    with pytest.raises(UsageError, match=r"mine\.toml: cannot read the recipe"):
        load_recipe(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match=r"mine\.toml: cannot read the recipe"):
        load_recipe(path)
    with pytest.raises(UsageError, match=r"none\.toml: cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")


def test_a_recipe_is_found_by_path_or_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("compact-psnr")).name == "compact-psnr.toml"
    Path("compact-psnr").write_text("")
    assert find_recipe(Path("compact-psnr")) == Path("compact-psnr")
    with pytest.raises(UsageError, match=r"nosuch: no such recipe; give a TOML file or one of .*compact-psnr, "):
        find_recipe(Path("nosuch"))
    with pytest.raises(UsageError, match="no such recipe"):
        find_recipe(Path("folder/compact-gan"))


GAN = {"loss": {"adversarial": 0.1}}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"batch": 0}, "batch must be from 1 to 4096, not 0"),
        ({"lr_patch": 0}, "lr_patch must be from 1 to 4096, not 0"),
        ({"scale": 0}, "scale must be from 1 to 16, not 0"),
        ({"early": {"share": 1.5}}, "early.share must be from 0 to 1, not 1.5"),
        ({"optimizer": {"adam_rate": math.nan}}, "optimizer.adam_rate must be at least 0, and finite, not nan"),
        ({"optimizer": {"clip": math.inf}}, "optimizer.clip must be at least 0, and finite, not inf"),
        ({"optimizer": {"ema": 2}}, "optimizer.ema must be from 0 to 1, not 2"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "optimizer.betas must be from 0 to 1, not 1"),
        ({"optimizer": {"betas": [0.9]}}, "optimizer.betas must be two numbers"),
        ({"optimizer": {"steps": ["half"]}}, "optimizer.steps: 'half' is of the wrong type"),
        ({"features": {"taps": [3]}}, "features.taps: 3 is of the wrong type"),
        ({"data": {"blur": 0.7, "sharpen": 0.6}}, "data.blur and data.sharpen together must not be more than 1"),
        ({"data": {"kernels": {"box": -1}}}, "data.kernels.box must be at least 0, and finite, not -1"),
        ({"data": {"kernels": {"box": "much"}}}, "data.kernels.box must be a number, not 'much'"),
        ({"data": {"formats": {"clean": 0}}}, "data.formats: the shares must not all be 0"),
        ({"data": {"kernels": {}}}, "data.kernels: the shares must not all be 0"),
        ({"discriminator": {"dropout": 3}}, "discriminator.dropout must be from 0 to 1, not 3"),
        ({"name": "../x"}, "name: '../x' is no name for a file"),
        ({"name": ".."}, "name: '..' is no name for a file"),
        ({"lr_patch": 10, "data": {"formats": {"bc1": 1}}}, "lr_patch: 10 must be a multiple of 4 for bc1 and cmpr"),
        ({"lr_patch": 9, **GAN}, "lr_patch: 9 times 4 must be a multiple of 8"),
        ({"early": {"share": 0.5, "lr_patch": 9}, **GAN}, "lr_patch: 9 times 4 must be a multiple of 8"),
        ({"lr_patch": 7, "net": {"unshuffle": 2}}, "lr_patch: 7 must be a multiple of the net's unshuffle, 2"),
        (
            {"lr_patch": 5, "loss": {"gram": 1}, "features": {"taps": ["conv5_1"]}},
            "lr_patch: 5 is too small for features after 4 halvings",
        ),
    ],
)
def test_what_no_run_could_do_is_refused_before_any_work(table, said):
    recipe = recipe_of({"name": "x", **table})
    with pytest.raises(UsageError) as caught:
        check_recipe(recipe)
    assert str(caught.value) == said


def test_limits_let_pass_what_works():
    check_recipe(recipe_of({"name": "x", "lr_patch": 9, "data": {"formats": {"bc1": 0, "jpeg": 1}}}))
    check_recipe(recipe_of({"name": "x", "lr_patch": 8, "early": {"share": 0, "lr_patch": 9}, **GAN}))
    check_recipe(recipe_of({"name": "x", "lr_patch": 6, "loss": {"gram": 1}, "features": {"taps": ["conv5_1"]}}))


def test_a_batch_is_shared_evenly_or_not_at_all():
    recipe = recipe_of({"name": "x", "batch": 6, "early": {"share": 0.1, "batch": 8}})
    check_recipe(recipe, 2)
    with pytest.raises(UsageError, match="a batch of 8 cannot be shared by 3 processes; change batch"):
        check_recipe(recipe, 3)
    with pytest.raises(UsageError, match="a batch of 6 cannot be shared by 4 processes"):
        check_recipe(recipe, 4)


def test_the_patches_of_the_first_part_may_be_smaller():
    recipe = recipe_of({"name": "x", "batch": 3, "lr_patch": 20, "early": {"share": 0.25, "batch": 9, "lr_patch": 8}})
    assert [recipe.patches_at(s) for s in (0, 0.249, 0.25, 1)] == [(9, 8), (9, 8), (3, 20), (3, 20)]
    assert recipe.largest_patch == 20
    assert recipe_of({"name": "x", "lr_patch": 8, "early": {"share": 0.1, "lr_patch": 16}}).largest_patch == 16
    assert recipe_of({"name": "x", "lr_patch": 8}).largest_patch == 8


@pytest.mark.thorough
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_recipe_of_texup_can_be_built(path):
    recipe = load_recipe(path)
    check_recipe(recipe)
    check_recipe(recipe, 2)
    assert recipe.description
    with torch.device("meta"):  # the shapes without the numbers
        net = build_generator(recipe.net, recipe.scale)
        assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8 * recipe.scale, 8 * recipe.scale)
        if recipe.loss.adversarial:
            side = recipe.lr_patch * recipe.scale
            judge = build_discriminator(recipe.discriminator, recipe).eval()
            assert judge(torch.zeros(1, 3, side, side)).shape[0] == 1
    if recipe.loss.perceptual or recipe.loss.gram:
        assert len(build_features(replace(recipe.features, width=1 / 32), None)(torch.zeros(1, 3, 32, 32))) == len(
            recipe.features.taps
        )


def test_every_system_has_its_recipes():
    stems = {path.stem for path in SHIPPED}
    assert stems >= {"srresnet", "srgan", "esrgan-psnr", "esrgan", "features", "compact-psnr", "compact-gan"}
    assert stems >= {"rrdb-psnr", "rrdb-gan", "finetune", "finetune-gan", "esrgan-psnr-16", "esrgan-16"}


@pytest.mark.parametrize(
    ("net", "said"),
    [
        ({"architecture": "RRDBnet"}, r"net\.architecture: 'RRDBnet' is unknown; did you mean 'RRDBNet'"),
        ({"num_feet": 3}, "net: RRDBNet cannot be built: .*num_feet"),
        ({"num_feat": -4}, "net: RRDBNet cannot be built: "),
        ({"num_feat": "many"}, "net: RRDBNet cannot be built: "),
        ({"scale": 2}, "net: RRDBNet cannot be built: .*scale"),
    ],
)
def test_nets_that_cannot_be_are_refused(net, said):
    with pytest.raises(UsageError, match=said) as caught:
        build_generator(net, 4)
    assert "\n" not in str(caught.value)


def test_features_and_judges_that_cannot_be_are_refused():
    recipe = recipe_of({"name": "x", "lr_patch": 9, **GAN})
    with pytest.raises(UsageError, match=r"features\.taps: taps must be of conv1_1, .*, not conv9_9"):
        build_features(replace(recipe.features, taps=("conv9_9",)), None)
    with pytest.raises(UsageError, match="give its weights with --vgg-weights"):
        build_features(replace(recipe.features, kind="vgg19"), None)
    for name in ("SRGANDiscriminator", "VGGStyleDiscriminator"):
        with pytest.raises(UsageError, match=f"discriminator: {name} for patches of 36: "):
            build_discriminator(replace(recipe.discriminator, architecture=name), recipe)
    early = replace(recipe, lr_patch=16, early=replace(recipe.early, share=0.5, lr_patch=8))
    with pytest.raises(UsageError, match="it judges one patch size only; drop `early`"):
        build_discriminator(replace(recipe.discriminator, architecture="VGGStyleDiscriminator"), early)


def test_a_run_says_which_features_it_compared():
    recipe = recipe_of({"name": "x", "loss": {"gram": 1}, "features": {"taps": ["conv2_2"], "width": 0.25}})
    assert features_fact(recipe_of({"name": "x"}), None) == "none"
    random = "conv2_2 of VGG19's structure at 0.25 of its width, random weights, redrawn every 50 iterations"
    assert features_fact(recipe, None) == random
    once = replace(recipe, features=replace(recipe.features, redraw_every=0))
    assert features_fact(once, None).endswith("random weights, drawn once")
    assert "torchvision's weights" in features_fact(recipe, Path("vgg.pth"))
