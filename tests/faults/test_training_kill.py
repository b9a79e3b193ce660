"""A training that is killed while it writes: --resume ends with what a run without a break would have written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from texup.training.run.checkpoint import has_checkpoint, load_checkpoint

ROOT = Path(__file__).parents[2]
RECIPE = """
batch = 2
lr_patch = 8
net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }
[optimizer]
kind = "muon"
[data]
formats = { clean = 0.5, ci8 = 0.5 }
noise = 0.5
[loss]
perceptual = 0.5
adversarial = 0.05
[features]
width = 0.0625
taps = ["conv1_2"]
redraw_every = 3
[discriminator]
architecture = "SRGANDiscriminator"
num_feat = 4
residual = true
dropout = 0.2
"""
# A check writes weights, log, curves, card, frame, samples and checkpoint, or the part of it and then the index.
KILLS = {"weights": 1, "samples": 6, "checkpoint": 7, "next": 8, "part": 7, "index": 8}
OFTEN = ("weights", "checkpoint", "index")  # by default; the others in the long run
ITERATIONS = 3

# One process loads torch and forks the runs; a run kills itself when it is about to give its n-th file since the end of
# the first check its name. "whole" is not killed; each killed run is followed by the one that resumes it.
DRIVER = """
import json, os, signal, sys, torch
torch.set_num_threads(1)
torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports what takes long
import matplotlib.axes, matplotlib.backends.backend_agg, matplotlib.figure  # likewise
from texup.cli import main
from texup.training.run import checks
from texup.training.run import throughput

throughput.SIDE = {"cpu": 64}
real, taken, counts = os.replace, checks.Checks.take, []

def take(self, losses, seconds):
    result = taken(self, losses, seconds)
    counts[:] = counts or [0]
    return result

def replace(source, target, last):
    if counts:
        counts[0] += 1
        if counts[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)

def run(out, last, *more):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that never ends must not outlive the test
        os.dup2(os.open(f"{out}.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), 2)
        if last:
            checks.Checks.take = take
            os.replace = lambda source, target: replace(source, target, last)
        sys.argv = ["texup", "train", "mini.toml", "--data", "data", "--val", "data", "--device", "cpu", "--out", out]
        sys.argv += ["--iterations", iterations, *more]
        try:
            main.run()
        except SystemExit as done:
            os._exit(done.code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

kills, iterations = json.loads(sys.argv[1]), sys.argv[2]
print("whole", run("whole", 0), flush=True)
for name, last in kills.items():
    parts = ["--checkpoint-parts", "1"] if name in ("part", "index") else []
    print(name, run(name, last, *parts), run(name, 0, "--resume", *parts), flush=True)
"""


def prepare(folder: Path, wall) -> Path:
    (folder / "data").mkdir()
    for k in range(2):
        Image.fromarray(wall(48, 48, seed=k)).save(folder / "data" / f"{k}.png")
    (folder / "mini.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def killed(tmp_path_factory, wall):
    """Makes a folder with the run ``whole`` and one for each kill, resumed; returns it and the exit codes of all."""

    def killed(*names: str) -> tuple[Path, dict[str, list[int]]]:
        folder = prepare(tmp_path_factory.mktemp("kill"), wall)
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, json.dumps({name: KILLS[name] for name in names}), str(ITERATIONS)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        return folder, {name: [*map(int, codes)] for name, *codes in map(str.split, done.stdout.splitlines())}

    return killed


def content(run: Path) -> dict[str, object]:
    """Return what a run wrote, without what a clock told."""
    files = {p.relative_to(run).as_posix(): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    rows = csv.DictReader(files["log.csv"].decode().splitlines())
    log = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    changing = [name for name in files if name.startswith(("checkpoint", "card", "log"))]
    for name in changing:
        del files[name]
    return files | {"log": log, "weights": load_checkpoint(run)["trainer"]["generator"]["body.0.weight"].tolist()}


@pytest.mark.slow
@pytest.mark.parametrize("names", [OFTEN, KILLS], ids=["some", "all"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(killed, names):
    folder, codes = killed(*names)
    assert codes == {"whole": [0], **{name: [-signal.SIGKILL, 0] for name in names}}
    whole = content(folder / "whole")
    assert {"mini.safetensors", "film.webp", "samples.png"} <= whole.keys()
    for name in names:
        assert content(folder / name) == whole, name
        assert not list((folder / name).rglob(".texup-*")), name


@pytest.mark.slow
def test_a_kill_from_outside(texup, tmp_path, wall, monkeypatch):
    monkeypatch.chdir(prepare(tmp_path, wall))
    common = ["train", "mini.toml", "--data", "data", "--val", "data", "--iterations", "6", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "texup", *common, "--out", "killed"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not has_checkpoint(Path("killed")):
        time.sleep(0.002)
    process.kill()
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    assert 1 <= load_checkpoint(Path("killed"))["trainer"]["iteration"] < 6
    assert texup(*common, "--out", "killed", "--resume").code == 0
    assert texup(*common, "--out", "whole").code == 0
    assert content(Path("killed")) == content(Path("whole"))
