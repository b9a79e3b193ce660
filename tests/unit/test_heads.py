"""Format and size of a pack's pictures by their first bytes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from texup.errors import TextureError
from texup.packs.heads import HEAD, PNG_HEAD, head_of, read_head, size_of
from texup.packs.pack import Pack


def pack_of(data: bytes, read: list[int | None]) -> Pack:
    """Return a pack of which every path leads to ``data``; what is asked for is noted in ``read``."""

    def first(path: str, limit: int | None) -> bytes:
        read.append(limit)
        return data[:limit]

    return Pack((), (), first)


@pytest.mark.parametrize(
    ("suffix", "count"), [("png", PNG_HEAD), ("PNG", PNG_HEAD), ("bmp", HEAD), ("tga", HEAD), ("jpg", HEAD)]
)
def test_the_size_is_told_by_the_first_bytes(suffix, count):
    file, read = io.BytesIO(), []
    Image.new("RGB", (7, 300)).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    pack = pack_of(file.getvalue(), read)
    assert size_of(pack, f"a/b.{suffix}") == (7, 300)
    assert read_head(pack, f"a/b.{suffix}").mode.startswith("RGB")
    assert read == [count] * 2


def test_a_picture_that_cannot_be_read_has_no_size():
    pack = pack_of(b"no picture", [])
    assert (head_of(pack, "a/b.png"), size_of(pack, "a/b.png")) == (None, None)
    with pytest.raises(TextureError, match=r"^b\.png: the content is no picture"):
        read_head(pack, "a/b.png")
