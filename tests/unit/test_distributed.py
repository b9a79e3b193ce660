"""Several processes take the steps that one would take, stay in step, and end together, whoever has the trouble."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from texup.engines.devices.precision import multiplies_bfloat16
from texup.errors import UsageError
from texup.models.weights import read_weights
from texup.training.run.distributed import World, join_world, leave_world

ROOT = Path(__file__).parents[2]
RECIPES = {
    "psnr": """
batch = 4
lr_patch = 8
net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }
[optimizer]
kind = "muon"
[data]
formats = { clean = 0.5, ci8 = 0.5 }
[loss]
consistency = 1.0
""",
    "gan": """
batch = 4
lr_patch = 8
net = { architecture = "SRResNet", num_feat = 4, num_block = 1 }
[loss]
perceptual = 0.5
gram = 0.1
adversarial = 0.05
matching = 0.5
ldl = 1.0
[features]
width = 0.0625
taps = ["conv1_2", "conv3_1"]
redraw_every = 2
[discriminator]
architecture = "SRGANDiscriminator"
num_feat = 4
residual = true
dropout = 0.2
""",
    "unet": """
batch = 4
lr_patch = 8
net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }
loss = { adversarial = 0.05 }
discriminator = { num_feat = 4, warm_up = 0.4 }
""",
    "uneven": "batch = 3\nnet = { architecture = 'SRVGGNetCompact', num_feat = 4, num_conv = 2 }\nlr_patch = 8",
    "wild": """
batch = 4
lr_patch = 8
net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }
optimizer = { adam_rate = 1e6, warm_up = 0.0 }
""",
}
# Name of a scenario -> recipe and options of the command; what goes wrong on the way is in the driver.
SCENARIOS = {
    "both": ("psnr", "--iterations", "3", "--val", "data"),
    "gan": ("gan", "--iterations", "4"),
    "unet": ("unet", "--iterations", "4"),
    "killed": ("gan", "--iterations", "4"),
    "resumed": ("gan", "--iterations", "4", "--resume"),
    "parted": ("psnr", "--iterations", "2", "--checkpoint-parts", "1"),
    "no-data": ("psnr", "--iterations", "2", "--data", "none"),
    "no-recipe": ("none", "--iterations", "2"),
    "no-state": ("psnr", "--iterations", "2", "--resume"),
    "uneven": ("uneven", "--iterations", "2"),
    "wild": ("wild", "--iterations", "9"),
    "disk-full": ("psnr", "--iterations", "4"),
    "one-blind": ("psnr", "--iterations", "4"),
}
CODES = {"no-data": 2, "no-recipe": 2, "no-state": 2, "uneven": 2, "wild": 1, "disk-full": 5, "one-blind": 2}

# One process loads torch and forks both processes of every scenario; each leaves a hash of all that it trained.
DRIVER = """
import hashlib, json, os, signal, socket, sys, torch
torch.set_num_threads(1)
torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports what takes long
import matplotlib.axes, matplotlib.backends.backend_agg, matplotlib.figure, torch.nn.parallel  # likewise
from texup.cli import main
from texup.errors import OutputError, UsageError
from texup.training.run import checks
from texup.training.run import loop
from texup.training.run import throughput
from texup.training.run import trainer

throughput.SIDE = {"cpu": 64}
trainers = []
join, take, patches = trainer.Trainer.join, checks.Checks.take, loop._patches

def joined(self, world):
    trainers.append(self)
    join(self, world)

def killed(self, losses, seconds):
    take(self, losses, seconds)
    if self.trainer.iteration == 2:
        os._exit(9)

def full(self, losses, seconds):
    raise OutputError("the disk is full")

def blind(run):
    if run.world.rank == 1:
        raise UsageError("only the second process cannot see")
    return patches(run)

def child(name, rank, port, words):
    signal.alarm(60)  # a child that waits for ever must not outlive the test
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.dup2(os.open(f"{name}.{rank}.err", os.O_WRONLY | os.O_CREAT, 0o666), 2)
    trainer.Trainer.join = joined
    checks.Checks.take = {"killed": killed, "disk-full": full}.get(name, take)
    loop._patches = blind if name == "one-blind" else patches
    out = "killed" if name == "resumed" else name
    data = [] if "--data" in words else ["--data", "data"]
    recipe, *options = words
    sys.argv = ["texup", "train", f"{recipe}.toml", *data, "--out", out, "--device", "cpu", *options]
    try:
        main.run()
    except SystemExit as done:
        for each in trainers:
            digest = hashlib.sha256()
            for net in (each.generator, each.ema, each.discriminator):
                for value in net.state_dict().values() if net is not None else ():
                    digest.update(value.numpy().tobytes())
            digest.update(each.rng.get_state().numpy().tobytes())
            open(f"{name}.{rank}.hash", "w").write(digest.hexdigest())
        os._exit(done.code)

for name, words in json.loads(sys.argv[1]).items():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                child(name, rank, port, words)
            finally:
                os._exit(99)
        children.append(pid)
    print(name, *(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children), flush=True)
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory, wall) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "data").mkdir()
    for k in range(2):
        Image.fromarray(wall(64, 64, seed=k)).save(folder / "data" / f"{k}.png")
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def codes(scene) -> dict[str, list[int]]:
    """Exit codes of both processes of every scenario, whose folders lie in ``scene``."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(SCENARIOS)],
        cwd=scene,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: [int(code) for code in found] for name, *found in map(str.split, done.stdout.splitlines())}


def log(folder: Path) -> list[dict[str, float]]:
    rows = csv.DictReader((folder / "log.csv").read_text().splitlines())
    return [{key: float(value) for key, value in row.items() if value and key != "seconds"} for row in rows]


def errors(scene: Path, name: str) -> list[str]:
    said = [line for rank in range(2) for line in (scene / f"{name}.{rank}.err").read_text().splitlines()]
    return [line for line in said if line.startswith("texup: error: ")]


COMMON = ["train", "psnr.toml", "--data", "data", "--val", "data", "--iterations", "3", "--device", "cpu"]


@pytest.mark.slow
def test_two_processes_lose_what_one_loses_with_the_same_batch(scene, codes, texup, monkeypatch):
    monkeypatch.chdir(scene)
    said = [(scene / f"both.{rank}.err").read_text() for rank in range(2)]
    assert codes["both"] == [0, 0], said
    assert said[0].count("wrote both/psnr.safetensors") == said[0].count("iteration 3: ") == 1
    assert said[1] == ""
    assert texup(*COMMON, "--out", "one").code == 0
    is_coarse = multiplies_bfloat16(torch.device("cpu"))  # then sums of other batches round to other 8 bits
    ours, theirs = log(scene / "both"), log(scene / "one")
    assert len(ours) == 3
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys() == {"iteration", "pixel_loss", "consistency_loss", "psnr"}
        assert a == pytest.approx(b, rel=1e-3 if is_coarse else 1e-5)
    one = read_weights(scene / "one" / "psnr.safetensors").state
    for key, value in read_weights(scene / "both" / "psnr.safetensors").state.items():
        torch.testing.assert_close(value, one[key], atol=5e-4 if is_coarse else 2e-5, rtol=1e-4)
    assert {p.name for p in (scene / "both").iterdir()} == {p.name for p in (scene / "one").iterdir()}


@pytest.mark.slow
def test_torchrun_starts_the_same_run(scene, codes):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "texup", *COMMON, "--out", "torchrun"],
        cwd=scene,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("wrote torchrun/psnr.safetensors") == done.stderr.count("iteration 3: ") == 1
    assert codes["both"] == [0, 0]
    assert log(scene / "torchrun") == log(scene / "both")
    assert {path.name for path in (scene / "torchrun").iterdir()} == {path.name for path in (scene / "both").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "unet"])
def test_a_gan_stays_in_step(scene, codes, name):
    assert codes[name] == [0, 0], (scene / f"{name}.0.err").read_text()
    first, second = ((scene / f"{name}.{rank}.hash").read_text() for rank in range(2))
    assert first == second
    rows = log(scene / name)
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4]
    assert len({row["discriminator_loss"] for row in rows}) == 4
    assert (scene / f"{name}.1.err").read_text().count("iteration") == 0


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_bit_for_bit(scene, codes):
    assert codes["killed"][0] == 9
    assert codes["killed"][1] != 0
    assert codes["resumed"] == [0, 0], (scene / "resumed.0.err").read_text()
    whole, parted = (read_weights(scene / name / "gan.safetensors") for name in ("gan", "killed"))
    assert whole.sha256 == parted.sha256
    assert log(scene / "gan") == log(scene / "killed")
    assert (scene / "gan.0.hash").read_text() == (scene / "resumed.1.hash").read_text()


@pytest.mark.slow
def test_the_first_process_writes_the_parts_of_the_checkpoint(scene, codes):
    assert codes["parted"] == [0, 0]
    assert len(list((scene / "parted").glob("checkpoint*.part"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_the_trouble_of_one_ends_all_with_one_line(scene, codes, name, code):
    assert codes[name] == [code, code]
    assert len(errors(scene, name)) == 1
    assert "Traceback" not in (scene / f"{name}.0.err").read_text() + (scene / f"{name}.1.err").read_text()
    assert not list((scene / name).glob("*.safetensors")) or name == "wild"


@pytest.mark.slow
def test_the_line_says_what_the_trouble_was(scene, codes):
    assert codes.keys() == SCENARIOS.keys()
    assert "a batch of 3 cannot be shared by 2 processes; change batch" in errors(scene, "uneven")[0]
    assert "none: no such folder of pictures" in errors(scene, "no-data")[0]
    assert "none.toml: no such recipe; give a TOML file" in errors(scene, "no-recipe")[0]
    assert "no checkpoint to resume from" in errors(scene, "no-state")[0]
    assert "the disk is full" in errors(scene, "disk-full")[0]
    assert "only the second process cannot see" in errors(scene, "one-blind")[0]
    assert "wild diverged by iteration" in errors(scene, "wild")[0]


def test_one_process_is_a_world_of_its_own(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world, device = join_world(torch.device("cpu"))
    assert world == World()
    assert world.is_first
    assert device == torch.device("cpu")
    net = torch.nn.BatchNorm2d(3)
    assert world.wrapped(net) is net
    batch = torch.rand(3, 2)
    assert torch.equal(world.part(batch), batch)
    assert world.agreed(0.3) == 0.3
    assert world.mean({"a": 1.5}) == {"a": 1.5}
    assert world.together(lambda: 7) == 7
    leave_world()


def test_parts_are_the_whole_batch():
    batch = torch.arange(12).view(6, 2)
    parts = [World(rank, 3).part(batch) for rank in range(3)]
    assert torch.equal(torch.cat(parts), batch)
    assert {len(part) for part in parts} == {2}


def test_processes_that_nobody_started_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=r"WORLD_SIZE is 4, but the processes do not find each other .*by torchrun"):
        join_world(torch.device("cpu"))
