"""Every recipe that comes with texup, for a minute: smaller patches and batches, but its own nets and losses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from texup.models.loading import load_model
from texup.models.weights import read_weights
from texup.training.config import Early, Recipe, load_recipe
from texup.training.data.pictures import Patches, Picture, drawn
from texup.training.run import loop
from texup.training.run.distributed import World
from texup.training.run.loop import Budget, TrainingRun, train
from texup.training.run.trainer import Trainer

RECIPES = sorted((Path(__file__).parents[2] / "weights" / "recipes").glob("*.toml"))
SECONDS = 60
ANY_NET = {"architecture": "SRVGGNetCompact", "num_feat": 32, "num_conv": 8}  # for recipes that take a model's net


@torch.no_grad()
def loss_of(recipe: Recipe, pictures: list[Picture], weights: dict[str, torch.Tensor] | None) -> float:
    """Return what a generator loses on sixteen fixed patches: to features where the recipe has them, else to pixels.

    A recipe with features is a second stage: it gives away pixels, and its judge knows nothing yet.
    """
    source = Patches(pictures, torch.Generator().manual_seed(5), torch.device("cpu"))
    trainer = Trainer(replace(recipe, batch=16), source, torch.device("cpu"))
    if weights is not None:
        trainer.begin_from(weights)
    lr, hr = trainer.batch(0.5)
    losses = trainer.generator_losses(trainer.generator.eval()(lr), lr, hr)
    return float(losses.get("perceptual", losses["pixel"]))


@pytest.fixture
def _all_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_all_cores")
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_lowers_its_loss_within_a_minute(path, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "DRAWN_COUNT", 30)
    monkeypatch.setattr(loop, "CHECKS", 3)  # each writes a checkpoint, which takes longer here than what lies between
    recipe = replace(load_recipe(path), batch=2, lr_patch=16, early=Early())
    if recipe.net == {"architecture": "RRDBNet"}:
        recipe = replace(recipe, net=ANY_NET)
    pictures = drawn(40, 128, seed=3)
    run = TrainingRun(recipe, tmp_path / "run", [tmp_path], torch.device("cpu"), World(), pictures=pictures)
    # The compact net begins as its input enlarged: its second stage has nothing to gain without the first.
    start = read_weights(path.parents[1] / "texup-x4-fast.safetensors").state if path.stem == "compact-gan" else None
    list(train(run, Budget(seconds=SECONDS), init=start))
    assert load_model(run.weights).scale == recipe.scale
    after = loss_of(recipe, pictures, read_weights(run.weights).state)
    assert after < loss_of(recipe, pictures, start)
