"""The output is removed while a run writes there: the run stops at the next write, and the next run works."""

from __future__ import annotations

import json
import shutil

import pytest

from texup.errors import OutputError
from texup.files import atomic_write
from texup.locks import output_lock
from texup.manifest.history import NAME

from ..builders import AT_RESULT, noise

COUNT = 6

# What lies there is removed as ``rm -rf`` does it, or all but a late file.
WAYS = {
    "all": 'shutil.rmtree("out")',
    "all but the folder": '[shutil.rmtree(e) if e.is_dir() else os.unlink(e) for e in list(os.scandir("out"))]',
    "all but what was just written": '[p.unlink() for p in [*pathlib.Path("out").rglob("*.*")] if str(p) != str(new)]',
    "the manifest": 'os.unlink("out/texup-manifest.jsonl")',
    "replaced by another": 'shutil.rmtree("out"); shutil.copytree("other", "out")',
}


@pytest.fixture(scope="module", params=[False, True], ids=["upscaled", "copied"])
def copied(request) -> bool:
    """Whether most files of the pack are copied."""
    return request.param


@pytest.fixture(scope="module")
def run(launcher, weights, copied):
    """Upscales the pack in a folder."""

    def run(folder, out, before=""):
        more = ["--copy-other", "--include", "0.png"] * copied
        command = ["upscale", "pack", "-o", out, "--model", weights, "--overlap", "8", "--jobs", "1", "--json", *more]
        return launcher.run(*command, cwd=folder, before=before)

    return run


@pytest.fixture(scope="module")
def scene(tmp_path_factory, run):
    """A folder with a pack, and in ``other`` what an undisturbed run makes of it."""
    folder = tmp_path_factory.mktemp("removed")
    (folder / "pack" / "sub").mkdir(parents=True)
    for k in range(COUNT):
        (folder / "pack" / ("sub" if k % 2 else "") / f"{k}.png").write_bytes(noise(k))
    assert run(folder, "other")[0] == 0
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_run_whose_output_is_removed_stops_at_once_and_the_next_one_works(run, scene, way, copied):
    out, other, pack = scene / "out", scene / "other", scene / "pack"
    shutil.rmtree(out, ignore_errors=True)
    code, said, told = run(scene, "out", AT_RESULT.format(count=3, what=WAYS[way]))
    assert (code, said) == (5, ""), told
    assert told.startswith("texup: error: out")
    assert "run the same command again" in told or "No such file" in told or "cannot be read back" in told
    code, said, told = run(scene, "out")
    assert code == 0, told
    names = [path.relative_to(out) for path in sorted(out.rglob("*.png"))]
    assert names == [path.relative_to(pack) for path in sorted(pack.rglob("*.png"))]
    assert copied or json.loads((out / NAME).read_text().splitlines()[-1])["ended"] is True
    for name in names:
        assert (out / name).read_bytes() == (other / name).read_bytes()


def test_no_write_makes_the_output_anew(tmp_path):
    with output_lock(tmp_path / "out"):
        assert atomic_write(tmp_path / "out" / "sub" / "deep" / "a", b"abc") == 3
        shutil.rmtree(tmp_path / "out")
        with pytest.raises(OutputError, match="the output was removed meanwhile; run the same command again"):
            atomic_write(tmp_path / "out" / "sub" / "a", b"abc")
    assert not (tmp_path / "out").exists()
    assert atomic_write(tmp_path / "out" / "sub" / "a", b"abc") == 3
