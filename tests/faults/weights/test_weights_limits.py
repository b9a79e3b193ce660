"""Every hostile file of weights is refused by every command: exit 4, one line, seconds, bounded memory, no code."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from texup.bounds import WEIGHTS_BYTES
from texup.models.weights import save_weights

from .corpus import KINDS
from .craft import CONTAINERS, payloads

SECONDS, MEBIBYTES = 10, 1536
LIBRARIES = 256  # MiB of torch that a fork shares with its parent, which are not counted as its own
UNSAFE = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
ADVICE = re.compile(r"weights_only|add_safe_globals|safe_globals|torch\.load|trust|Traceback", re.IGNORECASE)
RECIPE = 'net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 1 }\nbatch = 2\nlr_patch = 8\n'
SAMPLE = {  # of each kind some, for the commands beside `models show`
    "bombs": ("key of 2^60 tuples", "bytearray of 6 GB", "deflated 64 MB", "a flipped bit", "20 MB of lists, legacy"),
    "headers": ("overlap", "a million tensors"),
    "nets": ("nan as half", "scale 3^10", "a million features"),
    "strangers": ("Git LFS", "half a zip"),
}


def commands(path: Path, place: Path) -> dict[str, list[str]]:
    """Return every command that reads weights, with ``path`` as its weights."""
    file, good, out, folder = str(path), str(place / "good.safetensors"), str(place / "out.safetensors"), str(place)
    data, pictures = str(place / "pack"), str(place / "pictures")
    return {
        "show": ["models", "show", file],
        "convert": ["models", "convert", file, out],
        "upscale": ["upscale", data, "-o", f"{folder}/out", "--model", file, "--device", "cpu"],
        "chain": ["upscale", data, "-o", f"{folder}/out", "--model", good, "--model", file, "--device", "cpu"],
        "inspect": ["inspect", data, "--model", file, "--device", "cpu"],
        "psnr": ["interpolate", file, good, "--alpha", "0.5", "-o", out],
        "gan": ["interpolate", good, file, "--alpha", "0.5", "-o", out],
        "sweep": ["interpolate", file, good, "--sweep", "0,1", "--on", f"{pictures}/a.png", "-o", f"{folder}/out.png"],
        "evaluate": ["evaluate", file, "--on", pictures],
        "finetune": ["finetune", file, "--data", pictures, "--out", f"{folder}/out", "--iterations", "1"],
        "init": ["train", f"{folder}/r.toml", "--data", pictures, "--init", file, "--out", out, "--iterations", "1"],
        "vgg": [
            "train",
            f"{folder}/v.toml",
            "--data",
            pictures,
            "--vgg-weights",
            file,
            "--out",
            out,
            "--iterations",
            "1",
        ],
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory, near_identity, wall) -> Path:
    """A pack, pictures, recipes and good weights."""
    place = tmp_path_factory.mktemp("place")
    save_weights(place / "good.safetensors", near_identity(1), {})
    for folder, side in {"pack": 16, "pictures": 96}.items():
        (place / folder).mkdir()
        Image.fromarray(wall(side, side)).save(place / folder / "a.png")
    (place / "r.toml").write_text(RECIPE)
    (place / "v.toml").write_text(RECIPE + "[loss]\nperceptual = 0.1\n[features]\nwidth = 1.0\n")
    return place


def faults(result, path: Path, place: Path) -> list[str]:
    """Return what is wrong with the refusal of a file."""
    err = result["err"]
    return [
        *([f"ended with {result['code']}: {err[-300:]}"] if result["code"] != 4 else []),
        *([f"took {result['cpu']:.1f} s"] if result["cpu"] >= SECONDS else []),
        *([f"took {result['mib']:.0f} MiB"] if result["mib"] + LIBRARIES >= MEBIBYTES else []),
        *([f"printed {result['out'][:200]}"] if result["out"] else []),
        *([f"said {err[:500]}"] if err.count("\n") != 1 or len(err) > 700 + len(str(path)) else []),
        *([f"gave advice: {err[:500]}"] if ADVICE.search(err.replace(str(path), "")) else []),
        *(["named no file"] if path.name not in err else []),
        *(["wrote raw control characters"] if re.search(r"[\x00-\x09\x0b-\x1f\x7f]", err) else []),
        *(["wrote an output"] if any(place.glob("out*")) else []),
    ]


def refused(measure, place: Path, jobs: list[tuple[str, Path]], environment: dict[str, str]) -> None:
    orders = [
        {"arguments": commands(path, place)[command], "cwd": str(place), "environment": environment}
        for command, path in jobs
    ]
    results = measure(orders)
    wrong = {
        f"{command} {path.name}": found
        for (command, path), result in zip(jobs, results, strict=True)
        if (found := faults(result, path, place))
    }
    assert not wrong
    for key in ("cpu", "mib"):
        worst, job = max((result[key], f"{job[0]} {job[1].name}") for job, result in zip(jobs, results, strict=True))
        print(f"{len(results)} refusals, at most {worst:.1f} {key} ({job})")


def written(folder: Path, kind: str, names=None) -> list[Path]:
    paths = []
    for number, (title, make) in enumerate(KINDS[kind].items()):
        if names is None or title in names:
            path = folder / f"{number:02} {title.replace('/', '-')}.pth"
            path.write_bytes(make())
            paths.append(path)
    return paths


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_p14_hostile_files_are_refused_quickly_in_one_line(measure, place, tmp_path, kind):
    refused(measure, place, [("show", path) for path in written(tmp_path, kind)], UNSAFE)


@pytest.mark.thorough
def test_p14_every_command_refuses_hostile_weights_before_it_writes(measure, place, tmp_path):
    paths = [path for kind, titles in SAMPLE.items() for path in written(tmp_path, kind, titles)]
    assert len(paths) == sum(map(len, SAMPLE.values()))
    jobs = [(name, paths[k % len(paths)]) for k, name in enumerate([*commands(paths[0], place)] * 2)]
    refused(measure, place, jobs, {})


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_p14_every_command_refuses_every_hostile_file(measure, place, tmp_path, kind):
    paths = written(tmp_path, kind)
    refused(measure, place, [(command, path) for path in paths for command in commands(path, place)], {})


@pytest.mark.thorough
def test_p12_no_command_runs_code_from_weights(measure, place, tmp_path):
    canary = tmp_path / "canary"
    titles, names = list(CONTAINERS), list(commands(tmp_path, place))
    jobs = []
    for k, (title, content) in enumerate(payloads(str(canary)).items()):
        path = tmp_path / f"{title}{('.pth', '.safetensors', '.pt', '.ckpt', '.bin')[k % 5]}"
        path.write_bytes(CONTAINERS[titles[k % 4]](content))
        jobs += [(names[k % len(names)], path), (names[(k + 5) % len(names)], path)]
    refused(measure, place, jobs, UNSAFE)
    assert not canary.exists()


def test_p12_rules_that_name_hostile_weights_run_no_code(measure, place, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "net.pth"
    path.write_bytes(CONTAINERS["zip"](payloads(str(canary))["exec"]))
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[[rule]]\nmatch = "**"\nmodel = "{path}"\n')
    arguments = ["upscale", str(place / "pack"), "-o", str(place / "out"), "--rules", str(rules), "--device", "cpu"]
    (result,) = measure([{"arguments": arguments, "cwd": str(place), "environment": UNSAFE}])
    assert not faults(result, path, place)
    assert not canary.exists()


@pytest.fixture
def special(tmp_path) -> dict[str, Path]:
    """What is under a name of weights but no plain file, or no sane one."""
    os.mkfifo(tmp_path / "pipe.pth")
    paths = {"pipe": tmp_path / "pipe.pth", "null": Path(os.devnull), "zeros": Path("/dev/zero")}
    for title, target in {"to zeros": "/dev/zero", "to pipe": "pipe.pth"}.items():
        paths[title] = tmp_path / f"link {title}.pth"
        paths[title].symlink_to(target)
    for title, size in {"large": WEIGHTS_BYTES + 1, "100 GB": 100 << 30}.items():
        paths[title] = tmp_path / f"{title}.safetensors"
        with paths[title].open("wb") as file:
            file.truncate(size)  # sparse
    for title, odd in {"long": "n" * 251 + ".pth", "odd": "[x]\n\x1b[31m\u202e.pth"}.items():
        paths[title] = tmp_path / odd
        paths[title].write_bytes(b"nothing")
    return paths


def test_p14_pipes_devices_links_and_giants_are_refused_unread(measure, place, tmp_path, special, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.pth")
        paths = special | {"socket": tmp_path / "door.pth"}
        jobs = [(command, path) for path in paths.values() for command in ("show", "upscale", "gan", "init")]
        orders = [{"arguments": commands(path, place)[command], "cwd": str(place)} for command, path in jobs]
        for (command, path), result in zip(jobs, measure(orders), strict=True):
            found = [fault for fault in faults(result, path, place) if fault != "named no file"]
            assert not found, (command, path.name)


def test_p14_a_net_stays_whole_when_its_file_is_cut_while_it_runs(tmp_path, near_identity):
    from texup.models.loading import load_model

    path = tmp_path / "net.safetensors"
    save_weights(path, near_identity(1), {})
    model = load_model(path)
    path.write_bytes(b"")  # a mapped file would end this process by SIGBUS
    assert model.net(torch.from_numpy(np.zeros((1, 3, 8, 8), np.float32))).isfinite().all()
