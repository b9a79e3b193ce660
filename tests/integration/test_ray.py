"""A pack on a Ray cluster: real processes and nodes on this machine, which are killed in the middle."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.calls.options import Options, read_engine
from texup.calls.setup import build_run
from texup.engines.cluster.joining import join
from texup.engines.engine import Job
from texup.engines.ray import RayEngine
from texup.errors import DeviceError, OutputError, TexupError, UsageError, WeightsError
from texup.manifest.history import NAME, history_of
from texup.manifest.verification import verify
from texup.models.weights import save_weights
from texup.upscaling.pack import upscale_pack

from ..builders import records_of

ray_errors = pytest.importorskip("ray.exceptions")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
ROOT = Path(__file__).parents[2]
FILES = 60
SEEDS = range(10)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, near_identity) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, near_identity(1), {})
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack of small pictures, of which some are equal."""
    folder = tmp_path_factory.mktemp("ray") / "pack"
    (folder / "walls").mkdir(parents=True)
    random_ = np.random.default_rng(0)
    for k in range(FILES):
        side = (16, 24, 32, 48)[k % 4]
        picture = random_.integers(0, 255, (side, side, 3), np.uint8) if k % 10 else np.full((16, 16, 3), 77, np.uint8)
        Image.fromarray(picture).save(folder / ("walls" if k % 2 else ".") / f"{k:03}.png")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def expected(pack, weights, tmp_path_factory):
    """What one machine makes of it, without interruption."""
    out = tmp_path_factory.mktemp("local") / "out"
    list(upscale_pack(build_run(pack, out, options(weights, engine="local"))))
    return files_of(out)


def options(weights, engine="ray", **more):
    return Options(models=(str(weights),), device="cpu", jobs=1, engine=engine, **more)


def files_of(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != NAME}


def check(out, expected, pack):
    """The tree of an uninterrupted run on one machine, one record that counts of each source, and a clean verify."""
    assert files_of(out) == expected
    assert list(verify(out, history_of(out))) == []
    records = records_of(out)
    assert set(records) == {p.relative_to(pack).as_posix() for p in pack.rglob("*") if p.is_file()}
    assert all(record["outcome"] in ("upscaled", "skipped") for record in records.values())


def texup(*arguments, **more):
    command = [sys.executable, "-m", "texup", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_ADDRESS": "local", **more}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.thorough
def test_the_command_makes_the_tree_of_one_machine_in_silence(tmp_path, weights):
    pack = tmp_path / "pack"
    pack.mkdir()
    for k in range(3):
        picture = np.random.default_rng(k).integers(0, 255, (16, 16, 3), np.uint8)
        Image.fromarray(picture).save(pack / f"{k}.png")
    list(upscale_pack(build_run(pack, tmp_path / "local", options(weights, engine="local"))))
    more = ("--model", weights, "--device", "cpu", "--gate", "off", "--json", "-q", "--engine", "ray")
    command = texup("upscale", pack, "-o", tmp_path / "out", *more)
    out, err = command.communicate(timeout=300)
    assert command.returncode == 0, err
    assert json.loads(out)["counts"] == {"upscaled": 3}
    assert err == ""
    (node,) = json.loads(out)["nodes"]
    assert (node["device"], node["files"], node["failed"]) == ("cpu", 3, 0)
    check(tmp_path / "out", files_of(tmp_path / "local"), pack)


@pytest.fixture(scope="module")
def nodes():
    """A cluster of three nodes on this machine, to which this process is connected."""
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    import ray
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    each = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=each)
    each.pop("include_dashboard")
    for _ in range(2):
        cluster.add_node(**each)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def whole(nodes):
    """Add the nodes that a test before this one has killed."""
    import ray

    while len(nodes.worker_nodes) < 2:
        nodes.add_node(num_cpus=1, object_store_memory=80 << 20)
    until = time.monotonic() + 60
    while sum(node["Alive"] for node in ray.nodes()) != 3 and time.monotonic() < until:
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", ["worker", "node"])
def test_a_loss_changes_no_byte(nodes, pack, expected, weights, tmp_path, seed, what):
    whole(nodes)
    chance = random.Random(seed)
    run = build_run(pack, tmp_path / "out", options(weights))
    moment, seen = chance.randrange(1, FILES - 5), []
    with closing(upscale_pack(run)) as outcomes:
        for outcome in outcomes:
            seen.append(outcome.path)
            if len(seen) == moment and what == "node":
                nodes.remove_node(chance.choice(sorted(nodes.worker_nodes, key=str)), allow_graceful=False)
            elif len(seen) == moment:
                members = [member for member in run.load_engine().crew.members if member.facts]
                os.kill(chance.choice(members).facts.pid, signal.SIGKILL)
    assert len(seen) == len(set(seen)) == FILES + 1
    check(tmp_path / "out", expected, pack)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_driver_goes_on_where_it_was(nodes, pack, expected, weights, tmp_path, seed):
    whole(nodes)
    out = tmp_path / "out"
    engine = f"ray://{nodes.address}"
    arguments = ("upscale", pack, "-o", out, "--model", weights, "--device", "cpu", "--engine", engine, "-q")
    command, moment = texup(*arguments), random.Random(seed).randrange(1, FILES - 5)
    wait_for_lines(out, moment + 1, command)
    command.kill()
    command.communicate()
    again = texup(*arguments)
    _, err = again.communicate(timeout=400)
    assert (again.returncode, err) == (0, "")
    check(out, expected, pack)


def wait_for_lines(out, count, command):
    """Wait until a manifest has so many lines, or its command is over."""
    until = time.monotonic() + 120
    while len(lines_of(out)) < count and command.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def lines_of(out):
    try:
        return (out / NAME).read_text("utf-8").splitlines()
    except OSError:
        return []


@pytest.mark.slow
def test_an_interrupt_ends_all_workers(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    out, engine = tmp_path / "out", f"ray://{nodes.address}"
    arguments = ("upscale", pack, "-o", out, "--model", weights, "--device", "cpu", "--engine", engine, "-q")
    command = texup(*arguments)
    wait_for_lines(out, 6, command)
    command.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert err.count("\n") == 1
    while workers() and time.monotonic() - began < 5:
        time.sleep(0.05)
    assert not workers()
    again = texup(*arguments)
    _, err = again.communicate(timeout=400)
    assert (again.returncode, err) == (0, "")
    check(out, expected, pack)


def workers():
    """Return the processes of this machine in which a worker of texup runs."""
    found = subprocess.run(["pgrep", "-f", "^ray::Worker"], capture_output=True, text=True, check=False)
    return found.stdout.split()


class Spoiling:
    """A loader whose workers run some code before they begin."""

    def __init__(self, loader, code, *, mixed=False, device="cpu"):
        import ray

        ray.cloudpickle.register_pickle_by_value(sys.modules[type(self).__module__])
        self.loader = loader
        self.engine = RayEngine(None, lambda kind: Spoiled(loader._for(kind), code), device, mixed=mixed)

    def __call__(self):
        return self.engine

    def __reduce__(self):
        return _same, (self.loader,)


def _same(loader):
    return loader


class Spoiled:
    def __init__(self, load, code):
        self.load, self.code = load, code

    def __call__(self):
        return self.load()

    def __reduce__(self):
        return _spoiled, (self.load, self.code)


def _spoiled(load, code):
    exec(code, {})
    return load


def spoiled(pack, out, weights, code, *, device="cpu", **more):
    run = build_run(pack, out, options(weights, **more))
    return replace(run, load_engine=Spoiling(run.load_engine, code, device=device, **more))


KILLER = "walls/033.png"
DEADLY = f"""
import os, texup.upscaling.starting as s
real = s.start
def start(job, *rest):
    if job.path == {KILLER!r}:
        os.kill(os.getpid(), 9)
    return real(job, *rest)
s.start = start
"""


@pytest.mark.slow
def test_a_file_that_kills_its_worker_twice_is_failed_and_no_other(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    run = spoiled(pack, tmp_path / "out", weights, DEADLY)
    outcomes = {outcome.path: outcome for outcome in upscale_pack(run)}
    assert {path for path, outcome in outcomes.items() if outcome.outcome == "failed"} == {KILLER}
    assert "twice" in outcomes[KILLER].reason
    assert files_of(tmp_path / "out") == {path: data for path, data in expected.items() if path != KILLER}
    again = {outcome.path: outcome for outcome in upscale_pack(build_run(pack, tmp_path / "out", options(weights)))}
    assert {path for path, outcome in again.items() if outcome.outcome != "unchanged"} == {KILLER}
    assert again[KILLER].tried_before


OLDER = "import texup.engines.cluster.worker as w; w.__version__ = '0.0.1'"
LACKS = {
    "no pack": ("import texup.engines.cluster.worker as w; w._size_of = lambda path: -1", UsageError, "not there"),
    "no output": (
        "import texup.engines.cluster.worker as w; w._lock_in = lambda out: b''",
        UsageError,
        "another folder",
    ),
    "no permission": (
        "import pathlib\ndef touch(self): raise PermissionError(13, 'Permission denied')\npathlib.Path.touch = touch",
        UsageError,
        "cannot write there: Permission denied",
    ),
    "other weights": (
        "import texup.models.chain as c\nreal = c._load\nc._load = lambda model, sha256: real(model, '0' * 64)",
        WeightsError,
        "SHA-256",
    ),
    "an older texup": (OLDER, UsageError, "texup 0.0.1 instead of .*--mixed"),
    "no start": ("raise ImportError('no such module')", UsageError, "no worker starts there"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", LACKS)
def test_what_a_node_lacks_is_refused_by_name_before_any_result(nodes, pack, weights, tmp_path, what):
    whole(nodes)
    code, error, text = LACKS[what]
    with pytest.raises(error, match=text) as raised:
        list(upscale_pack(spoiled(pack, tmp_path / "out", weights, code)))
    assert str(raised.value).startswith(socket.gethostname())
    assert files_of(tmp_path / "out") == {}


@pytest.mark.slow
def test_other_versions_may_be_allowed_and_the_manifest_says_so(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    run = spoiled(pack, tmp_path / "out", weights, OLDER, mixed=True)
    list(upscale_pack(run))
    check(tmp_path / "out", expected, pack)
    assert json.loads(lines_of(tmp_path / "out")[0])["mixed"] is True


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "all", "cuda:0,cuda:1"])
def test_a_cluster_without_cards_is_refused(nodes, pack, weights, tmp_path, device):
    whole(nodes)
    with pytest.raises(DeviceError, match="no GPUs"):
        list(upscale_pack(build_run(pack, tmp_path / "out", replace(options(weights), device=device))))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_cluster_without_cards_is_told_in_one_line(nodes, pack, weights, tmp_path):
    whole(nodes)
    engine = f"ray://{nodes.address}"
    command = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--device", "cuda", "--engine", engine)
    _, err = command.communicate(timeout=300)
    line = f"texup: error: the cluster at {nodes.address} has no GPUs; use --device cpu, or start Ray there with"
    assert (command.returncode, err.count("\n"), err.startswith(line)) == (2, 1, True), err
    assert not (tmp_path / "out").exists()


CARD = """
import os, pathlib, ray, torch, texup.engines.devices.cards as cards
here = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
told = pathlib.Path({folder!r}, str(os.getpid()))
def pick_devices(asked):
    told.write_text(asked + " " + here + " " + ray.get_runtime_context().get_node_id())
    return [torch.device("cpu")]
cards.pick_devices = pick_devices
"""
"""A card that is not there: the worker notes which it was given, and computes on the CPU."""


@pytest.fixture
def cards(nodes):
    """A node that says it has two cards, for one test."""
    whole(nodes)
    node = nodes.add_node(num_cpus=1, num_gpus=2, object_store_memory=80 << 20)
    yield node
    nodes.remove_node(node)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["auto", "cuda", "all"])
def test_every_card_has_a_worker_of_its_own(nodes, cards, pack, expected, weights, tmp_path, device):
    (tmp_path / "told").mkdir()
    run = spoiled(pack, tmp_path / "out", weights, CARD.format(folder=str(tmp_path / "told")), device=device)
    outcomes = list(upscale_pack(run))
    assert len(outcomes) == FILES + 1
    told = sorted(path.read_text().split() for path in (tmp_path / "told").iterdir())
    assert told == [["cuda", "0", cards.node_id], ["cuda", "1", cards.node_id]]
    check(tmp_path / "out", expected, pack)


@pytest.mark.slow
def test_the_card_of_a_lost_worker_is_given_to_the_next(nodes, cards, pack, expected, weights, tmp_path):
    (tmp_path / "told").mkdir()
    run = spoiled(pack, tmp_path / "out", weights, CARD.format(folder=str(tmp_path / "told")), device="cuda")
    with closing(upscale_pack(run)) as outcomes:
        next(outcome for outcome in outcomes if outcome.outcome == "upscaled")
        members = [member for member in run.load_engine().crew.members if member.facts]
        os.kill(members[0].facts.pid, signal.SIGKILL)
        list(outcomes)
    told = {path.name: path.read_text().split()[1] for path in (tmp_path / "told").iterdir()}
    assert set(told.values()) == {"0", "1"}
    assert len(told) <= 3, "a card has one worker at a time"
    check(tmp_path / "out", expected, pack)


UNWRITABLE = """
import errno, os, texup.files as f
real, seen = f._replace, []
def replace(temp, path):
    seen.append(path)
    if len(seen) == 7:
        raise OSError(errno.{number}, os.strerror(errno.{number}))
    real(temp, path)
f._replace = replace
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "said"), [("ENOSPC", "disk is full"), ("EROFS", "Read-only"), ("ESTALE", "Stale"), ("EIO", "error")]
)
def test_a_disk_of_a_worker_that_takes_nothing_ends_the_run(nodes, pack, expected, weights, tmp_path, number, said):
    whole(nodes)
    with pytest.raises(OutputError, match=said) as raised:
        list(upscale_pack(spoiled(pack, tmp_path / "out", weights, UNWRITABLE.format(number=number))))
    assert str(raised.value).startswith(socket.gethostname())
    list(upscale_pack(build_run(pack, tmp_path / "out", options(weights))))
    check(tmp_path / "out", expected, pack)


LOST = """
import ray, texup.engines.devices.device as d, texup.errors as e
real, seen = d.Device.upscale, []
def upscale(self, *rest):
    seen.append(1)
    if len(seen) > 3 and ray.get_runtime_context().get_node_id() == {node!r}:
        raise e.LostDevice("device cpu: stopped working")
    return real(self, *rest)
d.Device.upscale = upscale
"""


@pytest.mark.slow
def test_a_lost_device_is_left_out_and_the_others_do_its_files(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    import ray

    node = ray.nodes()[0]["NodeID"]
    run = spoiled(pack, tmp_path / "out", weights, LOST.format(node=node))
    outcomes = list(upscale_pack(run))
    assert len(outcomes) == FILES + 1
    assert node not in {seat.node for seat in run.load_engine().crew.seats}
    check(tmp_path / "out", expected, pack)


SLOW = """
import os, time, ray, texup.upscaling.starting as s
real = s.start
def start(job, *rest):
    if ray.get_runtime_context().get_node_id() == {node!r}:
        time.sleep(20)
    return real(job, *rest)
s.start = start
"""


@pytest.mark.slow
def test_a_slow_worker_does_not_hold_up_the_end(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    import ray

    run = spoiled(pack, tmp_path / "out", weights, SLOW.format(node=ray.nodes()[0]["NodeID"]))
    outcomes = list(upscale_pack(run))
    assert len(outcomes) == len({outcome.path for outcome in outcomes}) == FILES + 1
    check(tmp_path / "out", expected, pack)


def test_the_driver_waits_neither_for_torch_nor_for_decoders(pack, weights, tmp_path, monkeypatch):
    code = "import sys, texup.engines.ray as ray; ray.Crew(mixed=False); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    started = []
    monkeypatch.setattr("texup.textures.codecs.decoders.Decoders.start", lambda _self, count: started.append(count))
    run = build_run(pack, tmp_path / "out", options(weights))
    local = build_run(pack, tmp_path / "local", options(weights, engine="local"))
    for each in (run, local):
        list(upscale_pack(replace(each, load_engine=Idle)))
    assert started == [min(FILES, os.cpu_count() or 1)]


class Idle:
    """An engine that does nothing."""

    device = None

    def run(self, jobs, start, end):
        end()
        return iter(())


def test_without_ray_one_line_says_what_to_install(monkeypatch, pack, weights, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'texup\[ray\]'"):
        list(upscale_pack(build_run(pack, tmp_path / "out", options(weights))))
    assert not (tmp_path / "out").exists()


class Deaf:
    """Stands for Ray, which finds no cluster that takes it."""

    def __init__(self, error):
        self.error, self.tried = error, False

    def is_initialized(self):
        return False

    def init(self, **_more):
        self.tried = True
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Failed to connect to Ray cluster"),
        Exception("The current node timed out during startup"),  # Ray's own, on a busy machine
        ray_errors.AuthenticationError("no token"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_where_nothing_answers_or_no_cluster_takes_this_machine_one_line_says_so(error):
    ray = Deaf(error)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=rf"ray start --address={address}.*RAY_AUTH_MODE=token"):
            join(ray, address)
    assert ray.tried
    ray.tried = False
    with pytest.raises(UsageError, match=f"nothing answers at {address}"):
        join(ray, address)
    assert not ray.tried


class Failing:
    """Stands for Ray, whose head is lost while a run asks who is there."""

    exceptions = ray_errors

    def __init__(self, moment):
        self.moment = moment

    def is_initialized(self):
        return True

    def remote(self, kind):
        return kind

    def cluster_resources(self):
        return self.answer("cluster_resources", {"CPU": 1.0})

    def nodes(self):
        return self.answer("nodes", [])

    def answer(self, moment, found):
        if moment == self.moment:
            raise ray_errors.RaySystemError("System error: \n the head does not answer")
        return found


@pytest.mark.parametrize("moment", ["cluster_resources", "nodes"])
def test_a_cluster_that_is_lost_while_it_is_asked_is_one_line(monkeypatch, tmp_path, moment):
    monkeypatch.setattr("texup.engines.ray.import_ray", lambda: Failing(moment))
    job = Job(path="a.png", source=tmp_path, out=tmp_path, target="a.png")
    with pytest.raises(TexupError, match=r"^the Ray cluster fails: .*the head does not answer; .* the same command"):
        list(RayEngine(None, lambda _kind: None, "cpu").run(iter([job]), None))


@pytest.mark.parametrize("engine", ["spark", "ray://", "ray://host", "ray:head:1", "ray://a b:1"])
def test_an_engine_that_is_none_is_refused(engine):
    with pytest.raises(ValueError, match="local, ray or ray://HOST:PORT"):
        read_engine(engine)


def mount(source, place):
    subprocess.run(["mount", "--bind", source, place], check=True, capture_output=True)


class Share:
    """A shared folder that can be pulled away and brought back."""

    def __init__(self, place, way):
        self.place, self.way, self.stored = place, way, place.with_name(f"{place.name}-stored")
        if way == "unmounted":
            self.stored.mkdir()
            place.mkdir(exist_ok=True)
            try:
                mount(self.stored, place)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip("no mounts here")
        else:
            place.mkdir()

    def pull(self):
        if self.way == "unmounted":
            subprocess.run(["umount", "--lazy", self.place], check=True)
        else:
            self.place.rename(self.stored)

    def bring_back(self):
        if self.way == "unmounted":
            mount(self.stored, self.place)
        else:
            self.stored.rename(self.place)

    def close(self):
        if self.way == "unmounted":
            subprocess.run(["umount", "--lazy", self.place], check=False, capture_output=True)


@pytest.fixture
def share(tmp_path, request):
    share = Share(tmp_path / "share", request.param)
    yield share
    share.close()


WAYS = pytest.mark.parametrize("share", ["renamed", "unmounted"], indirect=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@WAYS
def test_an_output_that_is_pulled_away_ends_the_run_and_the_next_goes_on(nodes, pack, expected, weights, share, seed):
    whole(nodes)
    out, moment, seen = share.place / "out", random.Random(seed).randrange(1, FILES - 5), []
    outcomes = upscale_pack(build_run(pack, out, options(weights)))
    seen += itertools.islice(outcomes, moment)
    share.pull()
    with pytest.raises(OutputError, match="run the same command again") as raised:
        seen += outcomes
    assert "\n" not in str(raised.value)
    share.bring_back()
    list(upscale_pack(build_run(pack, out, options(weights))))
    check(out, expected, pack)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@WAYS
def test_a_pack_that_is_pulled_away_fails_by_name_and_the_next_goes_on(
    nodes, pack, expected, weights, tmp_path, share, seed
):
    whole(nodes)
    shutil.copytree(pack, share.place, dirs_exist_ok=True)
    out, moment, seen = tmp_path / "out", random.Random(seed).randrange(1, FILES - 5), []
    for outcome in upscale_pack(build_run(share.place, out, options(weights))):
        seen.append(outcome)
        if len(seen) == moment:
            share.pull()
    assert len(seen) == len({outcome.path for outcome in seen}) == FILES + 1
    failed = [outcome for outcome in seen if outcome.outcome == "failed"]
    assert {outcome.reason for outcome in failed} <= {"cannot read: No such file or directory"}
    share.bring_back()
    list(upscale_pack(build_run(share.place, out, options(weights))))
    check(out, expected, pack)


@pytest.mark.slow
def test_the_command_says_in_one_line_that_its_output_is_gone(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    out, engine = tmp_path / "share" / "out", f"ray://{nodes.address}"
    arguments = ("upscale", pack, "-o", out, "--model", weights, "--device", "cpu", "--engine", engine, "-q")
    command = texup(*arguments)
    wait_for_lines(out, 6, command)
    (tmp_path / "share").rename(tmp_path / "stored")
    _, err = command.communicate(timeout=60)
    assert (command.returncode, err.count("\n"), err.startswith("texup: error: ")) == (5, 1, True), err
    assert "run the same command again" in err
    (tmp_path / "stored").rename(tmp_path / "share")
    again = texup(*arguments)
    _, err = again.communicate(timeout=400)
    assert (again.returncode, err) == (0, "")
    check(out, expected, pack)


SKEW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (result == 0 && id == CLOCK_REALTIME)
        now->tv_sec += atol(getenv("SKEW"));
    return result;
}
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Path:
    """A library that moves the clock of the process that loads it."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler here, or no Linux")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "skew.c").write_text(SKEW)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "skew.so", folder / "skew.c", "-ldl"], check=True)
    return folder / "skew.so"


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hours", [5, -5])
def test_a_driver_whose_clock_is_hours_off_is_killed_and_goes_on(
    nodes, pack, expected, weights, tmp_path, clock, hours, seed
):
    whole(nodes)
    out, engine = tmp_path / "out", f"ray://{nodes.address}"
    arguments = ("upscale", pack, "-o", out, "--model", weights, "--device", "cpu", "--engine", engine, "-q")
    skewed = texup(*arguments, LD_PRELOAD=str(clock), SKEW=str(3600 * hours))
    wait_for_lines(out, random.Random(seed).randrange(1, FILES - 5) + 1, skewed)
    skewed.kill()
    skewed.communicate()
    again = texup(*arguments)
    _, err = again.communicate(timeout=400)
    assert (again.returncode, err) == (0, "")
    check(out, expected, pack)


OTHER_TIMES = """
import os, pathlib, time, texup.files as f
time.time = lambda real=time.time: real() + {seconds}
def replace(temp, path, real=f._replace):
    os.utime(temp, (time.time(),) * 2)
    real(temp, path)
def touch(path, real=pathlib.Path.touch):
    real(path)
    os.utime(path, (time.time(),) * 2)
f._replace, pathlib.Path.touch = replace, touch
"""
"""A clock that is off, and a folder that takes the time of a file from who writes it."""


@pytest.mark.slow
def test_workers_whose_clocks_are_hours_ahead_change_no_byte(nodes, pack, expected, weights, tmp_path):
    whole(nodes)
    code = OTHER_TIMES.format(seconds=5 * 3600)
    with closing(upscale_pack(spoiled(pack, tmp_path / "out", weights, code))) as outcomes:
        for _ in range(FILES // 2):
            next(outcomes)
    list(upscale_pack(spoiled(pack, tmp_path / "out", weights, code)))
    check(tmp_path / "out", expected, pack)
    assert {o.outcome for o in upscale_pack(build_run(pack, tmp_path / "out", options(weights)))} == {"unchanged"}


@pytest.mark.slow
def test_a_worker_whose_files_look_older_than_the_run_is_refused_by_name(nodes, pack, weights, tmp_path):
    whole(nodes)
    with pytest.raises(UsageError, match="too old there; set its clock") as raised:
        list(upscale_pack(spoiled(pack, tmp_path / "out", weights, OTHER_TIMES.format(seconds=-5 * 3600))))
    assert str(raised.value).startswith(socket.gethostname())
    assert files_of(tmp_path / "out") == {}
