"""What a run is measured on and what it leaves for people: crops, log, curves, film, hashes; and how fast it was."""

from __future__ import annotations

import io
import json
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from texup.degradations import downscale
from texup.training.config import recipe_of
from texup.training.data.pictures import Patches, Picture
from texup.training.run import records, throughput, validation
from texup.training.run.distributed import World
from texup.training.run.throughput import Meter, flops_of, measured_peak
from texup.training.run.trainer import Trainer
from texup.training.run.validation import fixed_samples, frame, load_held_out, mean_psnr, upscale_crops

CPU = torch.device("cpu")


def picture(side=(40, 48), *, seed=0, name="") -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (*side, 4), np.uint8)
    return Picture("a", pixels, (False, False), name)


def test_crops_are_the_middles_reduced_by_bicubic(monkeypatch):
    monkeypatch.setattr(validation, "CROP", 32)
    big, small = picture((50, 61), name="big"), picture((19, 30), seed=1)
    first, second = fixed_samples([big, small], 4, CPU)
    np.testing.assert_array_equal(first.hr, big.pixels[9:41, 14:46, :3])
    np.testing.assert_array_equal(second.hr, small.pixels[1:17, 1:29, :3])
    assert first.name == "big"
    assert first.lr.shape == (1, 3, 8, 8)
    exact = downscale(torch.from_numpy(first.hr).permute(2, 0, 1)[None] / 255, 4, "bicubic")
    assert (first.lr - exact.clamp(0, 1)).abs().max() <= 0.5001 / 255
    (even,) = fixed_samples([picture((47, 47))], 2, CPU, multiple=4)
    assert even.lr.shape == (1, 3, 16, 16)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (15, 15), (16, 16), (31, 16), (200, 16)])
def test_crops_are_taken_evenly_from_all_pictures(count, expected):
    shown = fixed_samples([picture((16, 16), name=str(k)) for k in range(count)], 4, CPU)
    numbers = [int(sample.name) for sample in shown]
    assert len(numbers) == expected
    assert numbers == sorted(set(numbers))
    if count > 16:
        assert max(np.diff([*numbers, count])) <= -(-count // 16)


def test_only_the_pictures_that_are_shown_are_decoded(tmp_path, monkeypatch, wall):
    for k in range(40):
        Image.fromarray(wall(16, 16, seed=k)).save(tmp_path / f"{k:02}.png")
    decoded = []
    read = validation.read_texture
    monkeypatch.setattr(validation, "read_texture", lambda path: decoded.append(path) or read(path))
    pictures = load_held_out([tmp_path], 16)
    assert [p.name for p in pictures] == [path.name for path in decoded]
    assert len(decoded) == 16
    assert (decoded[0].name, decoded[-1].name) == ("00.png", "38.png")


def test_pictures_that_cannot_be_used_make_way_for_others(tmp_path, wall):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.fromarray(wall(16, 15)).save(tmp_path / "b.png")
    grey = wall(16, 16)[..., 0]
    Image.fromarray(np.dstack((grey, np.full_like(grey, 7))), "LA").save(tmp_path / "c.png")
    Image.fromarray(grey.astype(np.uint16) * 256 + 9).save(tmp_path / "deep" / "d.png")
    found = load_held_out([tmp_path], 16)
    assert [p.name for p in found] == ["c.png", "deep/d.png"]
    for p in found:
        np.testing.assert_array_equal(p.pixels, np.dstack([grey] * 3))


def test_equal_pictures_count_as_a_hundred_decibels():
    samples = fixed_samples([picture(), picture(seed=1)], 4, CPU)
    exact = [s.hr for s in samples]
    assert mean_psnr(exact, samples, 4) == 100
    off = [samples[0].hr, 255 - samples[1].hr]
    assert mean_psnr(off, samples, 4) == pytest.approx(50 + mean_psnr(off[1:], samples[1:], 4) / 2)


def test_results_are_pictures(nearest_model):
    samples = fixed_samples([picture()], 4, CPU)
    (result,) = upscale_crops(nearest_model(4).net, samples)
    assert (result.dtype, result.shape) == (np.uint8, (40, 48, 3))
    np.testing.assert_array_equal(result[::4, ::4], (samples[0].lr[0].permute(1, 2, 0) * 255).round().byte())
    far = torch.nn.Upsample(scale_factor=4)
    far.forward = lambda x: (x.repeat_interleave(4, 2).repeat_interleave(4, 3) - 0.5) * 9
    assert set(np.unique(upscale_crops(far, samples)[0])) >= {0, 255}


def test_a_frame_of_the_film_shows_large_and_small_crops_whole():
    large, small = np.full((32, 24, 3), 200, np.uint8), np.full((16, 20, 3), 100, np.uint8)
    shown = frame([large, small] * 4)
    assert shown.shape == (32, 3 * (24 + 20), 3)
    np.testing.assert_array_equal(shown[:, :24], large)
    np.testing.assert_array_equal(shown[:16, 24:44], small)
    assert (shown[16:, 24:44] == 0).all()


def test_the_film_forgets_a_lost_future_and_frames_of_another_size(tmp_path):
    for k, shade in enumerate((10, 60, 110, 160), 1):
        records.write_frame(tmp_path, k, np.full((8, 8, 3), shade, np.uint8))
    records.write_frame(tmp_path, 3, np.full((8, 12, 3), 200, np.uint8))
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["0001.png", "0002.png", "0003.png"]
    records.write_frame(tmp_path, 4, np.full((8, 12, 3), 220, np.uint8))
    records.write_film(tmp_path)
    with Image.open(tmp_path / "film.webp") as film:
        assert (film.size, film.n_frames) == ((12, 8), 2)
    (tmp_path / "none").mkdir()
    records.write_film(tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []


def test_the_log_has_a_column_for_whatever_came_up(tmp_path):
    records.write_log(tmp_path, [{"iteration": 1, "a_loss": 0.5}, {"iteration": 2, "a_loss": 0.4, "psnr": 30.0}])
    assert (tmp_path / "log.csv").read_bytes() == b"iteration,a_loss,psnr\n1,0.5,\n2,0.4,30.0\n"


def test_the_curves_are_a_chart_of_losses_and_one_of_quality(tmp_path):
    records.write_log(tmp_path, [{"iteration": 1, "a_loss": 0.5}, {"iteration": 2, "a_loss": 0.4, "psnr": 30.0}])
    with Image.open(tmp_path / "curves.png") as curves:
        assert curves.size == (900, 720)
        assert len(curves.convert("RGB").getcolors(1 << 20)) > 10
    records.write_log(tmp_path, [{"iteration": 1, "a_loss": 0.5}])
    with Image.open(tmp_path / "curves.png") as curves:
        assert curves.size == (900, 360)


@pytest.mark.parametrize(("middle", "drawn"), [(0.5, True), (0.0, False)])
def test_a_loss_of_zero_leaves_a_gap_in_its_curve(middle, drawn):
    history = [{"iteration": k, "a_loss": loss} for k, loss in enumerate((0.5, 0.5, middle, 0.5, 0.5))]
    with Image.open(io.BytesIO(records.curves(history))) as chart:
        pixels = np.array(chart.convert("RGB"))[:, 350:450].astype(int)  # inside the gap, left of the legend
    assert (pixels[..., 2] - pixels[..., 0] > 40).any() == drawn


def test_without_matplotlib_only_the_curves_are_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    records.write_log(tmp_path, [{"iteration": 1, "a_loss": 0.5}])
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_the_hash_of_the_data_is_that_of_names_and_bytes(tmp_path, wall):
    (tmp_path / "d" / "deep").mkdir(parents=True)
    file = tmp_path / "d" / "deep" / "a.png"
    Image.fromarray(wall(16, 16)).save(file)
    (tmp_path / "d" / "notes.txt").write_text("x")
    (tmp_path / "d" / "folder.png").mkdir()
    (fact,) = records.data_facts([tmp_path / "d"])
    assert (fact["folder"], fact["pictures"]) == ("d", 1)
    (tmp_path / "d" / "notes.txt").write_text("y")
    assert records.data_facts([tmp_path / "d"]) == [fact]
    file.rename(tmp_path / "d" / "a.png")
    (moved,) = records.data_facts([tmp_path / "d"])
    assert moved["sha256"] != fact["sha256"]
    Image.fromarray(wall(16, 16, seed=9)).save(tmp_path / "d" / "a.png")
    assert records.data_facts([tmp_path / "d"])[0]["sha256"] not in (fact["sha256"], moved["sha256"])


def test_undecodable_names_do_not_spoil_the_card(tmp_path, wall):
    folder = tmp_path / os.fsdecode(b"d\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    Image.fromarray(wall(16, 16)).save(folder / os.fsdecode(b"\xfe.png"))
    records.write_card(tmp_path, {"data": records.data_facts([folder])})
    assert json.loads((tmp_path / "card.json").read_bytes())["data"][0]["folder"] == os.fsdecode(b"d\xff")


def test_the_hash_of_the_crops_is_that_of_names_and_pixels():
    one, other = (records.sample_facts(fixed_samples([picture(seed=k, name="x")], 4, CPU)) for k in (0, 1))
    renamed = records.sample_facts(fixed_samples([picture(name="y")], 4, CPU))
    assert one["pictures"] == 1
    assert len({fact["sha256"] for fact in (one, other, renamed)}) == 3
    assert records.sample_facts([])["pictures"] == 0


def test_operations_are_counted():
    a, b = torch.ones(4, 5), torch.ones(5, 6)
    result, count = flops_of(lambda: a @ b)
    assert (result == 5).all()
    assert count == 2 * 4 * 5 * 6
    assert 1e6 < measured_peak(CPU) < 1e15


GAN = {
    "name": "x",
    "net": {"architecture": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1},
    "batch": 2,
    "lr_patch": 8,
    "early": {"share": 0.7, "batch": 4, "lr_patch": 4},
    "loss": {"adversarial": 0.1},
    "discriminator": {"num_feat": 2, "warm_up": 0.4},
}


def test_a_meter_counts_pixels_losses_and_operations_of_every_kind_of_step(monkeypatch):
    monkeypatch.setattr(throughput, "measured_peak", lambda _: 1e9)
    source = Patches([picture((48, 48))], torch.Generator().manual_seed(0), CPU)
    meter = Meter(Trainer(recipe_of(GAN), source, CPU), World())
    for share in (0.1, 0.2, 0.5, 0.6, 0.8):
        meter.step(share)
    assert set(meter.cost) == {(4, 4, True), (4, 4, False), (2, 8, False)}
    assert meter.cost[4, 4, True] < 0.7 * meter.cost[4, 4, False]
    assert meter.cost[2, 8, False] == pytest.approx(2 * meter.cost[4, 4, False])
    assert meter.pixels == 4 * 4 * 16 + 2 * 64
    assert meter.flops == sum(meter.cost[k] for k in [(4, 4, True)] * 2 + [(4, 4, False)] * 2 + [(2, 8, False)])
    assert meter.counts == {"discriminator": 5, "pixel": 3, "adversarial": 3}
    reading = meter.read()
    assert reading.losses["pixel"] == pytest.approx(float(meter.sums["pixel"]) / 3)
    assert reading.lr_pixels > 0
    assert reading.peak_share == pytest.approx(meter.flops / (meter.pixels / reading.lr_pixels) / 1e9)
    meter.reset()
    assert (meter.pixels, meter.flops, meter.counts) == (0, 0, {})


def test_a_reading_is_due_now_and_then(monkeypatch):
    source = Patches([picture((48, 48))], torch.Generator().manual_seed(0), CPU)
    monkeypatch.setattr(throughput, "measured_peak", lambda _: 1e9)
    trainer = Trainer(recipe_of(GAN), source, CPU)
    monkeypatch.setattr(throughput, "REPORT_SECONDS", 0.0)
    assert Meter(trainer, World()).is_due()
    assert not Meter(trainer, World(0, 2)).is_due()  # reading takes all processes
    monkeypatch.setattr(throughput, "REPORT_SECONDS", 99.0)
    assert not Meter(trainer, World()).is_due()
