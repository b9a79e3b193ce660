"""Packs in Google Cloud Storage and Azure, by emulators here; skipped where there is none (docs/cloud.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import pytest
from PIL import Image

import texup as api
from texup.packs.remote import store

from ..stores import BUCKET, Objects, azure_server, gcs_server

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets and clients that libraries leave open
MANIFEST = "texup-manifest.jsonl"
SERVERS = {"gs": gcs_server, "az": azure_server}
FILES = 6


@pytest.fixture(scope="module", params=SERVERS)
def server(request) -> Iterator[Objects]:
    way: AbstractContextManager[Objects] = SERVERS[request.param]()
    with way as objects:
        yield objects


@pytest.fixture
def objects(server, catalog, tmp_path, monkeypatch) -> Objects:
    """The store with a pack and nothing else, and an empty cache; one file is empty, one has a name to be quoted."""
    for prefix in ("pack", "out"):
        for key in server.tree(prefix):
            server.delete(f"{prefix}/{key}")
    folder = tmp_path / "pack"
    (folder / "ui").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.png", "ui/c #1 %41 é.png", "ui/d+e.png")):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (6, 9, 3), np.uint8)).save(folder / name)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "notes.txt").write_text("no texture")
    for path in folder.rglob("*.*"):
        server.put(f"pack/{path.relative_to(folder).as_posix()}", path.read_bytes())
    monkeypatch.setattr(store, "WAITS", (0.01, 0.02))
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "cache"))
    return server


@pytest.fixture
def local(texup, tmp_path, objects) -> dict[str, bytes]:
    """What a run on this machine makes of the same pack, without the manifest."""
    out = tmp_path / "local"
    assert texup("upscale", tmp_path / "pack", "-o", out, "--copy-other", "--device", "cpu").code == 0
    return results({path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")})


def results(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in tree.items() if path != MANIFEST}


@pytest.fixture
def upscale(texup, objects):
    """Upscales the pack of the store into the store."""

    def run(*options, out="out"):
        places = (f"{objects.protocol}://{BUCKET}/pack", "-o", f"{objects.protocol}://{BUCKET}/{out}")
        return texup("upscale", *places, "--copy-other", "--device", "cpu", *options)

    return run


def test_a_store_gets_what_a_local_run_makes(objects, upscale, local, texup):
    found = upscale("--json")
    assert (found.code, found.json["counts"]) == (0, {"copied": 2, "upscaled": 4}), found.err
    tree = objects.tree("out")
    assert results(tree) == local
    again = upscale()
    assert (again.code, f"{FILES} unchanged" in again.err, "fetching" in again.err) == (0, True, False)
    assert objects.tree("out") == tree
    verified = texup("verify", found.json["url"])
    assert (verified.code, verified.err.splitlines()[-1]) == (0, f"{FILES} files checked: all as recorded")


def test_another_machine_goes_on_and_what_was_changed_by_hand_stays(objects, upscale, tmp_path, monkeypatch, texup):
    assert upscale().code == 0
    objects.put("out/a.png", b"retouched")
    objects.delete("out/b.png")
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "other"))
    found = upscale("--json")
    assert [kept["path"] for kept in found.json["kept"]] == ["a.png"]
    assert found.json["counts"] == {"kept": 1, "unchanged": 4, "upscaled": 1}
    tree = objects.tree("out")
    assert (tree["a.png"], "b.png" in tree) == (b"retouched", True)
    found = texup("verify", f"{objects.protocol}://{BUCKET}/out", "--json")
    assert [(each["path"], each["problem"]) for each in found.json["findings"]] == [("a.png", "changed")]


def test_shards_are_merged_in_a_store(objects, upscale, local):
    parts = [f"out/part{k}" for k in (1, 2)]
    assert [upscale("--shard", f"{k}/2", out=part).code for k, part in enumerate(parts, 1)] == [0, 0]
    urls = [f"{objects.protocol}://{BUCKET}/{part}" for part in parts]
    merged = api.merge(urls, f"{objects.protocol}://{BUCKET}/out/joined")
    assert (merged.counts, merged.url) == ({"copied": 2, "upscaled": 4}, f"{objects.protocol}://{BUCKET}/out/joined")
    assert results(objects.tree("out/joined")) == local


def test_a_bucket_that_is_not_there_is_one_line(objects, texup, tmp_path):
    url = f"{objects.protocol}://nowhere/pack"
    found = texup("upscale", url, "-o", tmp_path / "out")
    assert (found.code, len(found.err.splitlines())) == (2, 1), found.err
    assert found.err.startswith(f"texup: error: {url}: ")
