"""Training: data, degradation, losses and optimizers against independent formulas; runs that stop go on bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from texup.cli.main import main
from texup.errors import UsageError
from texup.models.loading import load_model
from texup.models.weights import read_weights
from texup.nets.rrdbnet import RRDBNet
from texup.training.checkpoint import load_checkpoint, save_checkpoint
from texup.training.config import Recipe, load_recipe
from texup.training.data import Patches, load_pictures
from texup.training.degrade import KERNELS, cut_out_masks, degrade, downscale
from texup.training.loop import Progress, Trainer, rate_at, train, validate
from texup.training.losses import perceptual_loss, relativistic_loss
from texup.training.optimizers import Muon, build_optimizers, orthogonalise

CPU = torch.device("cpu")
TINY = {"num_feat": 8, "num_block": 1, "num_grow_ch": 4}
PSNR = Recipe("tiny", net=TINY, batch=3, lr_patch=8, downscale={"bicubic": 0.6, "box": 0.4}, mask_share=0.4)
GAN = replace(
    PSNR,
    optimizer="adam",
    perceptual_weight=0.5,
    adversarial_weight=0.1,
    consistency_weight=1.0,
    discriminator_feat=4,
    redraw_every=2,
    seed=3,
)


@pytest.fixture
def groups(wall) -> dict[str, list[np.ndarray]]:
    """Two folders of RGBA pictures, one much larger than the other."""
    opaque = np.full((48, 64, 1), 255, np.uint8)
    return {
        "a": [np.dstack((wall(48, 64, seed=k), opaque)) for k in range(4)],
        "b": [np.dstack((wall(48, 64, seed=9), opaque))],
    }


def patches(groups, seed=0) -> Patches:
    return Patches(groups, seed)


def test_the_rate_rises_then_falls_to_zero():
    assert rate_at(0, 0.1) == 0
    assert rate_at(0.05, 0.1) == pytest.approx(0.5)
    assert rate_at(0.1, 0.1) == 1
    assert rate_at(0.55, 0.1) == pytest.approx(0.5)
    assert rate_at(1, 0.1) == pytest.approx(0)
    assert rate_at(1.7, 0.1) == pytest.approx(0)  # the last iteration may end late
    assert rate_at(0, 0) == 1
    falling = [rate_at(s, 0.1) for s in np.linspace(0.1, 1, 50)]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("shape", [(6, 6), (8, 27), (27, 8), (16, 144)])
def test_muon_makes_every_direction_count_alike(shape):
    torch.manual_seed(0)
    spread = torch.diag_embed(torch.logspace(0, -1, min(shape)).expand(3, -1))
    u, _, v = torch.linalg.svd(torch.randn(3, *shape), full_matrices=False)
    result = orthogonalise(u @ spread @ v * 7)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.3
    exact = u @ v
    cosine = (result * exact).sum((1, 2)) / result.norm(dim=(1, 2)) / exact.norm(dim=(1, 2))
    assert cosine.min() > 0.95
    torch.testing.assert_close(orthogonalise(result[:1] * 100), orthogonalise(result[:1]), atol=1e-4, rtol=1e-4)


def test_muon_steps_against_the_momentum_in_one_size_whatever_the_gradient():
    torch.manual_seed(0)
    filters = [nn.Parameter(torch.randn(8, 4, 3, 3)) for _ in range(2)] + [nn.Parameter(torch.randn(72, 4, 3, 3))]
    before = [f.detach().clone() for f in filters]
    gradients = [torch.randn_like(f) * 10**k for k, f in enumerate(filters)]
    for f, gradient in zip(filters, gradients, strict=True):
        f.grad = gradient.clone()
    Muon(filters, lr=0.5).step()
    for f, old, gradient in zip(filters, before, gradients, strict=True):
        moved = (f.detach() - old).flatten(1)
        scale = max(1, f.shape[0] / 36) ** 0.5
        expected = -0.5 * scale * orthogonalise(gradient.flatten(1)[None])[0]
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=1e-3)


def test_muon_takes_the_hidden_filters_and_adam_the_rest():
    net = RRDBNet(**TINY)
    muon, adam = build_optimizers(net, "muon", 0.02, 1e-3)
    hidden = {id(p) for p in muon.param_groups[0]["params"]}
    names = {name for name, p in net.named_parameters() if id(p) in hidden}
    assert "body.0.rdb1.conv1.weight" in names
    assert "conv_up1.weight" in names
    assert not {n for n in names if n.startswith(("conv_first", "conv_last")) or n.endswith("bias")}
    rest = {id(p) for p in adam.param_groups[0]["params"]}
    assert hidden | rest == {id(p) for p in net.parameters()}
    assert not hidden & rest
    assert [len(o.param_groups[0]["params"]) for o in build_optimizers(net, "adam", 0, 0)] == [
        len(list(net.parameters()))
    ]
    with pytest.raises(ValueError, match="use adam or muon"):
        build_optimizers(net, "sgd", 0, 0)


def test_the_relativistic_loss_is_its_formula():
    torch.manual_seed(0)
    real, fake = torch.randn(3, 1, 5, 7), torch.randn(3, 1, 5, 7) - 1

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    reals, fakes = real.flatten().tolist(), fake.flatten().tolist()
    mean_real, mean_fake = sum(reals) / len(reals), sum(fakes) / len(fakes)
    up = -sum(math.log(sigmoid(r - mean_fake)) for r in reals) / len(reals)
    down = -sum(math.log(1 - sigmoid(f - mean_real)) for f in fakes) / len(fakes)
    assert float(relativistic_loss(real, fake)) == pytest.approx((up + down) / 2, rel=1e-5)
    assert relativistic_loss(real + 9, fake) < relativistic_loss(real, fake) < relativistic_loss(fake, real)
    shifted = relativistic_loss(real + 100, fake + 100)
    assert float(shifted) == pytest.approx(float(relativistic_loss(real, fake)), rel=1e-4)


def test_the_perceptual_loss_is_relative_and_zero_for_equals():
    torch.manual_seed(0)
    sr, hr = torch.rand(2, 2, 3, 32, 32)

    def features(x):
        return [x, 1000 * x[..., ::2, ::2]]

    assert perceptual_loss(features, hr, hr) == 0
    assert 0 < perceptual_loss(features, sr, hr) == pytest.approx(float((sr - hr).abs().mean() / hr.mean()), rel=0.2)


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0


def imresize(picture: np.ndarray, scale: int) -> np.ndarray:
    """Reduce (H, W) as MATLAB's imresize does: a cubic stretched by the scale, symmetric beyond the borders."""
    for axis in (0, 1):
        side = picture.shape[axis]
        weights = np.zeros((side // scale, side))
        for row in range(side // scale):
            centre = (row + 0.5) * scale - 0.5
            for tap in range(math.floor(centre - 2 * scale), math.ceil(centre + 2 * scale) + 1):
                folded = -1 - tap if tap < 0 else 2 * side - 1 - tap if tap >= side else tap
                weights[row, folded] += cubic((tap - centre) / scale)
        weights /= weights.sum(axis=1, keepdims=True)
        picture = np.moveaxis(np.tensordot(weights, picture, (1, axis)), 0, axis)
    return picture


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_reduction_is_imresize(scale):
    picture = np.random.default_rng(0).uniform(0, 1, (48, 60))
    ours = downscale(torch.from_numpy(picture)[None, None], scale, "bicubic")[0, 0].numpy()
    inside = (slice(2, -2), slice(2, -2))  # at the borders torch leaves taps out instead of folding them back
    np.testing.assert_allclose(ours[inside], imresize(picture, scale)[inside], atol=1e-4)
    assert ours.shape == (48 // scale, 60 // scale)


def test_the_other_kernels():
    picture = torch.rand(2, 3, 16, 24)
    blocks = picture.reshape(2, 3, 4, 4, 6, 4).mean((3, 5))
    torch.testing.assert_close(downscale(picture, 4, "box"), blocks)
    flat = torch.full((1, 3, 16, 16), 0.3)
    for kernel in KERNELS:
        torch.testing.assert_close(downscale(flat, 4, kernel), torch.full((1, 3, 4, 4), 0.3))
    with pytest.raises(ValueError, match="use one of bicubic, box, bilinear"):
        downscale(picture, 4, "lanczos")


def test_degraded_pictures_are_stored_ones_by_kernels_in_their_shares():
    hr = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    lr = degrade(hr, 4, {"box": 0.75, "bicubic": 0.25}, torch.Generator().manual_seed(1))
    assert lr.shape == (200, 3, 4, 4)
    assert lr.min() >= 0
    assert lr.max() <= 1
    torch.testing.assert_close(lr * 255, (lr * 255).round(), atol=1e-3, rtol=0)
    boxed = ((lr - downscale(hr, 4, "box")).abs().amax((1, 2, 3)) < 0.51 / 255).sum()
    assert 130 <= boxed <= 170
    sharp = torch.zeros(1, 3, 16, 16)
    sharp[..., :8] = 1
    assert downscale(sharp, 4, "bicubic").max() > 1  # what overshoots is cut
    assert degrade(sharp, 4, {"bicubic": 1.0}, torch.Generator()).max() == 1
    again = degrade(hr, 4, {"box": 0.75, "bicubic": 0.25}, torch.Generator().manual_seed(1))
    assert torch.equal(lr, again)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_masks_are_cut_outs(count):
    hr, lr = cut_out_masks(count, 32, 4, torch.Generator().manual_seed(count))
    assert hr.shape == (count, 3, 32, 32)
    assert lr.shape == (count, 3, 8, 8)
    for planes in (hr, lr):
        assert torch.equal(planes[:, 0], planes[:, 1])
        assert torch.equal(planes[:, 0], planes[:, 2])
    assert set(hr.unique().tolist()) == {0, 1}
    assert 0.3 < hr.mean() < 0.7
    hard = (count + 1) // 2
    assert set(lr[:hard].unique().tolist()) <= {0, 1}
    means = hr.reshape(count, 3, 8, 4, 8, 4).mean((3, 5))
    torch.testing.assert_close(lr[:hard], (means[:hard] >= 0.5).float())
    torch.testing.assert_close(lr[hard:], means[hard:])
    if count > 1:
        assert len(lr[hard:].unique()) > 2


def test_pictures_are_grouped_by_folder_and_all_become_rgba(tmp_path, wall):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    colour = wall(32, 40)
    Image.fromarray(colour).save(tmp_path / "a" / "rgb.png")
    Image.fromarray(colour[..., 0]).save(tmp_path / "a" / "grey.PNG")
    veiled = np.dstack((colour, np.full((32, 40), 9, np.uint8)))
    Image.fromarray(veiled).save(tmp_path / "a" / "deep" / "rgba.tga")
    Image.fromarray(veiled[..., 2:], "LA").save(tmp_path / "a" / "deep" / "veil.png")
    Image.fromarray(colour[..., 0].astype(np.uint16) * 256 + 3).save(tmp_path / "a" / "deep" / "sixteen.png")
    Image.fromarray(colour[:15]).save(tmp_path / "a" / "small.png")
    (tmp_path / "a" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a" / "notes.txt").write_text("x")
    groups = load_pictures([tmp_path], 32)
    assert {Path(name).name: len(group) for name, group in groups.items()} == {"a": 2, "deep": 3}
    grey, rgb = groups[str(tmp_path / "a")]
    np.testing.assert_array_equal(rgb, np.dstack((colour, np.full((32, 40), 255, np.uint8))))
    np.testing.assert_array_equal(grey[..., :3], colour[..., :1].repeat(3, 2))
    by_name = dict(zip(("rgba", "sixteen", "veil"), groups[str(tmp_path / "a" / "deep")], strict=True))
    np.testing.assert_array_equal(by_name["rgba"], veiled)
    np.testing.assert_array_equal(by_name["sixteen"][..., 0], colour[..., 0])
    np.testing.assert_array_equal(by_name["veil"], np.dstack((*[colour[..., 2]] * 3, veiled[..., 3])))
    with pytest.raises(UsageError, match="no picture of at least 41 pixels"):
        load_pictures([tmp_path], 41)


def orientations(crop: np.ndarray) -> Iterator[np.ndarray]:
    for turns in range(4):
        turned = np.rot90(crop, turns)
        yield turned
        yield turned[:, ::-1]


def test_crops_are_pieces_of_pictures_in_any_orientation():
    y, x = np.mgrid[:20, :30].astype(np.uint8)
    picture = np.dstack((y * 7, x * 8, (x + y) * 5, np.full((20, 30), 255))).astype(np.uint8)
    source = patches({"a": [picture]})
    known = {}
    for top in range(20 - 8 + 1):
        for left in range(30 - 8 + 1):
            for k, crop in enumerate(orientations(picture[top : top + 8, left : left + 8, :3])):
                known[crop.tobytes()] = (top, left, k)
    batch = source.draw(400, 8)
    assert batch.shape == (400, 3, 8, 8)
    assert batch.dtype == torch.float32
    bytes_ = (batch.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    found = [known[np.ascontiguousarray(crop).tobytes()] for crop in bytes_]
    tops, lefts, ways = map(set, zip(*found, strict=True))
    assert tops == set(range(13))
    assert lefts == set(range(23))
    assert ways == set(range(8))
    assert source.draw(2, 20).shape == (2, 3, 20, 20)


def test_crops_depend_on_the_seed_alone(groups):
    first, again, other = (patches(groups, seed).draw(20, 16) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_large_folders_rule_by_the_root_of_their_pixels():
    red, blue = (np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 0] = 200, 100
    red[..., 3] = blue[..., 3] = 255
    crops = patches({"many": [red] * 16, "one": [blue]}).draw(1000, 8)
    assert (crops[:, 0, 0, 0] > 0.6).float().mean() == pytest.approx(0.8, abs=0.05)


def test_hidden_and_flat_crops_are_rare(wall):
    picture = np.zeros((16, 64, 4), np.uint8)
    picture[:, :16, :3], picture[:, :16, 3] = wall(16, 16), 255
    picture[:, 32:48, :3], picture[:, 32:48, 3] = 90, 255
    crops = patches({"a": [picture]}).draw(300, 16)
    hidden = (crops.flatten(1).amax(1) == 0).float().mean()
    flat = (crops.flatten(1).std(1) == 0).float().mean()
    assert hidden < 0.25
    assert flat < 0.5  # of all places, three quarters hold little or nothing


def test_recipes_are_read_and_strangers_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('net = { num_feat = 8 }\nbatch = 2\noptimizer = "adam"\n')
    recipe = load_recipe(path)
    assert (recipe.name, recipe.net, recipe.batch, recipe.optimizer) == ("mine", {"num_feat": 8}, 2, "adam")
    assert recipe.lr_patch == Recipe("x").lr_patch
    path.write_text("bach = 2\nnet = {}\nlearning_rate = 1\n")
    with pytest.raises(UsageError, match=r"mine\.toml: unknown keys bach, learning_rate; known are adam_rate, "):
        load_recipe(path)
    path.write_text("batch = = 2")
    with pytest.raises(UsageError, match=r"mine\.toml: cannot read the recipe"):
        load_recipe(path)
    with pytest.raises(UsageError, match=r"none\.toml: cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("line", ['optimizer = "sgd"', "downscale = { nearest = 1.0 }"])
def test_what_no_trainer_knows_is_refused_by_name(tmp_path, line):
    path = tmp_path / "mine.toml"
    path.write_text(line)
    with pytest.raises(UsageError, match=r"mine\.toml: unknown .*(sgd|nearest).*(adam|bicubic)"):
        load_recipe(path)


def test_the_shipped_recipes_fit_the_code():
    recipes = sorted((Path(__file__).parents[2] / "weights" / "recipes").glob("*.toml"))
    assert len(recipes) >= 2
    for path in recipes:
        recipe = load_recipe(path)
        assert set(recipe.downscale) <= set(KERNELS)
        RRDBNet(scale=recipe.scale, **(recipe.net | {"num_block": 1}))


def flattened(value, prefix=""):
    """Yield the leaves of a state: tensors, numbers and texts."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(inner, f"{prefix}.{key}")
    elif isinstance(value, list | tuple):
        for k, inner in enumerate(value):
            yield from flattened(inner, f"{prefix}.{k}")
    else:
        yield prefix, value


@pytest.mark.parametrize("recipe", [PSNR, GAN], ids=["psnr", "gan"])
def test_a_run_that_stopped_goes_on_bit_for_bit(groups, tmp_path, recipe):
    whole = Trainer(recipe, patches(groups), CPU)
    losses = [whole.step(k / 6) for k in range(6)]
    first = Trainer(recipe, patches(groups), CPU)
    assert [first.step(k / 6) for k in range(3)] == losses[:3]
    save_checkpoint(tmp_path, first.state())
    torch.rand(7)
    second = Trainer(replace(recipe, seed=recipe.seed + 1), patches(groups, seed=8), CPU)
    second.load_state(load_checkpoint(tmp_path))
    assert [second.step(k / 6) for k in range(3, 6)] == losses[3:]
    assert len({loss["pixel"] for loss in losses}) == 6
    ours, theirs = dict(flattened(second.state())), dict(flattened(whole.state()))
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        same = torch.equal(ours[key], value) if isinstance(value, torch.Tensor) else ours[key] == value
        assert same, key


def test_the_losses_of_a_recipe_are_those_it_weighs(groups):
    assert set(Trainer(PSNR, patches(groups), CPU).step(0.5)) == {"pixel"}
    full = {"pixel", "consistency", "perceptual", "adversarial", "discriminator"}
    assert set(Trainer(GAN, patches(groups), CPU).step(0.5)) == full
    waiting = Trainer(replace(GAN, discriminator_warm_up=0.2), patches(groups), CPU)
    before = [p.clone() for p in waiting.generator.parameters()]
    assert set(waiting.step(0.1)) == {"discriminator"}
    assert all(torch.equal(a, b) for a, b in zip(before, waiting.generator.parameters(), strict=True))
    waiting.step(0.2)
    assert not all(torch.equal(a, b) for a, b in zip(before, waiting.generator.parameters(), strict=True))


def test_training_lowers_the_loss_and_the_average_follows(groups):
    recipe = replace(PSNR, mask_share=0, ema=0.5, warm_up=0.0)
    trainer = Trainer(recipe, patches(groups), CPU)
    losses = [trainer.step(0.1)["pixel"] for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])
    for average, value in zip(trainer.ema.parameters(), trainer.generator.parameters(), strict=True):
        assert not torch.equal(average, value)
        torch.testing.assert_close(average, value, atol=0.2, rtol=0.5)


def test_masks_take_the_place_of_crops(groups):
    lr, hr = Trainer(replace(PSNR, mask_share=1.0), patches(groups), CPU).batch()
    assert set(hr.unique().tolist()) == {0, 1}
    assert lr.shape == (3, 3, 8, 8)
    lr, hr = Trainer(replace(PSNR, mask_share=0.0), patches(groups), CPU).batch()
    assert len(hr.unique()) > 10


def test_validation_measures_against_the_whole_picture(groups, nearest_model):
    picture = groups["a"][0]
    score = validate(nearest_model(4).net, [picture[:47, :63]], 4, CPU)
    assert 10 < score < 40
    flat = np.full((32, 32, 4), 120, np.uint8)
    assert validate(nearest_model(4).net, [flat], 4, CPU) > 60


def test_a_resumed_run_needs_its_checkpoint(groups, tmp_path, wall):
    Image.fromarray(wall(48, 48)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="no checkpoint to resume from"):
        next(train(PSNR, [tmp_path], tmp_path / "run", seconds=1, resume=True))


def test_a_run_goes_on_from_its_checkpoint(tmp_path, wall, monkeypatch):
    monkeypatch.setattr("texup.training.loop.VALIDATE_EVERY", 2)
    (tmp_path / "data").mkdir()
    Image.fromarray(wall(64, 64)).save(tmp_path / "data" / "a.png")
    run = train(PSNR, [tmp_path / "data"], tmp_path / "run", seconds=600, val=tmp_path / "data")
    first: Progress = next(run)
    assert first.iteration == 2
    assert 0 < first.share < 1
    assert first.psnr is not None
    run.close()
    assert not list((tmp_path / "run").glob("*.safetensors"))
    spent = load_checkpoint(tmp_path / "run")["spent"]
    resumed = list(train(PSNR, [tmp_path / "data"], tmp_path / "run", seconds=spent + 1e-6, resume=True))
    assert resumed[-1].iteration == 3
    assert resumed[-1].share == 1
    written = read_weights(tmp_path / "run" / "tiny.safetensors")
    assert written.metadata["iterations"] == "3"
    assert written.metadata["recipe"] == "tiny"
    finite = all(torch.isfinite(v).all() for v in written.state.values())
    assert finite


RECIPE = """
net = { num_feat = 8, num_block = 1, num_grow_ch = 4 }
batch = 2
lr_patch = 8
optimizer = "adam"
mask_share = 0.2
"""


def test_the_command_trains_weights_that_upscale(tmp_path, wall, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for k in range(3):
        Image.fromarray(wall(64, 64, seed=k)).save(f"data/{k}.png")
    Path("mini.toml").write_text(RECIPE)
    arguments = [
        "train",
        "mini.toml",
        "--data",
        "data",
        "--val",
        "data",
        "--out",
        "run",
        "--seconds",
        "0.4",
        "--device",
        "cpu",
    ]
    main(arguments, standalone_mode=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "wrote run/mini.safetensors"
    assert lines[-2].startswith("100% iteration ")
    assert "PSNR-Y" in lines[-2]
    model = load_model(Path("run/mini.safetensors"))
    assert (model.architecture, model.scale, model.hyper["num_feat"]) == ("RRDBNet", 4, 8)
    upscale = [
        "upscale",
        "data/0.png",
        "-o",
        "big.png",
        "--model",
        "run/mini.safetensors",
        "--overlap",
        "4",
        "--device",
        "cpu",
    ]
    assert main(upscale, standalone_mode=False) == 0
    with Image.open("big.png") as picture:
        assert picture.size == (256, 256)
    more = [*arguments[:-3], "0.6", "--device", "cpu", "--resume"]
    main(more, standalone_mode=False)
    again = int(capsys.readouterr().err.splitlines()[-2].split("iteration ")[1].split(":")[0])
    assert again > int(lines[-2].split("iteration ")[1].split(":")[0])
    main([*arguments[:-3], "0.05", "--init", "run/mini.safetensors"], standalone_mode=False)
    Path("other.toml").write_text(RECIPE.replace("num_block = 1", "num_block = 2"))
    with pytest.raises(UsageError, match="do not fit the recipe's net"):
        main(["train", "other.toml", *arguments[2:], "--init", "run/mini.safetensors"], standalone_mode=False)
