"""P9, P16: what the system is asked for: nothing is written outside OUT, no network, no program but Python itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture

ROOT = Path(__file__).parents[2]
CALLS = "open,openat,openat2,creat,truncate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,"
CALLS += "mknod,mknodat,unlink,unlinkat,rmdir,chmod,fchmodat,fchmodat2,chown,lchown,fchownat,utimensat,"
CALLS += "socket,connect,bind,sendto,execve,execveat"
NETWORK = {"socket", "connect", "bind", "sendto"}
LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)")
TEXT = re.compile(r'(AT_FDCWD|\d+)?(?:<([^>]*)>)?(?:, )?"((?:[^"\\]|\\.)*)"')
# Besides OUT and the temporary folder; torch and Python keep nothing anywhere else.
MAY_WRITE = ("/dev/null", "/dev/shm/")


@dataclass(frozen=True)
class Call:
    """A system call of a traced command, with its paths made absolute."""

    name: str
    paths: tuple[str, ...]
    text: str
    is_done: bool

    @property
    def writes(self) -> bool:
        if self.name in ("open", "openat", "openat2"):
            return bool(re.search("O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", self.text))
        return self.name not in NETWORK | {"execve", "execveat"}


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Runs ``texup`` in a folder and returns its exit code, what it said, and its system calls."""
    strace = shutil.which("strace")
    if (
        strace is None
        or subprocess.run([strace, "--seccomp-bpf", "-f", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("strace is not here, or may not trace")
    log = tmp_path_factory.mktemp("trace") / "log"

    def run(folder: Path, *arguments) -> tuple[int, str, list[Call]]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # Python's own, beside its modules
            "OMP_NUM_THREADS": "1",
        }
        command = [
            strace,
            "--seccomp-bpf",  # only what is asked for stops the command
            "-f",
            "-qq",
            "-s",
            "4096",
            "-y",
            "-e",
            "trace=" + ",".join(f"?{call}" for call in CALLS.split(",")),
            "-o",
            log,
        ]
        done = subprocess.run(
            [*command, sys.executable, "-m", "texup", *map(str, arguments)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, list(calls(log, folder))

    return run


def calls(log: Path, folder: Path):
    """Read what strace wrote; calls that threads interrupted are put together again."""
    begun: dict[str, str] = {}
    for line in log.read_text(errors="surrogateescape").splitlines():
        pid = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        resumed = re.search(r"<\.\.\. \w+ resumed>", line)
        found = LINE.match(begun.pop(pid) + line[resumed.end() :] if resumed else line)
        if found:
            name, text, result = found.groups()
            paths = tuple(
                os.path.normpath(os.path.join(folder if at in ("", "AT_FDCWD") else place or folder, path))
                for at, place, path in TEXT.findall(text)[: 2 if "link" in name or "rename" in name else 1]
            )
            yield Call(name, paths, text, not result.startswith("-"))


@pytest.fixture(scope="module")
def scene(tmp_path_factory, weights):
    """A folder with a pack, a zip of it, weights, and things of the user that are none of texup's business."""
    folder = tmp_path_factory.mktemp("traced")
    for name in ("home/.config", "home/.cache", "pack/sub", "tmp", "elsewhere"):
        (folder / name).mkdir(parents=True)
    for name in ("home/.netrc", "home/.config/secret", "elsewhere/secret.png"):
        (folder / name).write_bytes(b"secret")
    for k, name in enumerate(("a.png", "b.tga", "sub/c.dds", "sub/d.png")):
        pixels = np.random.default_rng(k).integers(0, 256, (8, 8, 3), np.uint8)
        (folder / "pack" / name).write_bytes(encode(Texture(pixels, Container(Path(name).suffix[1:]))))
    (folder / "pack" / "link.png").symlink_to(folder / "elsewhere" / "secret.png")
    (folder / "pack" / "broken.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        for path in sorted((folder / "pack").rglob("*.*")):
            archive.write(path, path.relative_to(folder / "pack"))
    shutil.copy(weights, folder / "tiny.safetensors")
    return folder


OPTIONS = ("--model", "tiny.safetensors", "--overlap", "8", "--device", "cpu")
RUNS = {
    "a zip": ("upscale", "pack.zip", "-o", "zipped.zip", "--copy-other", *OPTIONS),
    "a folder": ("upscale", "pack", "-o", "out", "--copy-other", "-v", *OPTIONS),
    "a plan": ("inspect", "pack", "--json", *OPTIONS),
    "a check": ("check", "pack"),
}
SLOW = ("a zip", "a plan")
OUTPUTS = {"a folder": ("out",), "a zip": ("zipped", "zipped.zip", "tmp/", ".texup-")}  # of a zip's temporary file


def test_the_trace_sees_a_write_a_connection_and_a_program(trace, tmp_path):
    """The test of the tests: a command that does all that is forbidden is seen doing it."""
    (tmp_path / "texup.py").write_text(
        "import os, socket, subprocess\n"
        "open('stray', 'w').close()\n"
        "socket.socket(socket.AF_UNIX).connect_ex('/nowhere')\n"
        "subprocess.run(['true'])\n"
        "open('home/.netrc').close()\n"
    )
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("x")
    code, _, seen = trace(tmp_path)
    assert code == 0
    assert [call.paths[0] for call in seen if call.writes and call.is_done] == [str(tmp_path / "stray")]
    assert {call.name for call in seen} >= {"socket", "connect"}
    assert any(call.name == "execve" and call.paths[0].endswith("/true") for call in seen if call.is_done)
    assert any(call.is_done and call.paths[:1] == (str(tmp_path / "home/.netrc"),) for call in seen)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RUNS])
def test_p09_p16_a_command_writes_inside_out_only_and_starts_nothing(trace, scene, name):
    code, said, seen = trace(scene, *RUNS[name])
    assert code in (0, 3), said
    mine = tuple(f"{scene}/{place}" for place in OUTPUTS.get(name, ()))
    written = {path for call in seen if call.writes and call.is_done for path in call.paths}
    strays = {path for path in written if path.startswith(str(scene)) or not path.startswith(MAY_WRITE)}
    assert {path for path in strays if not path.startswith(mine)} == set()
    assert any(path.startswith(str(scene)) for path in written) is bool(mine)
    assert [call for call in seen if call.name in NETWORK] == []
    started = {os.path.realpath(call.paths[0]) for call in seen if call.name.startswith("execve") and call.is_done}
    assert started == {os.path.realpath(sys.executable)}
    opened = {path for call in seen if call.is_done for path in call.paths if path.startswith(str(scene))}
    known = tuple(f"{scene}/{place}" for place in ("pack", "tiny.safetensors", "tmp"))
    assert {path for path in opened if not path.startswith((*mine, *known))} <= {str(scene)}
    assert f"{scene}/pack/link.png" not in opened
    assert list((scene / "tmp").iterdir()) == []


# Heads of formats that Pillow reads, some by programs of others, under every suffix that texup takes.
PARSERS = r"""
import sys
from PIL import Image
def refuse(*arguments, **options):
    sys.exit("Pillow was asked for any format")
Image.open = Image.init = Image.preinit = refuse
from texup.errors import TextureError
from texup.textures.codecs.files import SUFFIXES, decode
HEADS = [b"%!PS-Adobe-3.0 EPSF-3.0", b"GIF89a", b"II*\0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"BM", b"DDS "]
HEADS += [b"\xff\xd8\xff", b"8BPS", b"\0\0\2", b"%PDF-1.4", b"\xd7\xcd\xc6\x9a", b"SIMPLE  =", b"P6 1 1 255\n", b"icns"]
for suffix in SUFFIXES:
    for head in HEADS:
        try:
            decode(head + bytes(200), "a" + suffix, max_pixels=1 << 24)
        except TextureError:
            continue
        sys.exit(f"{suffix} {head}")
print(*sorted(name for name in sys.modules if name.startswith("PIL.") and name.endswith("ImagePlugin")))
"""


def test_p16_only_the_named_formats_are_parsed():
    done = subprocess.run([sys.executable, "-c", PARSERS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["PIL.JpegImagePlugin", "PIL.WebPImagePlugin"]
