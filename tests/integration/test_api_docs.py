"""docs/api.md: its examples run and print what they say, and its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import texup
from texup import errors
from texup.api.asked import PackOptions, PixelOptions, UpscaleOptions

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)


@pytest.fixture
def place(tmp_path, monkeypatch, wall, disc) -> Path:
    """A folder with the small pack that the examples take."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pack").mkdir()
    Image.fromarray(wall(16, 24)).save("pack/wall.png")
    leaf = np.concatenate((wall(16, 16), (255 * disc(16, 16, radius=6)[..., None]).astype(np.uint8)), axis=2)
    Image.fromarray(leaf).save("pack/leaf.png")
    Path("pack/notes.txt").write_text("no texture")
    return tmp_path


def test_the_examples_print_what_they_say(place, capsys):
    values: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/api.md", "exec"), values)
        said = [line for line in PRINTED.findall(block) if line]
        printed = capsys.readouterr()
        assert printed.err == ""
        assert [line for line in printed.out.splitlines() if line in said] == said, printed.out
        assert said or not re.search(r"^print", block, re.MULTILINE)
    assert len(BLOCKS) > 6


def rows(pattern: str) -> list[str]:
    return [name for row in re.findall(pattern, TEXT, re.MULTILINE) for name in re.findall(r"`(\w+)", row)]


def test_the_table_of_names_is_the_list():
    assert sorted(rows(r"^\| (`\w+(?:\(.*\))?`) \| [^(]")[: len(texup.__all__)]) == sorted(texup.__all__)


def test_the_table_of_options_is_that_of_the_code():
    of_all, of_packs, of_upscale = (rows(rf"^\| (`[^|]*) \| {of} \| ") for of in ("all", "packs", "`upscale`"))
    assert of_all == list(PixelOptions.__annotations__)
    assert sorted(of_all + of_packs) == sorted(PackOptions.__annotations__)
    assert sorted(of_all + of_packs + of_upscale) == sorted(UpscaleOptions.__annotations__)


def test_the_table_of_errors_has_exceptions_of_texup():
    named = rows(r"^\| (`\w+(?:Error|Device)`) \| \S.* [^|]{20}")
    assert {"UsageError", "LockedError"} < set(named)
    assert all(issubclass(getattr(errors, name), texup.TexupError) for name in named)
