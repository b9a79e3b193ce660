"""The list of public names: what is on it, what its import costs, and that type checkers see it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import texup
from texup.api.asked import _FIELDS, _READERS, UpscaleOptions, options_of
from texup.calls.options import Options
from texup.errors import UsageError

ROOT = Path(__file__).parents[2]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments, "-c", code], capture_output=True, text=True, check=False, env=environment
    )


def test_the_list_of_names():
    assert texup.__all__ == [
        "Inspection", "Merged", "Model", "Summary", "TexupError", "inspect", "load_model", "merge", "upscale",
        "upscale_array",
    ]  # fmt: skip
    assert {name: getattr(texup, name).__name__ for name in texup.__all__} == {name: name for name in texup.__all__}
    assert set(texup.__all__) | {"__version__"} <= set(dir(texup))
    with pytest.raises(AttributeError, match="module 'texup' has no attribute 'upscal'"):
        texup.upscal  # noqa: B018


def test_the_import_is_light():
    code = """
import sys, time
before, began = set(sys.modules), time.process_time()
import texup
assert time.process_time() - began < 0.05
assert {"upscale", "upscale_array"} < set(dir(texup))
texup.TexupError
heavy = {"torch", "numpy", "PIL", "click", "rich"} & set(sys.modules)
assert not heavy, heavy
assert len([name for name in set(sys.modules) - before if name.startswith("texup")]) == 2
"""
    results = [python(code) for _ in range(3)]  # the machine may be busy
    assert any(result.returncode == 0 for result in results), results[-1].stderr


def test_what_python_uses_imports_neither_click_nor_rich():
    code = "import sys, texup; [getattr(texup, name) for name in texup.__all__]; "
    code += "sys.exit(bool({'click', 'rich'} & set(sys.modules)))"
    assert python(code).returncode == 0


def test_every_option_of_a_run_can_be_asked_for():
    names = set(UpscaleOptions.__annotations__)
    assert names == set(_READERS)
    assert {_FIELDS.get(name, name) for name in names} == {field.name for field in fields(Options)}


def test_what_is_left_out_or_none_is_the_default():
    assert options_of({}, UpscaleOptions) == options_of(dict.fromkeys(_READERS), UpscaleOptions) == Options()
    values = {"edges": "wrap,clamp", "key": "FF00ff", "grain": 1, "model": ("a", Path("b.pth")), "include": "*.png"}
    asked = options_of(values, UpscaleOptions)
    assert (asked.edges, asked.key, asked.grain) == (("clamp", "wrap"), (255, 0, 255), 1.0)
    assert (asked.models, asked.include) == (("a", "b.pth"), ("*.png",))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("scale", 17, "scale must be a whole number from 1 to 16, not 17"),
        ("scale", "4", "scale must be a positive whole number, not '4'"),
        ("blend", 1.5, "blend must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not 1.5"),
        ("blend", float("nan"), "blend must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not nan"),
        ("model", 3, "model must be a path or a name, not 3"),
        ("model", ["a", None], "model must be a path or a name, not None"),
        ("model", "", "model must be a path or a name, not ''"),
        ("method", "best", "method must be one of auto, net, pixel, nearest, not 'best'"),
        ("gate", "on", "gate must be one of off, warn, fallback, not 'on'"),
        ("edges", ("wrap", "clamp"), "edges must be one of auto, wrap, mirror, clamp, or two of them as 'X,Y'"),
        ("key", (255, 0, 255), "key = [255, 0, 255]: use auto, none, or a colour as RRGGBB, such as ff00ff"),
        ("tile", 8, "tile must be a whole number from 16 to 4096, not 8"),
        ("jobs", True, "jobs must be a whole number from 1 to 64, not True"),
        ("force", 1, "force must be True or False, not 1"),
        ("include", 3, "include must be text, or a list of texts, not 3"),
        ("device", 0, "device must be text, not 0"),
        ("rules", b"x", "rules must be a path or a name, not b'x'"),
    ],
)
def test_a_value_that_is_not_possible_is_one_line(name, value, text):
    with pytest.raises(UsageError) as caught:
        options_of({name: value}, UpscaleOptions)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match=r"no option 'scal'; did you mean 'scale'\?"):
        options_of({"scal": 2}, UpscaleOptions)


SCRIPT = """
from pathlib import Path
import numpy as np
import texup
from texup import Inspection, Model, Summary, TexupError

def told(done: int, total: int, path: str) -> None: ...

try:
    summary: Summary = texup.upscale("pack", Path("out"), scale=2, blend="auto", include=["a"], progress=told)
except TexupError as error:
    reveal_type(error.exit_code)
reveal_type(summary.failures[0].reason)
net: Model = texup.load_model("texup-x4-psnr")
reveal_type(net(np.zeros((4, 4, 3), np.float32)))
reveal_type(texup.upscale_array(np.zeros((4, 4, 3), np.uint8), model=[net], kind="mask"))
found: Inspection = texup.inspect("pack", estimate=True)
reveal_type(found.files[0].width)
reveal_type(texup.merge(["part1", Path("part2")], "whole", progress=told).shards)
"""
WRONG = """
import numpy as np
import texup
texup.upscale("pack", scal=2)
texup.upscale("pack", method="best")
texup.upscale_array(np.zeros((4, 4, 3), np.int64))
texup.inspect("pack").colour
texup.nothing
texup.merge([1], "whole")
"""


@pytest.mark.slow
def test_type_checkers_see_it(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("no mypy")
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-torch.*]\nfollow_imports = skip\n")  # for its size
    (tmp_path / "right.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    assert (ROOT / "texup" / "py.typed").is_file()
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "right.py", "wrong.py"],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in result.stdout.splitlines() if line.startswith(("right", "wrong"))]
    notes = [line.rpartition("Revealed type is ")[2].strip('"') for line in lines if line.startswith("right")]
    assert not [line for line in lines if line.startswith("right") and ": error: " in line], result.stdout
    assert len(notes) == 6, result.stdout
    assert "Any" not in "".join(notes[:2])
    assert "dtype" in notes[3]
    wrong = {line.split(":")[1] for line in lines if line.startswith("wrong") and ": error: " in line}
    assert wrong == {"4", "5", "6", "7", "8", "9"}, result.stdout
