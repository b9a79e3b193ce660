"""One iteration of training: who learns, from which losses, at which rate; and states that go on bit for bit."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from texup.degradations import downscale, round_8bit
from texup.errors import UsageError
from texup.training.config import recipe_of
from texup.training.data.pictures import Patches, Picture
from texup.training.objective.optimizers import rate_at
from texup.training.objective.systems import frozen
from texup.training.run import trainer as trainer_module
from texup.training.run.trainer import Trainer

CPU = torch.device("cpu")
SMALL = {"batch": 2, "lr_patch": 8}
COMPACT = {"architecture": "SRVGGNetCompact", "num_feat": 4, "num_conv": 2}
DATA = {
    "kernels": {"bicubic": 0.5, "box": 0.5},
    "formats": {"clean": 0.4, "ci4": 0.3, "jpeg": 0.3},
    "blur": 0.3,
    "noise": 0.5,
}
FEATURES = {"width": 1 / 16, "taps": ["conv1_2", "conv3_1"], "redraw_every": 2}
RECIPES = {
    "psnr": {"net": COMPACT, "optimizer": {"kind": "muon"}},
    "srgan": {
        "net": {"architecture": "SRResNet", "num_feat": 4, "num_block": 1},
        "optimizer": {"kind": "adam", "ema": 0, "clip": 0},
        "loss": {"pixel": 4, "pixel_kind": "mse", "perceptual": 0.006, "adversarial": 1e-3},
        "features": FEATURES | {"before_activation": False, "criterion": "mse"},
        "discriminator": {
            "architecture": "SRGANDiscriminator",
            "num_feat": 4,
            "residual": True,
            "dropout": 0.3,
            "relativistic": False,
        },
    },
    "esrgan": {
        "net": {"architecture": "RRDBNet", "num_feat": 4, "num_block": 1, "num_grow_ch": 4},
        "loss": {"pixel": 1e-2, "perceptual": 1, "adversarial": 5e-3},
        "features": FEATURES | {"criterion": "l1"},
        "discriminator": {"architecture": "VGGStyleDiscriminator", "num_feat": 4},
    },
    "game": {
        "net": COMPACT,
        "optimizer": {"kind": "muon", "schedule": "steps", "steps": [0.5]},
        "early": {"share": 0.4, "batch": 3, "lr_patch": 8},
        "data": DATA,
        "loss": {
            "pixel": 1,
            "consistency": 1,
            "perceptual": 0.5,
            "gram": 0.1,
            "adversarial": 0.05,
            "matching": 0.5,
            "ldl": 1,
        },
        "features": FEATURES,
        "discriminator": {"num_feat": 4, "warm_up": 0.2},
    },
}


def make(name: str, **changes) -> Trainer:
    """Return the trainer of one of the recipes on two small pictures; ``changes`` replace whole values of it."""
    recipe = recipe_of({"name": name, **SMALL, **RECIPES[name], **changes})
    return Trainer(recipe, patches(recipe.seed), CPU)


def patches(seed=0, *, flat=False, device=CPU) -> Patches:
    dice = np.random.default_rng(4)
    pictures = []
    for _ in range(2):
        smooth = np.kron(dice.integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1)))
        colour = np.clip(smooth + dice.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
        colour = np.full_like(colour, 90) if flat else colour
        pictures.append(Picture("a", np.dstack((colour, np.full((96, 96), 255, np.uint8))), (False, False)))
    return Patches(pictures, torch.Generator().manual_seed(seed), device)


def values(net: nn.Module) -> list[torch.Tensor]:
    return [v.detach().clone() for v in net.state_dict().values()]


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("psnr", {"pixel"}),
        ("srgan", {"pixel", "perceptual", "adversarial", "discriminator"}),
        ("esrgan", {"pixel", "perceptual", "adversarial", "discriminator"}),
        (
            "game",
            {"pixel", "consistency", "perceptual", "gram", "adversarial", "matching", "ldl", "discriminator"},
        ),
    ],
)
def test_every_kind_of_recipe_learns_from_the_losses_that_it_weighs(name, losses):
    trainer = make(name)
    before = values(trainer.generator)
    found = trainer.step(0.5)
    assert set(found) == losses
    assert all(torch.isfinite(value) and not value.requires_grad for value in found.values())
    assert not same(before, values(trainer.generator))
    assert trainer.iteration == 1


def test_a_weight_scales_its_loss():
    loss = RECIPES["game"]["loss"]
    once = make("game").step(0.5)
    for name in loss:
        twice = make("game", loss=loss | {name: 2 * loss[name]}).step(0.5)
        assert float(twice[name]) == pytest.approx(2 * float(once[name]), rel=1e-5), name
        assert all(float(twice[other]) == float(once[other]) for other in loss if other != name)


def test_the_pixel_loss_is_the_distance_of_the_pictures_before_the_step(monkeypatch):
    monkeypatch.setattr(trainer_module, "multiplies_bfloat16", lambda _device: False)
    trainer, again = make("psnr"), make("psnr")
    lr, hr = again.batch(0.5)
    expected = (again.generator(lr) - hr).abs().mean().detach()
    assert float(trainer.step(0.5)["pixel"]) == pytest.approx(float(expected), rel=1e-6)


def test_pictures_are_shrunk_before_anything_else():
    data = {"shrink": 2, "kernels": {"box": 1.0}, "formats": {"clean": 1.0}}
    trainer = make("psnr", scale=1, net=COMPACT, data=data)
    lr, hr = trainer.batch(0.5)
    again = patches(trainer.recipe.seed)
    count, side = trainer.recipe.patches_at(0.5)
    drawn, _ = again.draw(count, 2 * side)
    expected = round_8bit(downscale(drawn, 2, "box"))
    assert torch.equal(hr, expected)
    assert torch.equal(lr, expected)


def test_the_discriminator_learns_alone_while_it_warms_up():
    trainer = make("game", early={})
    generator, average, judge = values(trainer.generator), values(trainer.ema), values(trainer.discriminator)
    assert set(trainer.step(0.1)) == {"discriminator"}
    assert trainer.is_waiting(0.1)
    assert same(generator, values(trainer.generator))
    assert same(average, values(trainer.ema))
    assert not same(judge, values(trainer.discriminator))
    assert "pixel" in trainer.step(0.2)
    assert not trainer.is_waiting(0.2)
    assert not make("psnr").is_waiting(0.0)


def test_each_net_is_moved_by_its_own_optimizer_only():
    trainer = make("esrgan")
    judge = [p.detach().clone() for p in trainer.discriminator.parameters()]
    trainer.d_optimizer.step = lambda: None
    trainer.step(0.5)
    assert same(judge, [p.detach() for p in trainer.discriminator.parameters()])
    trainer = make("esrgan")
    net = [p.detach().clone() for p in trainer.generator.parameters()]
    for optimizer in trainer.optimizers:
        optimizer.step = lambda: None
    trainer.step(0.5)
    assert same(net, [p.detach() for p in trainer.generator.parameters()])
    assert all(p.requires_grad for p in trainer.discriminator.parameters())
    trainer.d_optimizer.zero_grad()
    lr, hr = trainer.batch(0.5)
    torch.stack(list(trainer.generator_losses(trainer.generator(lr), lr, hr).values())).sum().backward()
    assert all(p.grad is None for p in trainer.discriminator.parameters())
    assert all(p.grad is not None for p in trainer.generator.parameters())
    assert not any(p.requires_grad for p in trainer.features.parameters())


def test_a_frozen_net_lets_gradients_through_and_thaws_after_an_error():
    net, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen(net):
        net(x).sum().backward()
    assert x.grad is not None
    assert net.weight.grad is None
    with pytest.raises(KeyError), frozen(net):
        raise KeyError
    assert net.weight.requires_grad


def test_the_average_follows_the_formula():
    trainer = make("psnr", optimizer={"kind": "adam", "ema": 0.3, "warm_up": 0})
    expected = values(trainer.generator)
    for k in range(4):
        trainer.step(0.1)
        decay = min(0.3, (1 + k) / (10 + k))
        expected = [a * decay + v * (1 - decay) for a, v in zip(expected, values(trainer.generator), strict=True)]
        for average, value in zip(values(trainer.ema), expected, strict=True):
            torch.testing.assert_close(average, value)
    last = make("srgan")  # without an average, and with batch norm
    last.step(0.1)
    assert same(values(last.ema), values(last.generator))
    assert not last.ema.training


@pytest.mark.parametrize("name", ["psnr", "game"])
def test_every_rate_follows_the_schedule(name):
    trainer = make(name)
    base = list(trainer.base_rates)
    for share in (0.005, 0.3, 0.8):
        trainer.step(share)
        rates = [group["lr"] for group in trainer._groups()]
        assert rates == [rate * rate_at(share, trainer.recipe.optimizer) for rate in base]
    assert len(rates) == (3 if name == "game" else 2)


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_long_gradients_of_the_generator_are_shortened(clip):
    trainer = make("psnr", optimizer={"kind": "adam", "clip": clip})
    seen = []
    trainer.optimizers[0].step = lambda: seen.extend(p.grad.flatten() for p in trainer.generator.parameters())
    trainer.step(0.5)
    norm = float(torch.cat(seen).norm())
    assert norm == pytest.approx(clip, rel=1e-3) if clip else norm > 1e-2


def test_random_features_are_redrawn_every_few_iterations():
    trainer = make("esrgan")
    drawn = []
    for _ in range(5):
        trainer.step(0.5)
        drawn.append(values(trainer.features))
    assert [same(a, b) for a, b in itertools.pairwise(drawn)] == [True, False, True, False]
    once = make("esrgan", features=FEATURES | {"redraw_every": 0})
    first = values(once.features)
    for _ in range(3):
        once.step(0.5)
    assert same(first, values(once.features))
    assert once.redrawn_from is None


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


@pytest.mark.parametrize("name", RECIPES)
def test_a_state_goes_on_bit_for_bit(name):
    whole = make(name)
    losses = [whole.step(k / 6) for k in range(6)]
    first = make(name)
    assert [first.step(k / 6) for k in range(3)] == losses[:3]
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    torch.rand(7)  # whatever happens between two runs of a program
    second = make(name, seed=8)
    second.step(0.9)
    second.load_state(torch.load(file, weights_only=True))
    assert [second.step(k / 6) for k in range(3, 6)] == losses[3:]
    assert len({float(loss["discriminator" if "discriminator" in loss else "pixel"]) for loss in losses}) == 6
    ours, theirs = dict(flattened(second.state())), dict(flattened(whole.state()))
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert torch.equal(ours[key], value) if isinstance(value, torch.Tensor) else ours[key] == value, key


def test_a_state_on_a_gpu_has_the_dice_of_the_gpu(monkeypatch):
    dice, thrown = torch.arange(16, dtype=torch.uint8), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: dice)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: thrown.append(state))
    trainer = make("psnr")
    on_cpu = trainer.state()
    trainer.device = torch.device("cuda")
    on_gpu = trainer.state()
    assert ("cuda_rng" in on_cpu, on_gpu["cuda_rng"] is dice) == (False, True)
    trainer.load_state(on_cpu)
    assert thrown == []
    trainer.load_state(on_gpu)
    assert thrown[0] is dice
    trainer.device = CPU
    trainer.load_state(on_gpu)  # what was trained on a GPU may go on without one
    assert len(thrown) == 1


def test_a_state_is_small_though_the_feature_net_is_large():
    trainer = make("esrgan", features=FEATURES | {"width": 0.5})
    trainer.step(0.5)
    size = sum(v.nbytes for _, v in flattened(trainer.state()) if isinstance(v, torch.Tensor))
    assert size < sum(v.nbytes for v in values(trainer.features)) / 2 + sum(
        3 * v.nbytes for net in (trainer.generator, trainer.ema, trainer.discriminator) for v in values(net)
    )


def test_training_lowers_the_loss():
    trainer = make("psnr", net=RECIPES["esrgan"]["net"], optimizer={"kind": "muon", "warm_up": 0, "adam_rate": 5e-3})
    losses = [float(trainer.step(0.1)["pixel"]) for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


@pytest.mark.parametrize("name", RECIPES)
def test_pictures_of_one_colour_do_no_harm(name):
    recipe = recipe_of({"name": name, **SMALL, **RECIPES[name]})
    trainer = Trainer(recipe, patches(flat=True), CPU)
    for k in range(3):
        assert all(torch.isfinite(loss) for loss in trainer.step(0.3 + k / 10).values())
    assert all(torch.isfinite(v).all() for v in values(trainer.generator))


def test_weights_to_start_from_must_be_of_the_same_net():
    trainer, other = make("psnr"), make("psnr", seed=5)
    trainer.begin_from(other.generator.state_dict())
    assert same(values(trainer.generator), values(other.generator))
    assert same(values(trainer.ema), values(other.generator))
    with pytest.raises(UsageError, match="do not fit the recipe's net; change `net` or `scale`"):
        trainer.begin_from(make("esrgan").generator.state_dict())


def test_a_net_without_hidden_filters_is_not_for_muon():
    with pytest.raises(UsageError, match="optimizer: muon cannot train this net"):
        make("psnr", net=COMPACT | {"num_conv": 0})


def test_patches_change_their_size_on_the_way():
    trainer = make("game", early={"share": 0.5, "batch": 3, "lr_patch": 4})
    early, late = trainer.batch(0.4), trainer.batch(0.6)
    assert [tuple(t.shape) for t in early] == [(3, 3, 4, 4), (3, 3, 16, 16)]
    assert [tuple(t.shape) for t in late] == [(2, 3, 8, 8), (2, 3, 32, 32)]


@pytest.mark.parametrize(("bfloat16", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_the_device_decides_the_precision(monkeypatch, bfloat16, dtype):
    monkeypatch.setattr(trainer_module, "multiplies_bfloat16", lambda _device: bfloat16)
    seen = []
    trainer = make("psnr")
    trainer.generator.body[0].register_forward_hook(lambda _net, _given, result: seen.append(result.dtype))
    losses = trainer.step(0.5)
    assert seen == [dtype]
    assert all(loss.dtype == torch.float32 for loss in losses.values())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", RECIPES)
def test_a_gpu_trains_in_bfloat16(name):
    recipe = recipe_of({"name": name, **SMALL, **RECIPES[name]})
    trainer = Trainer(recipe, patches(device=torch.device("cuda")), torch.device("cuda"))
    seen = []
    first = next(m for m in trainer.generator.modules() if isinstance(m, nn.Conv2d))
    first.register_forward_hook(lambda _net, _given, result: seen.append(result.dtype))
    for k in range(3):
        losses = trainer.step(0.3 + k / 10)
        assert all(torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values())
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 and p.is_cuda for p in trainer.generator.parameters())
