"""Whole runs: checks on the way, runs that stop and go on bit for bit, that diverge, that would overwrite another."""

from __future__ import annotations

import csv
import json
import math
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from texup.errors import LockedError, OutputError, TexupError, UsageError
from texup.locks import output_lock
from texup.models.loading import load_model
from texup.models.weights import read_weights
from texup.training.config import recipe_of
from texup.training.data.pictures import load_pictures
from texup.training.run import loop, records, throughput
from texup.training.run.checkpoint import INDEX, NAME, load_checkpoint
from texup.training.run.checks import DIVERGED, ENOUGH, Diverged, divergence
from texup.training.run.distributed import World
from texup.training.run.loop import Budget, TrainingRun, train

TINY = {
    "name": "tiny",
    "net": {"architecture": "SRVGGNetCompact", "num_feat": 4, "num_conv": 2},
    "batch": 2,
    "lr_patch": 8,
}
FULL = TINY | {
    "name": "full",
    "optimizer": {"kind": "muon"},
    "data": {"drawn": 0.4, "formats": {"clean": 0.4, "ci8": 0.3, "jpeg": 0.3}, "blur": 0.3, "noise": 0.5},
    "loss": {
        "pixel": 1,
        "consistency": 1,
        "perceptual": 0.5,
        "gram": 0.1,
        "adversarial": 0.05,
        "matching": 0.5,
        "ldl": 1,
    },
    "features": {"width": 1 / 16, "taps": ["conv1_2", "conv3_1"], "redraw_every": 2},
    "discriminator": {"architecture": "SRGANDiscriminator", "num_feat": 4, "residual": True, "dropout": 0.3},
}


CURVES = records.curves


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(loop, "DRAWN_COUNT", 3)
    monkeypatch.setattr(loop, "DRAWN_SIDE", 64)
    monkeypatch.setattr(throughput, "SIDE", {"cpu": 64})
    monkeypatch.setattr(records, "is_installed", lambda: True)
    monkeypatch.setattr(records, "curves", lambda history: bytes([len(history)]))


@pytest.fixture
def data(tmp_path, wall) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for k in range(2):
        Image.fromarray(wall(64, 48, seed=k)).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def run(tmp_path, data) -> TrainingRun:
    return TrainingRun(recipe_of(TINY), tmp_path / "run", [data], torch.device("cpu"), World(), [data])


def until(run: TrainingRun, iterations: int, stop: int, *, resume=False) -> None:
    """Train, and end without a word after the report of iteration ``stop``."""
    reports = train(run, Budget(iterations=iterations), resume=resume)
    for report in reports:
        if report.iteration == stop:
            break
    reports.close()


def log(run: TrainingRun) -> list[dict[str, str]]:
    rows = csv.DictReader((run.folder / "log.csv").read_text().splitlines())
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def leaves(value):
    """Yield the leaves of a state, without what a clock told."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner) if key not in ("seconds", "spent") else ()
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value.tolist() if isinstance(value, torch.Tensor) else value


def assert_equal(ours: TrainingRun, theirs: TrainingRun) -> None:
    assert ours.weights.read_bytes() == theirs.weights.read_bytes()
    assert log(ours) == log(theirs)
    assert list(leaves(load_checkpoint(ours.folder))) == list(leaves(load_checkpoint(theirs.folder)))
    for name in ("curves.png", "samples.png", "film.webp"):
        assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes(), name


@pytest.mark.thorough
@pytest.mark.parametrize("table", [TINY, FULL], ids=["psnr", "full"])
@pytest.mark.parametrize(("checks", "stop"), [(50, 3), (2, 5)])
def test_three_iterations_and_three_more_are_six(run, tmp_path, monkeypatch, table, checks, stop):
    monkeypatch.setattr(loop, "CHECKS", checks)
    monkeypatch.setattr(throughput, "REPORT_SECONDS", 0.0)
    whole, parted = (replace(run, recipe=recipe_of(table), folder=tmp_path / name) for name in ("whole", "parted"))
    until(whole, 6, 6)
    list(train(whole, Budget(iterations=6), resume=True))  # the film, which a run that is cut off does not make
    until(parted, 6, stop)
    assert load_checkpoint(parted.folder)["trainer"]["iteration"] == 3
    torch.rand(3)
    assert [r.iteration for r in train(parted, Budget(iterations=6), resume=True)] == [4, 5, 6]
    assert_equal(parted, whole)
    assert len({row["pixel_loss"] for row in log(whole)}) == len(log(whole)) == (6 if checks == 50 else 2)


def test_parts_and_one_file_go_on_from_each_other(run, tmp_path):
    whole = replace(run, folder=tmp_path / "whole")
    list(train(whole, Budget(iterations=4)))
    small = replace(run, part_size=5000)
    until(small, 4, 1)
    assert len(list(run.folder.glob("*.part"))) > 1
    until(run, 4, 2, resume=True)
    assert (run.folder / NAME).exists()
    assert not list(run.folder.glob("*.part"))
    list(train(small, Budget(iterations=4), resume=True))
    assert (run.folder / INDEX).exists()
    assert not (run.folder / NAME).exists()
    assert_equal(run, whole)


@pytest.mark.parametrize(("iterations", "expected"), [(1, 1), (3, 3), (50, 50), (75, 50), (120, 50)])
def test_a_run_is_checked_fifty_times_or_at_every_iteration(run, monkeypatch, iterations, expected):
    monkeypatch.setattr("texup.training.run.trainer.Trainer.step", count_only)
    monkeypatch.setattr("texup.training.run.loop._check", lambda *_: None)
    reports = [report for report in train(run, Budget(iterations=iterations)) if report.checked]
    assert len(reports) == expected
    assert reports[-1].iteration == iterations
    assert reports[-1].share == 1
    gaps = np.diff([0, *(report.iteration for report in reports)])
    assert gaps.max() - gaps.min() <= 1


def count_only(trainer, _share):
    trainer.iteration += 1
    return {"pixel": torch.tensor(0.1)}


def test_a_run_of_one_iteration_leaves_everything(run, monkeypatch):
    monkeypatch.setattr(records, "curves", CURVES)
    (report,) = train(run, Budget(iterations=1))
    assert (report.iteration, report.share, report.checked) == (1, 1.0, True)
    assert 5 < report.psnr < 60
    assert report.lr_pixels > 0
    assert 0 < report.peak_share < 9  # of a peak that is measured on tiny matrices here
    names = {path.name for path in run.folder.iterdir()}
    expected = {"tiny.safetensors", NAME, "log.csv", "curves.png", "card.json", "samples.png", "frames", "film.webp"}
    assert names == expected
    assert load_model(run.weights).scale == 4
    assert read_weights(run.weights).metadata == {"texup": "1", "recipe": "tiny", "iterations": "1"}
    (row,) = log(run)
    assert float(row["psnr"]) == pytest.approx(report.psnr)


def test_a_run_in_seconds_ends_when_they_are_spent(run):
    reports = list(train(replace(run, val=()), Budget(seconds=0.3)))
    assert reports[-1].share == 1
    assert 0.3 <= reports[-1].seconds < 5
    assert reports[-1].psnr is None
    shares = [report.share for report in reports]
    assert shares == sorted(shares)
    assert not (run.folder / "film.webp").exists()


def test_the_card_says_what_was_trained_on_what(run, data):
    list(train(replace(run, recipe=recipe_of(FULL)), Budget(iterations=1)))
    card = json.loads((run.folder / "card.json").read_text())
    assert recipe_of(card["recipe"]) == recipe_of(FULL)
    assert card["features"].startswith("conv1_2, conv3_1 of VGG19's structure at 0.0625 of its width, random weights")
    (fact,) = card["data"]
    assert (fact["folder"], fact["pictures"], len(fact["sha256"])) == ("data", 2, 64)
    assert card["validation"]["pictures"] == 2
    assert set(card["software"]) == {"texup", "python", "torch", "numpy", "device", "threads"}
    assert card["reached"]["iteration"] == 1
    assert {"seconds", "psnr", "pixel_loss", "discriminator_loss"} <= card["reached"].keys()


def test_pictures_may_come_from_the_caller(run, data):
    pictures = load_pictures([data], 32)
    given = replace(run, data=[data / "none"], val=(), pictures=pictures, held_out=pictures[:1])
    with pytest.raises(UsageError, match="no such folder"):
        list(train(replace(given, pictures=()), Budget(iterations=1)))
    given = replace(given, data=[data])
    (report,) = train(given, Budget(iterations=1))
    assert report.psnr is not None


def test_a_run_begins_from_other_weights(run, tmp_path):
    list(train(run, Budget(iterations=2)))
    state = read_weights(run.weights).state
    still = recipe_of(TINY | {"optimizer": {"adam_rate": 0}})
    again = replace(run, recipe=still, folder=tmp_path / "again")
    list(train(again, Budget(iterations=1), init=state))
    assert all(torch.equal(v, state[k]) for k, v in read_weights(again.weights).state.items())


def test_a_finished_run_can_be_lengthened(run):
    list(train(run, Budget(iterations=2)))
    assert list(train(run, Budget(iterations=2), resume=True)) == []
    reports = list(train(run, Budget(iterations=4), resume=True))
    assert [report.iteration for report in reports] == [3, 4]
    assert [row["iteration"] for row in log(run)] == ["1", "2", "3", "4"]
    assert len(list((run.folder / "frames").iterdir())) == 4


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_that_holds_a_run_is_not_begun_anew(run):
    list(train(run, Budget(iterations=1)))
    before = snapshot(run.folder)
    other = replace(run, recipe=recipe_of(TINY | {"name": "other", "seed": 4}))
    for again in (run, other):
        with pytest.raises(UsageError, match=r"run: holds a run already; go on with it by --resume, or choose another"):
            next(train(again, Budget(iterations=1)))
    with pytest.raises(UsageError, match=r"begun with another recipe \(name, seed differ\); choose another --out"):
        next(train(other, Budget(iterations=1), resume=True))
    assert snapshot(run.folder) == before
    (run.folder / NAME).unlink()
    with pytest.raises(UsageError, match="holds a run already"):  # its weights are worth as much
        next(train(run, Budget(iterations=1)))


def test_other_features_are_another_run(run, monkeypatch):
    run = replace(run, recipe=recipe_of(FULL))
    list(train(run, Budget(iterations=1)))
    with pytest.raises(UsageError, match=r"begun with other features \(conv1_2, .*\); mind --vgg-weights"):
        next(train(replace(run, vgg_weights=Path("vgg.pth")), Budget(iterations=2), resume=True))


def test_nothing_to_resume_leaves_nothing(run):
    with pytest.raises(UsageError, match=r"checkpoint\.pt: no checkpoint to resume from"):
        next(train(run, Budget(iterations=1), resume=True))
    assert not run.folder.exists()
    run.folder.mkdir()
    with pytest.raises(UsageError, match="no checkpoint to resume from"):
        next(train(run, Budget(iterations=1), resume=True))
    assert list(run.folder.iterdir()) == []


def test_a_folder_is_held_by_one_run_at_a_time(run):
    with output_lock(run.folder), pytest.raises(LockedError, match="another texup run"):
        next(train(run, Budget(iterations=1)))
    list(train(run, Budget(iterations=1)))
    assert not (run.folder / ".texup-lock").exists()


def test_too_little_memory_is_said_in_one_line(run, monkeypatch):
    def greedy(_trainer, _share):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 9 GiB")

    monkeypatch.setattr("texup.training.run.trainer.Trainer.step", greedy)
    with pytest.raises(TexupError, match=r"cpu is out of memory; lower batch or lr_patch in the recipe$"):
        next(train(run, Budget(iterations=1)))


def test_what_a_killed_run_left_half_written_goes(run):
    run.folder.mkdir()
    (run.folder / ".texup-0123456789ab.tmp").write_bytes(b"torn")
    list(train(run, Budget(iterations=1)))
    assert not list(run.folder.glob(".texup-*"))


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(run, data):
    with pytest.raises(OutputError, match=r"0\.png"):
        next(train(replace(run, folder=data / "0.png" / "run"), Budget(iterations=1)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": [Path("none")]}, "none: no such folder of pictures"),
        ({"val": [Path("none")]}, "none: no such folder of pictures"),
        ({"recipe": recipe_of(TINY | {"lr_patch": 20})}, r"data: no picture of at least 80 pixels a side \(2 are "),
        ({"recipe": recipe_of(TINY | {"batch": 0})}, "batch must be from 1"),
        ({"recipe": recipe_of(TINY | {"net": {"num_feat": "x"}})}, "net: RRDBNet cannot be built"),
        ({"recipe": recipe_of(TINY | {"net": {"architecture": "GAN"}})}, "'GAN' is unknown"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(run, change, said):
    with pytest.raises(UsageError, match=said) as caught:
        next(train(replace(run, **change), Budget(iterations=1)))
    assert "\n" not in str(caught.value)
    assert not run.folder.exists()


def test_pictures_to_measure_on_may_be_small_but_not_tiny(run, tmp_path, wall):
    small = tmp_path / "small"
    small.mkdir()
    Image.fromarray(wall(15, 40)).save(small / "a.png")
    with pytest.raises(UsageError, match="small: no picture of at least 16 pixels a side to measure on"):
        next(train(replace(run, val=[small]), Budget(iterations=1)))
    Image.fromarray(wall(17, 19)).save(small / "b.png")
    Image.fromarray(np.full((64, 64), 9, np.uint8)).save(small / "c.png")
    (report,) = train(replace(run, val=[small]), Budget(iterations=1))
    assert math.isfinite(report.psnr)
    assert json.loads((run.folder / "card.json").read_text())["validation"]["pictures"] == 2


def test_a_run_that_went_astray_stops_and_keeps_the_last_good_weights(run, monkeypatch):
    reports = train(run, Budget(iterations=9))
    for _ in range(3):
        next(reports)
    good = snapshot(run.folder)
    trainer = next(v for v in reports.gi_frame.f_locals.values() if hasattr(v, "generator"))
    with torch.no_grad():
        trainer.generator.body[0].weight[0] = math.nan
    with pytest.raises(Diverged) as caught:
        next(reports)
    said = str(caught.value)
    assert said.startswith("tiny diverged by iteration 4 (the pixel loss is not finite); the weights of iteration 3")
    assert said.endswith(f"are in {run.weights}; go on from them by --init with lower rates and another --out")
    assert {k: v for k, v in snapshot(run.folder).items() if not k.startswith(".")} == {
        k: v for k, v in good.items() if not k.startswith(".")
    }
    assert load_model(run.weights).scale == 4
    assert load_checkpoint(run.folder)["trainer"]["iteration"] == 3


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_an_absurd_rate_is_told_from_learning(run, kind):
    rates = {"kind": kind, "muon_rate": 1e6, "adam_rate": 1e6, "warm_up": 0, "schedule": "constant"}
    run = replace(run, recipe=recipe_of(TINY | {"optimizer": rates}))
    with pytest.raises(Diverged, match=r"tiny diverged by iteration \d \((a pixel loss of|the pixel loss is not)"):
        list(train(run, Budget(iterations=8)))
    if run.weights.exists():
        assert load_model(run.weights).scale == 4


def test_weights_that_are_not_finite_are_not_kept(run):
    reports = train(run, Budget(iterations=9))
    next(reports)
    trainer = next(v for v in reports.gi_frame.f_locals.values() if hasattr(v, "generator"))
    step = trainer.step

    def poisoned(share):
        losses = step(share)
        with torch.no_grad():
            next(trainer.ema.parameters()).fill_(math.inf)
        return losses

    trainer.step = poisoned
    with pytest.raises(Diverged, match="a weight is not finite"):
        next(reports)


def test_divergence_is_told_from_the_noise_of_small_batches():
    recipe = recipe_of(TINY)
    rows = [{"iteration": k, "pixel_loss": loss} for k, loss in enumerate((0.004, 0.03, 0.02, 0.03, 0.02))]
    assert len(rows) == ENOUGH
    assert divergence({"pixel": 0.02 * DIVERGED * 0.99, "adversarial": 50.0}, recipe, rows) is None
    assert divergence({"pixel": 0.02 * DIVERGED * 1.01}, recipe, rows) == "a pixel loss of 0.0808 after 0.02"
    assert divergence({"pixel": 0.9}, recipe, rows[1:]) is None  # too few to judge by
    assert divergence({"pixel": 1.1}, recipe, []) == "a pixel loss of 1.1"
    heavy = recipe_of(TINY | {"loss": {"pixel": 4}})
    assert divergence({"pixel": 3.9}, heavy, []) is None
    assert divergence({"pixel": 4.1}, heavy, []) == "a pixel loss of 4.1"
    waiting = [{"iteration": k, "discriminator_loss": 0.7} for k in range(9)]
    assert divergence({"pixel": 0.5}, recipe, waiting) is None
    assert divergence({"discriminator": math.nan}, recipe, []) == "the discriminator loss is not finite"
    assert divergence({"pixel": 0.1, "ldl": math.inf}, recipe, []) == "the ldl loss is not finite"


class FakeWriter:
    """Remembers what it is told, as TensorBoard's writer does on disk."""

    made: ClassVar[list[FakeWriter]] = []

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars = folder, purge_step, []
        self.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def flush(self):
        self.scalars.append("flushed")


def test_scalars_go_to_tensorboard_where_it_is_installed(run, monkeypatch):
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(FakeWriter, "made", [])
    until(run, 3, 2)
    list(train(run, Budget(iterations=3), resume=True))
    first, second = FakeWriter.made
    assert (first.folder, first.purge_step) == (str(run.folder / "tensorboard"), 1)
    assert second.purge_step == 3
    rows = load_checkpoint(run.folder)["history"]
    shown = [(name, row[name], row["iteration"]) for row in rows for name in ("seconds", "pixel_loss", "psnr")]
    assert [entry for writer in FakeWriter.made for entry in writer.scalars if entry != "flushed"] == shown
    assert first.scalars[-1] == "flushed"


def test_without_tensorboard_there_is_nothing_of_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    list(train(run, Budget(iterations=1)))
    assert not (run.folder / "tensorboard").exists()
