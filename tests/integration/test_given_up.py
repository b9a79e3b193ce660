"""A file that kills its decoder costs that once, and is tried again only when something has changed."""

from __future__ import annotations

import pytest
from PIL import Image

from texup.errors import DecoderDied
from texup.textures.codecs.decoders import Decoders


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
