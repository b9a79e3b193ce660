"""What every convention promises, whatever its loader: one suite over the whole table.

What only one loader wants (its grammar, its folders, its levels of alpha) is tested in ``tests/unit/test_packs_*.py``.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.checking import check_output
from texup.conventions.convention import Convention, Planned, Wishes
from texup.conventions.detection import detect
from texup.conventions.table import CONVENTIONS
from texup.engines.devices.device import Device
from texup.engines.inline import InlineEngine
from texup.errors import TextureError
from texup.packs.pack import Pack
from texup.packs.walk import is_safe
from texup.textures.texture import Container, Texture
from texup.upscaling.pack import upscale_pack
from texup.upscaling.planning import plan_pack

from ..builders import pack_of, plans_of, run_for
from .dumps import DUMPS

LAW = settings(deadline=None, derandomize=True)
WISHES = [{}, {"copy_other": True}, {"scale": 1}, *({"dds": kind} for kind in ("auto", "bc1", "bc3", "bc7"))]
each = pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.id)


def dump_of(convention: Convention) -> Pack:
    dump = DUMPS[convention.id]
    return pack_of(dump.files, tuple(dump.place.split("/")))


def test_every_convention_has_a_dump():
    assert [convention.id for convention in CONVENTIONS] == list(DUMPS)


# Names


@each
@given(data=st.data())
@LAW
def test_a_canonical_name_comes_back_as_it_was(convention, data):
    path = data.draw(DUMPS[convention.id].names)
    name = convention.parse(path)
    assert name is not None
    assert convention.format(name) == path.rpartition("/")[2]
    assert name.path == path


@each
@given(data=st.data())
@LAW
def test_a_name_that_was_put_right_needs_it_no_more(convention, data):
    path = data.draw(DUMPS[convention.id].names)
    folder, slash, bare = path.rpartition("/")
    name = convention.parse(f"{folder}{slash}{bare.swapcase()}")
    if name is not None:
        once = convention.format(name)
        again = convention.parse(f"{folder}{slash}{once}")
        assert again is not None
        assert convention.format(again) == once


ANY_NAME = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=12)


@each
@given(data=st.data())
@settings(LAW, max_examples=30)
def test_no_name_and_no_file_stops_a_convention(convention, data):
    """Names of strangers among real ones, none of which can be read; a surrogate stands for a byte that is no UTF-8."""
    stems = data.draw(st.lists(ANY_NAME, max_size=4))
    suffixes = st.sampled_from([".png", ".dds", ".tga", ".txt", ""])
    drawn = {f"{stem}{data.draw(suffixes)}" for stem in stems if stem not in (".", "..")}
    paths = sorted(drawn | {data.draw(DUMPS[convention.id].names), *DUMPS[convention.id].files})
    pack = pack_of(dict.fromkeys(paths), tuple(DUMPS[convention.id].place.split("/")))
    plans_of(convention, pack)
    assert 0 <= convention.detect(pack) <= 1.2
    for path in paths:
        convention.lookup(path)
    with suppress(TextureError):  # of a text file that cannot be read; whoever asked for the check says so
        list(convention.check(pack))


@each
def test_nothing_is_of_no_convention(convention):
    empty = pack_of([], tuple(DUMPS[convention.id].place.split("/")))
    assert convention.detect(empty) == 0
    assert plans_of(convention, empty)[0] == {}
    assert not [found for found in convention.check(empty) if found.severity == "error" and found.path]


@each
def test_a_dump_is_of_its_own_convention(convention):
    found = detect(dump_of(convention))
    expected = "gliden64" if convention.id == "rice" else convention.id  # two loaders of the same files
    assert found.convention.id == expected, found.why
    assert found.why.startswith(f"{expected}: ")


# The plan


@each
@pytest.mark.parametrize("wishes", WISHES, ids=lambda wishes: " ".join(map(str, wishes.values())) or "usual")
def test_every_file_has_one_plan_and_every_result_a_place_of_its_own(convention, wishes):
    pack = dump_of(convention)
    plans, findings = plans_of(convention, pack, **wishes)
    targets = [plan.target for plan in plans.values() if plan.target]
    assert len(set(targets)) == len(targets) > 2
    assert all(map(is_safe, targets))
    assert all((plan.target == "") == (plan.action in ("skip", "joined", "refuse")) for plan in plans.values())
    joined = {path for plan in plans.values() if plan.action == "upscale" for path in plan.others}
    assert joined == {path for path, plan in plans.items() if plan.action == "joined"}
    sidecars = list(convention.sidecars(pack, list(plans.values()), Wishes(**wishes)))
    rewritten = [path for path, plan in plans.items() if plan.action == "rewrite"]
    assert sorted(sidecar.source for sidecar in sidecars if sidecar.source) == sorted(rewritten)
    assert all(plans[sidecar.source].target == sidecar.target for sidecar in sidecars if sidecar.source)
    assert all("\n" not in finding.text for finding in findings)


@each
def test_a_plan_is_the_same_each_time(convention):
    pack = dump_of(convention)
    first = list(convention.plan(pack, Wishes()))
    for other in CONVENTIONS:  # what one loader was asked must not show in another's answer
        list(other.plan(pack, Wishes()))
    assert list(convention.plan(pack, Wishes())) == first


@each
def test_a_plan_does_not_depend_on_the_order_of_the_files(convention):
    """Unless two files are one texture, as none of a dump are."""
    dump = DUMPS[convention.id]
    expected = plans_of(convention, dump_of(convention))[0]
    for seed in range(5):
        paths = list(dump.files)
        random.Random(seed).shuffle(paths)
        pack = pack_of({path: dump.files[path] for path in paths}, tuple(dump.place.split("/")))
        assert plans_of(convention, pack)[0] == expected


@each
def test_a_finished_pack_is_planned_to_where_it_lies(convention):
    """Looking up is idempotent: what was written where the loader looks is found there by the same key again."""
    dump = DUMPS[convention.id]
    plan = plan_pack(dump_of(convention), convention, Wishes())
    sidecars = {sidecar.target: sidecar.data for sidecar in plan.sidecars}
    written = {file.target: sidecars.get(file.target, dump.files[file.path]) for file in plan.files if file.target}
    again = plan_pack(pack_of(written, ("home", "finished")), convention, Wishes())
    assert {file.target: file.path for file in again.files if file.target} == {path: path for path in written}
    keys = {path: convention.lookup(path) for path in written}
    assert {file.path: convention.lookup(file.target) for file in again.files} == keys
    textures = [file.target for file in plan.files if file.action == "upscale"]
    assert len({keys[path] for path in textures}) == len(textures)


# The result


@pytest.fixture(scope="module")
def finished(tmp_path_factory, nearest_model, decoders):
    """Makes the folder that texup writes for a dump, with a net that repeats pixels."""
    made: dict[str, Path] = {}

    def make(convention: Convention) -> Path:
        if convention.id not in made:
            folder = tmp_path_factory.mktemp("dump")
            source, out = folder / DUMPS[convention.id].place, folder / "out"
            for path, data in DUMPS[convention.id].files.items():
                (source / path).parent.mkdir(parents=True, exist_ok=True)
                (source / path).write_bytes(data)
            model = nearest_model(4)
            engine = InlineEngine(Device([model], torch.device("cpu")))
            run = replace(run_for(source, out, [model]), load_engine=lambda: engine, convention=convention.id)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("texup.upscaling.pack.Decoders", lambda: decoders)
                outcomes = list(upscale_pack(run))
            assert {o.path: o.reason for o in outcomes if o.outcome == "failed"} == {}
            assert {o.path for o in outcomes} >= set(DUMPS[convention.id].files)
            made[convention.id] = out
        return made[convention.id]

    return make


@each
def test_what_texup_writes_passes_the_loaders_own_check(convention, finished):
    found = check_output(finished(convention), convention)
    assert [finding for finding in found if finding.severity != "hint"] == []


@each
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_go_to_work_and_back_without_touching_their_source(convention, channels, dtype):
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(channels).integers(0, top, (6, 5, channels), endpoint=True).astype(dtype)
    source = Texture(pixels.copy(), Container("png", pixels.dtype.itemsize * 8))
    plans = [plan for plan in plans_of(convention, dump_of(convention))[0].values() if plan.action == "upscale"]
    for plan in [*plans, Planned("x.png", "upscale")]:
        work = convention.to_work(source, plan)
        assert work.pixels.shape[:2] == (6, 5)
        before = work.pixels.copy()
        large = Texture(work.pixels.repeat(2, 0).repeat(2, 1), work.container)
        result = convention.from_work(large, source, plan)
        assert result.pixels.shape[:2] == (12, 10)
        assert np.array_equal(source.pixels, pixels)
        assert np.array_equal(work.pixels, before)
        assert np.array_equal(large.pixels, before.repeat(2, 0).repeat(2, 1))
