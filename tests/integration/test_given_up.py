"""A file that kills its decoder costs that once, and is tried again only when something has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.engines.cluster.shards import KILLER
from texup.errors import DecoderDied
from texup.manifest.record import Outcome
from texup.textures.codecs.decoders import Decoders
from texup.upscaling.pack import upscale_pack


@pytest.mark.usefixtures("catalog")
def test_what_killed_its_decoder_is_told_again_and_not_tried_again(texup, tmp_path, wall, monkeypatch):
    tried, decode = [], Decoders.decode

    def deadly(self, data, name, *more):
        tried.append(name)
        if name == "bad.png":
            raise DecoderDied("the decoder crashed; put back a sound copy", name)
        return decode(self, data, name, *more)

    monkeypatch.setattr(Decoders, "decode", deadly)
    folder = tmp_path / "pack"
    folder.mkdir()
    for side, name in ((8, "bad.png"), (12, "good.png")):
        Image.fromarray(wall(side, side)).save(folder / name)

    def upscale(*more):
        tried.clear()
        result = texup("upscale", folder, "--json", *more)
        return result.code, result.json["counts"], [name for name in tried if name == "bad.png"]

    assert upscale() == (3, {"failed": 1, "upscaled": 1}, ["bad.png"])
    assert upscale() == (3, {"failed": 1, "unchanged": 1}, [])
    assert upscale("--force") == (3, {"failed": 1, "upscaled": 1}, ["bad.png"])
    Image.fromarray(wall(16, 16)).save(folder / "bad.png")
    assert upscale() == (3, {"failed": 1, "unchanged": 1}, ["bad.png"]), "another file may be sound"


class Dying:
    """An engine whose workers every job kills."""

    device = None

    def __init__(self):
        self.tried = []

    def run(self, jobs, start, end):
        for job in jobs:
            self.tried.append(job.path)
            yield Outcome(path=job.path, outcome="failed", reason=KILLER, given_up=True)
        end()


@pytest.mark.usefixtures("catalog")
def test_what_killed_workers_is_told_again_and_not_tried_again(tmp_path, wall):
    folder = tmp_path / "pack"
    folder.mkdir()
    Image.fromarray(wall(8, 8)).save(folder / "bad.png")

    def upscale(**more):
        engine = Dying()
        run = build_run(folder, tmp_path / "out", Options(device="cpu", **more))
        (outcome,) = upscale_pack(replace(run, load_engine=lambda: engine))
        return outcome.explanation, engine.tried

    assert upscale() == (KILLER, ["bad.png"])
    assert upscale() == (f"tried before, --force tries again: {KILLER}", [])
    assert upscale(force=True) == (KILLER, ["bad.png"])
    assert upscale(scale=2) == (KILLER, ["bad.png"]), "by other settings it may take less"
    Image.fromarray(wall(12, 12)).save(folder / "bad.png")
    assert upscale(scale=2) == (KILLER, ["bad.png"]), "another file may do no harm"
