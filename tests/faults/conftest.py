"""What the fault tests share: a small file of weights, and commands as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from texup.models.weights import save_weights

from ..builders import noise, tiny_net


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A x4 net that repeats pixels, nearly, and is loaded in a moment: hundreds of processes do so."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, {key: 0.3 * value for key, value in tiny_net().state_dict().items()}, {})
    return path


@pytest.fixture(scope="session")
def deep_weights(tmp_path_factory, near_identity) -> Path:
    """A x4 RRDBNet that repeats pixels, nearly: some noise in every filter gives it a real receptive field."""
    path = tmp_path_factory.mktemp("weights") / "deep.safetensors"
    save_weights(path, near_identity(1), {})
    return path


class Command:
    """A command that runs as a process of its own."""

    def __init__(self, launcher: Launcher, pid: int, folder: Path) -> None:
        self.launcher, self.pid, self.folder = launcher, pid, folder

    def wait(self) -> int:
        """Return its exit code; that of SIGALRM when it hung."""
        return self.launcher.ask({"wait": self.pid})

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(errors="surrogateescape")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(errors="surrogateescape")


class Launcher:
    """Starts commands; see launcher.py."""

    def __init__(self, folder: Path, weights: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        program = [sys.executable, Path(__file__).with_name("launcher.py"), folder / "pack", folder / "out", weights]
        (folder / "pack").mkdir()
        (folder / "pack" / "a.png").write_bytes(noise(0))
        self.process = subprocess.Popen(
            program, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1
        )
        self.folders = (folder / str(k) for k in count())

    def ask(self, order) -> int:
        self.process.stdin.write(json.dumps(order) + "\n")
        return int(self.process.stdout.readline())

    def start(self, *arguments, cwd, before="", streams=(), umask=0o022, ignored=(), limit=60) -> Command:
        """Start ``texup`` with arguments; streams are paths, None for a closed one, and by default files to read."""
        folder = next(self.folders)
        folder.mkdir()
        own = [os.devnull, str(folder / "out"), str(folder / "err")]
        order = {
            "arguments": [str(argument) for argument in arguments],
            "before": before,
            "cwd": str(cwd),
            "streams": [*streams, *own[len(streams) :]],
            "umask": umask,
            "ignored": [*ignored],
            "limit": limit,
        }
        return Command(self, self.ask(order), folder)

    def run(self, *arguments, **how) -> tuple[int, str, str]:
        """Run a command to its end; return its exit code and what it said on standard output and error."""
        command = self.start(*arguments, **how)
        code = command.wait()
        return code, *(getattr(command, name) if (command.folder / name).exists() else "" for name in ("out", "err"))


@pytest.fixture(scope="session")
def launcher(tmp_path_factory, weights):
    """Starts commands as processes of their own, quickly."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    launcher = Launcher(tmp_path_factory.mktemp("commands"), weights)
    yield launcher
    launcher.process.stdin.close()
    launcher.process.stdout.close()
    launcher.process.wait()
