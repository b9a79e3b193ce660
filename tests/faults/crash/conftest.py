"""The crash harness: packs, a server that runs commands under the shim, and what must hold after every fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
KILLED = -9
MANIFEST = "texup-manifest.jsonl"
OPTIONS = ["--overlap", "8", "--jobs", "2", "--device", "cpu"]

NAMES = ["open", "write", "sync", "rename", "mkdir", "unlink", "truncate", "lock", "chmod"]
KINDS = {name: 1 << k for k, name in enumerate(NAMES)}
ALL = 511
ACTIONS = {"watch": 0, "kill": 1, "tear": 2, "fail": 3, "fail on": 4, "short": 5}
# What two undisturbed runs need not have in common: the clock, the sum over a line, and which of two twins came first.
VOLATILE = ("seconds", "check", "notes", "twin_of")


class Call(NamedTuple):
    """A call that the shim saw."""

    kind: str
    result: int
    path: str
    other: str
    """Of a rename the old name."""


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("texup: error: ")]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the files below a folder, but for the manifest, and its folders as None."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.name != MANIFEST}
    return {name: path.read_bytes() if path.is_file() else None for name, path in found.items()}


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells whether somebody touched a file: inode, mode and time of change."""
    return {str(p): (s.st_ino, s.st_mode, s.st_mtime_ns) for p in sorted(folder.rglob("*")) for s in [p.stat()]}


def records(result: Path) -> dict[str, dict[str, Any]]:
    """Return the last record of each path; every line of the manifest but a torn last one must be whole."""
    found = {}
    for path in result.rglob(MANIFEST):
        for line in path.read_bytes().decode().splitlines(keepends=True):
            if line.endswith("\n") and "path" in (value := json.loads(line)):
                found[value["path"]] = value
    return found


def lasting(result: Path) -> dict[str, dict[str, Any]]:
    """Return the records without what may differ between two undisturbed runs."""
    return {path: {k: v for k, v in value.items() if k not in VOLATILE} for path, value in records(result).items()}


def finished(result: Path) -> dict[str, tuple[int, int, int]]:
    """Return the stamps of the files that the manifest calls done; each must be what it says."""
    done = [target[0] for record in records(result).values() for target in record["targets"]]
    found, every = {str(path.parent / name) for path in result.rglob(MANIFEST) for name in done}, stamps(result)
    assert found <= every.keys(), "recorded, but not there"
    return {name: every[name] for name in found}


@dataclass
class Scene:
    """A command, what it reads, and what it writes when nothing disturbs it."""

    folder: Path
    command: list[str]
    ask: Callable[..., Said]
    code: int = 0
    whole: Path = field(init=False)
    calls: list[Call] = field(init=False)

    def __post_init__(self) -> None:
        self.before = stamps(self.folder / "source")
        self.content = tree(self.folder / "source")
        assert self.run("watch").code == self.code
        self.calls = self.trace()
        self.whole = self.result.rename(self.folder / "whole")

    @property
    def result(self) -> Path:
        return self.folder / "result"

    def run(self, action="", at=0, kinds=ALL, error=0, options=(), **more) -> Said:
        """Run the command, with a fault at the call of this number among those of ``kinds``."""
        trace = self.folder / "trace"
        trace.unlink(missing_ok=True)
        self.result.mkdir(exist_ok=True)
        shim = {"root": str(self.result), "kinds": kinds, "at": at, "error": error, "trace": str(trace)}
        shim = shim | {"action": ACTIONS[action]} if action else None
        return self.ask(cwd=str(self.folder), argv=[*self.command, *options], shim=shim, **more)

    def trace(self) -> list[Call]:
        lines = (self.folder / "trace").read_text().splitlines()
        return [Call(kind, int(result), path, other) for kind, result, path, other in (x.split("\t") for x in lines)]

    def count(self, kinds: int) -> int:
        """Return how many calls of some kinds the last run made."""
        return sum(KINDS[call.kind] & kinds != 0 for call in self.trace())

    def afresh(self, remains: Path | None = None) -> None:
        """Begin with nothing written, or with what an earlier run left."""
        shutil.rmtree(self.result, ignore_errors=True)
        if remains is not None:
            shutil.copytree(remains, self.result)

    def killed(self, action="kill", every=1, start: Path | None = None, **more) -> Iterator[int]:
        """Kill a run at each call in turn, and yield while its remains lie there; ends with the run that lives."""
        for at in count(1, every):
            self.afresh(start)
            said = self.run(action, at, **more)
            if said.code != KILLED:
                assert said.code == self.code, said.err
                assert at > 1
                return
            yield at

    def torn(self) -> list[str]:
        """Return the final names whose content is not that of the undisturbed run."""
        whole, found = tree(self.whole), tree(self.result)
        final = {name: data for name, data in found.items() if not Path(name).name.startswith(".texup-")}
        return [name for name, data in final.items() if name not in whole or data != whole[name]]

    def assert_sound(self) -> None:
        """Nothing is torn, nothing claimed, and the source is as it was."""
        assert self.torn() == []
        finished(self.result)
        assert lasting(self.result).items() <= lasting(self.whole).items()
        self.assert_source()

    def assert_source(self) -> None:
        assert stamps(self.folder / "source") == self.before
        assert tree(self.folder / "source") == self.content

    def assert_goes_on(self) -> None:
        """The same command again ends as the undisturbed run did, and does nothing again that was done."""
        done = finished(self.result)
        said = self.run()
        assert said.code == self.code, said.err
        now = stamps(self.result)
        assert {name: now[name] for name in done} == done, "done again"
        self.assert_whole()

    def assert_whole(self) -> None:
        assert tree(self.result) == tree(self.whole)
        assert lasting(self.result) == lasting(self.whole)
        self.assert_source()


@pytest.fixture(scope="session")
def shim(tmp_path_factory) -> Path:
    """The compiled shim."""
    if sys.platform != "linux":
        pytest.skip("the shim is for Linux")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o", path, HERE / "shim.c"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the shim cannot be compiled here")
    return path


def draw(path: Path, side: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(path)


def draw_dolphin(source: Path) -> list[str]:
    """Twins, a texture whose levels are files, a note that is copied, and a file that fails."""
    for k, seed in enumerate((1, 1, 2)):
        draw(source / "GALE01" / f"tex1_8x8_00112233445566a{k}_14.png", 8, seed)
    draw(source / "GALE01" / "UI" / "tex1_4x4_m_00112233445566bb_14.png", 4, 3)
    draw(source / "GALE01" / "UI" / "tex1_4x4_m_00112233445566bb_14_mip1.png", 2, 4)
    (source / "GALE01" / "tex1_8x8_0011223344556bad_14.png").write_bytes(b"\x89PNG\r\n\x1a\n, but no more")
    (source / "GALE01" / "notes.txt").write_bytes(b"by hand")
    return ["source", "-o", "result/out", "--format", "dolphin", "--copy-other"]


def draw_ppsspp(source: Path) -> list[str]:
    """A texture, and textures.ini that texup writes anew."""
    draw(source / "ULUS12345" / "new" / "0000000011223344556677ff.png", 8, 5)
    (source / "ULUS12345" / "textures.ini").write_bytes(b"[options]\nversion = 1\nhash = quick\n\n[hashes]\n")
    return ["source/ULUS12345", "-o", "result/out", "--format", "ppsspp"]


def draw_minecraft(source: Path) -> list[str]:
    """A zip with an animation, from which a zip is made."""
    draw(source / "stone.png", 8, 6)
    draw(source / "sea.png", 8, 7)
    with zipfile.ZipFile(source / "pack.zip", "w") as archive:
        archive.writestr("pack.mcmeta", '{"pack": {"pack_format": 34, "description": "test"}}')
        archive.writestr("assets/minecraft/textures/block/sea.png.mcmeta", '{"animation": {"width": 8, "height": 4}}')
        for name in ("stone", "sea"):
            archive.write(source / f"{name}.png", f"assets/minecraft/textures/block/{name}.png")
            (source / f"{name}.png").unlink()
    return ["source/pack.zip", "-o", "result/out.zip", "--format", "minecraft"]


def draw_file(source: Path) -> list[str]:
    """One texture, which has no manifest."""
    draw(source / "wall.png", 8, 8)
    return ["source/wall.png", "-o", "result/wall.png", "--force"]


def draw_tga(source: Path) -> list[str]:
    """Textures whose files are of one size whatever their pixels are."""
    for k in range(2):
        draw(source / f"{k}.tga", 8, 9 + k)
    return ["source", "-o", "result/out", "--format", "plain"]


DRAWN = {
    "dolphin": draw_dolphin,
    "ppsspp": draw_ppsspp,
    "minecraft": draw_minecraft,
    "file": draw_file,
    "tga": draw_tga,
}


@pytest.fixture(scope="session")
def ask(shim, weights, tmp_path_factory):
    """Asks a process that has loaded texup for a run of it."""
    folder = tmp_path_factory.mktemp("warm")
    draw(folder / "pack" / "a.png", 8, 0)
    warm = ["upscale", str(folder / "pack"), "-o", str(folder / "out"), "-q", *OPTIONS, "--model", str(weights)]
    own = {"PYTHONPATH": str(ROOT), "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "server.py"), *warm]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=os.environ | own, stdin=pipe, stdout=pipe, text=True) as server:

        def ask(**order) -> Said:
            server.stdin.write(json.dumps({"limits": {}, "writer": "", "decoders": False, "shim": None} | order) + "\n")
            server.stdin.flush()
            return Said(**json.loads(server.stdout.readline()))

        yield ask
        server.stdin.close()


@pytest.fixture(scope="session")
def scene_of(ask, weights, tmp_path_factory) -> Callable[[str], Scene]:
    """Makes the scene of a name, once."""
    made: dict[str, Scene] = {}

    def scene_of(name: str) -> Scene:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            (folder / "source").mkdir()
            command = ["upscale", *DRAWN[name](folder / "source"), *OPTIONS, "--model", str(weights)]
            made[name] = Scene(folder, command, ask, code=3 if name == "dolphin" else 0)
        made[name].afresh()
        return made[name]

    return scene_of


@pytest.fixture(params=["dolphin", "ppsspp", "minecraft", "file"])
def scene(request, scene_of) -> Scene:
    """Every scene in turn, with nothing written yet."""
    return scene_of(request.param)


@pytest.fixture(params=["dolphin", "file", *(pytest.param(n, marks=pytest.mark.slow) for n in ("ppsspp", "minecraft"))])
def some_scene(request, scene_of) -> Scene:
    """The richest scene and the poorest one by default, every one in the long run."""
    return scene_of(request.param)
