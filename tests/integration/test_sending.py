"""A run that can be sent: what comes back from a pickle decides the same pixels, by the same nets."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.engines.cluster.shards import Shard
from texup.engines.cluster.worker import Facts, Trouble, Worker, folders_of
from texup.errors import OutputError, WeightsError
from texup.locks import LOCK_NAME, output_lock
from texup.manifest.history import history_of
from texup.manifest.journal import Manifest
from texup.manifest.verification import verify
from texup.upscaling.pack import upscale_pack
from texup.upscaling.run import Run, plan_of
from texup.upscaling.starting import Starting, job_of

RULES = """
[[rule]]
match = "ui/**"
when = { alpha = "binary", max_side = 32 }
model = "tiny-psnr"
scale = 2
key = "FF00FF"
[[rule]]
blend = 0.25
edges = "wrap,clamp"
"""


@pytest.fixture
def pack(tmp_path, catalog):
    folder = tmp_path / "pack"
    (folder / "ui").mkdir(parents=True)
    random = np.random.default_rng(0)
    for k, name in enumerate(("a.png", "b.tga", "ui/c.png", "ui/d.bmp")):
        Image.fromarray(random.integers(0, 255, (8 + 4 * k, 16, 3), np.uint8)).save(folder / name)
    (folder / "texup.toml").write_text(RULES)
    return folder


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".jsonl"}


def test_a_run_comes_back_equal_and_with_nothing_loaded(pack, tmp_path):
    run = build_run(pack, tmp_path / "out", Options(device="cpu", gate="fallback", jobs=1))
    run.load_engine()
    again = pickle.loads(pickle.dumps(run))
    for field in fields(Run):
        assert getattr(again, field.name) == getattr(run, field.name), field.name
    assert again.load_engine.engines == {}
    plan, _ = plan_of(run)
    for fallback in (False, True):
        here, there = (each.digests(plan.convention.id) for each in (run, again))
        assert [here(file, is_fallback=fallback) for file in plan.files] == [
            there(file, is_fallback=fallback) for file in plan.files
        ]


def test_a_sent_start_makes_the_same_bytes_from_sent_jobs(pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # relative places and weights mean those of the sender
    run = build_run(pack.relative_to(tmp_path), None, Options(device="cpu", jobs=1))
    assert {outcome.outcome for outcome in upscale_pack(run)} == {"upscaled", "skipped"}
    expected = files_of(run.out)
    plan, _ = plan_of(run)
    there = tmp_path / "there"
    there.mkdir()
    jobs = [job_of(file, run.source.absolute(), there) for file in plan.files if file.action == "upscale"]
    sent = pickle.dumps((run.load_engine, Starting(run, plan.convention), jobs))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    load, start, jobs = pickle.loads(sent)
    assert {outcome.outcome for outcome in load().run(jobs, start, start.close)} == {"upscaled"}
    assert files_of(there) == expected
    assert start.run.source == pack


def test_a_worker_has_its_part_of_the_memory_and_the_cores_of_its_machine(pack, tmp_path, monkeypatch):
    monkeypatch.setattr("texup.upscaling.starting.memory_budget", lambda: 1 << 32)
    monkeypatch.setattr("texup.engines.devices.device.os.cpu_count", lambda: 16)
    monkeypatch.setattr("texup.engines.cluster.worker.locked", set())
    run = build_run(pack, tmp_path / "out", Options(device="cpu"))
    (tmp_path / "out").mkdir()
    plan, _ = plan_of(run)
    place = folders_of(next(job_of(file, pack, run.out) for file in plan.files if file.action == "upscale"))
    for cores, workers, expected in ((4, 2, 4), (0, 8, 2)):
        load, start = pickle.loads(pickle.dumps((run.load_engine, Starting(run, plan.convention))))
        worker = Worker(load, start, cores, workers)
        assert isinstance(worker.ready(place), Facts)
        assert worker._start.run.memory == (1 << 32) // workers
        assert (worker._engine.device.lanes, worker._engine.workers) == (expected, expected)


def test_a_worker_that_outlives_its_run_writes_nothing_more(pack, tmp_path, monkeypatch):
    monkeypatch.setattr("texup.engines.cluster.worker.locked", set())
    run = build_run(pack, tmp_path / "out", Options(device="cpu", jobs=1))
    plan, _ = plan_of(run)
    jobs = tuple(job_of(file, pack, run.out) for file in plan.files if file.action == "upscale")
    worker = Worker(run.load_engine, Starting(run, plan.convention), 1, 1)
    with output_lock(run.out):
        assert isinstance(worker.ready(folders_of(jobs[0])), Facts)
        assert [outcome.path for said in worker.run(Shard(1, jobs[:1])) for outcome in said] == [jobs[0].path]
    before = files_of(run.out)
    (trouble,) = worker.run(Shard(2, jobs[1:]))
    assert (trouble.kind, "is over" in trouble.text) == (OutputError, True)
    (run.out / LOCK_NAME).write_text("1\n")
    (trouble,) = worker.run(Shard(3, jobs[1:]))
    assert "is over" in trouble.text, "the lock of another run"
    (run.out / LOCK_NAME).unlink()
    assert files_of(run.out) == before


def test_a_worker_whose_output_is_pulled_away_stops_and_the_next_run_goes_on(pack, tmp_path, monkeypatch):
    monkeypatch.setattr("texup.engines.cluster.worker.locked", set())
    share, stored = tmp_path / "share", tmp_path / "stored"
    run = build_run(pack, share / "out", Options(device="cpu", jobs=1))
    plan, _ = plan_of(run)
    jobs = tuple(job_of(file, pack, run.out) for file in plan.files if file.action == "upscale")
    worker, said = Worker(run.load_engine, Starting(run, plan.convention), 1, 1), []
    with output_lock(run.out), Manifest(run.out, run.header(plan.convention.id)) as manifest:
        assert isinstance(worker.ready(folders_of(jobs[0])), Facts)
        manifest.begin()
        for part in worker.run(Shard(1, jobs, is_careful=True)):  # one at a time
            said.append(part)
            if len(said) == 2:
                share.rename(stored)
    (trouble,) = said[2:]
    assert (trouble.kind, "was moved, removed or unmounted" in trouble.text) == (OutputError, True)
    assert not share.exists()
    stored.rename(share)
    assert {outcome.outcome for outcome in upscale_pack(run)} == {"upscaled", "skipped"}
    list(upscale_pack(build_run(pack, tmp_path / "local", Options(device="cpu", jobs=1))))
    assert files_of(run.out) == files_of(tmp_path / "local")
    assert list(verify(run.out, history_of(run.out))) == []


@pytest.mark.parametrize(("hours", "is_refused"), [(-5, True), (5, False)])
def test_a_worker_whose_files_look_older_than_the_run_is_refused(pack, tmp_path, monkeypatch, hours, is_refused):
    monkeypatch.setattr("texup.engines.cluster.worker.locked", set())
    run = build_run(pack, tmp_path / "out", Options(device="cpu", jobs=1))
    plan, _ = plan_of(run)
    job = next(job_of(file, pack, run.out) for file in plan.files if file.action == "upscale")
    worker = Worker(run.load_engine, Starting(run, plan.convention), 1, 1)
    with output_lock(run.out):
        os.utime(run.out / LOCK_NAME, (time.time() - hours * 3600,) * 2)
        said = worker.ready(folders_of(job))
    assert isinstance(said, Trouble if is_refused else Facts)
    assert not is_refused or "18,000 seconds too old there; set its clock" in said.text
    assert files_of(run.out) == {}


def test_weights_that_differ_elsewhere_are_refused(pack, tmp_path, catalog, monkeypatch):
    run = build_run(pack, tmp_path / "out", Options(device="cpu", jobs=1))
    sent = pickle.dumps(run.load_engine)
    other = tmp_path / "weights"
    other.mkdir()
    for path in catalog.glob("*.*"):
        (other / path.name).write_bytes(path.read_bytes())
    (other / "tiny-gan.safetensors").write_bytes((catalog / "tiny-psnr.safetensors").read_bytes())
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: other)
    with pytest.raises(WeightsError, match="tiny-gan"):
        pickle.loads(sent)()
