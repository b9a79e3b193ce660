"""The shim is held against the system's own list of calls: what it does not see, no test here would kill."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# As the system calls them -> as the shim does; None for what texup must not call at all.
CALLS = {
    "open": "open", "openat": "open", "creat": "open", "openat2": None,
    "write": "write", "writev": "write", "pwrite64": "write", "pwritev": None, "pwritev2": None,
    "sendfile": None, "copy_file_range": None, "splice": None, "fallocate": None,
    "fsync": "sync", "fdatasync": "sync", "sync_file_range": None,
    "rename": "rename", "renameat": "rename", "renameat2": "rename", "link": None, "linkat": None,
    "symlink": None, "symlinkat": None, "mknod": None, "mknodat": None,
    "mkdir": "mkdir", "mkdirat": "mkdir", "unlink": "unlink", "unlinkat": "unlink", "rmdir": "unlink",
    "truncate": None, "ftruncate": "truncate", "flock": "lock",
    "chmod": "chmod", "fchmod": "chmod", "fchmodat": "chmod", "fchmodat2": None,
    "chown": None, "fchown": None, "fchownat": None, "utimensat": None, "setxattr": None, "fsetxattr": None,
}  # fmt: skip
LINE = re.compile(r"\d+ +(\w+)\((.*)")
READS = re.compile(r"O_RDONLY(?!.*O_(CREAT|TRUNC))")


@pytest.fixture
def system_calls(tmp_path):
    """Runs a scene under strace and returns how often it called what, below its result."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")

    def traced(scene) -> Counter[str]:
        log = tmp_path / "log"
        wanted = f"trace={','.join('?' + name for name in CALLS)}"  # ? for calls that this machine does not have
        command = ["strace", "--seccomp-bpf", "-f", "-y", "-qq", "-e", wanted, "-e", "signal=none", "-o", log]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
            pytest.skip("strace does not work here")
        scene.result.mkdir()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        run = [*command, sys.executable, "-m", "texup", *scene.command]
        done = subprocess.run(run, cwd=scene.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == scene.code, done.stderr
        found = [match for match in map(LINE.match, log.read_text().splitlines()) if match]
        below = [m for m in found if f"{scene.result}/" in m[2] or f"{scene.result}>" in m[2] or '"result/' in m[2]]
        return Counter(m[1] for m in below if CALLS[m[1]] != "open" or not READS.search(m[2]))

    return traced


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["dolphin", pytest.param("minecraft", marks=pytest.mark.slow)])
def test_p02_the_shim_sees_every_call_that_writes(scene_of, system_calls, name):
    scene = scene_of(name)
    counts = system_calls(scene)
    assert {call for call in counts if CALLS[call] is None} == set()
    seen: Counter[str] = Counter()
    for call, number in counts.items():
        seen[CALLS[call]] += number
    assert seen == Counter(call.kind for call in scene.calls)
    print(dict(seen))
