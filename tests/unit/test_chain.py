"""The nets of a run: known by hash and scale before a byte of their weights is parsed, and refused when they differ."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from texup.calls.routes import Routes
from texup.conventions.convention import Planned
from texup.errors import UsageError, WeightsError
from texup.models.catalog import load_catalog
from texup.models.chain import DEFAULT_CONTEXT, choose_chain, faithful_chain
from texup.models.weights import save_weights
from texup.policy.classify import Treatment
from texup.policy.rules import Rule
from texup.upscaling.run import Pass, Route, Run, Settings

from ..builders import tiny_net

ENTRY = """
[[model]]
name = "{name}"
file = "{name}.safetensors"
scale = 4
architecture = "RRDBNet"
sha256 = "{sha256}"
licence = "MIT"
source = "test"
description = "a tiny net"
context = {context}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a catalog of ``fine`` and ``bold``, and a x2 net that is in no catalog."""
    torch.manual_seed(0)
    text = 'default = "bold"\n[pair]\npsnr = "fine"\ngan = "bold"\n'
    state = tiny_net("RRDBNet").state_dict()
    for name, context in {"fine": 12, "bold": 20}.items():
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, state, {})
        text += ENTRY.format(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), context=context)
        state = {k: v + 0.01 * torch.randn_like(v) for k, v in state.items()}
    save_weights(tmp_path / "own.safetensors", tiny_net("RRDBNet", scale=2).state_dict(), {})
    (tmp_path / "catalog.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: tmp_path)
    return tmp_path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_a_choice_the_default_of_the_catalog_runs(folder):
    (link,) = choose_chain([], None)
    assert (link.name, link.sha256, link.scale, link.context) == ("bold", sha256_of(folder / "bold.safetensors"), 4, 20)
    model = link.load()
    assert (model.name, model.scale, model.sha256) == ("bold", 4, link.sha256)


def test_only_a_default_that_invents_has_a_faithful_chain_beside_it(folder):
    catalog = folder / "catalog.toml"
    text = catalog.read_text("utf-8")
    assert faithful_chain(None) == []
    catalog.write_text(text.replace('"bold"\n', '"blend"\n', 1).replace("[pair]", "[pair]\nblend = 0.5"), "utf-8")
    assert [link.name for link in choose_chain([], None)] == ["fine+bold@0.5"]
    assert [link.name for link in faithful_chain(None)] == ["fine"]
    catalog.write_text(catalog.read_text("utf-8").replace("[pair]", 'by_scale = { 4 = "fine" }\n[pair]'), "utf-8")
    assert [link.name for link in choose_chain([], None, 4)] == ["fine"]
    assert [link.name for link in choose_chain([], None, 3)] == ["fine+bold@0.5"]
    assert [len(faithful_chain(scale)) for scale in (4, 3, None)] == [0, 1, 1]


def test_a_chain_keeps_its_order_and_may_repeat(folder):
    own = folder / "own.safetensors"
    links = choose_chain(["fine", str(own), "fine"], None)
    assert [link.name for link in links] == ["fine", "own", "fine"]
    assert [link.scale for link in links] == [4, None, 4]  # only the weights of a file tell its scale
    assert [link.context for link in links] == [12, DEFAULT_CONTEXT, 12]
    assert links[1].sha256 == sha256_of(own)
    assert links[1].load().scale == 2


def test_a_border_that_was_not_measured_is_half_the_context(folder):
    catalog = folder / "catalog.toml"
    catalog.write_text(catalog.read_text("utf-8").replace("context = 20", "context = 20\nborder = 3"), "utf-8")
    (fine,), (bold,), (blend,) = (choose_chain(*choice) for choice in ((["fine"], None), (["bold"], None), ([], 0.5)))
    assert [link.border for link in (fine, bold, blend)] == [6, 3, 6]
    assert Routes(None).through([bold], ROUTE.settings).settings.border == 3
    assert Routes(2).through([bold], ROUTE.settings).settings.border == 2


@pytest.mark.parametrize(("hyper", "told"), [({}, True), ({"unshuffle": 2, "scale": 2}, False)])
def test_nets_are_told_of_edges_unless_they_fold_texels(folder, hyper, told):
    save_weights(folder / "own.safetensors", tiny_net("RRDBNet", **hyper).state_dict(), {})
    links = choose_chain([str(folder / "own.safetensors")], None)
    assert [step.told for step in Routes(None).through(links, replace(ROUTE.settings, scale=2)).passes] == [told]


def test_the_shipped_nets_are_known_to_be_told_of_edges_without_loading_them():
    links = [link for name in load_catalog().models for link in choose_chain([name], None)]
    assert {link.told for link in links} == {True}
    assert all(link.border * 2 <= link.context for link in links)


def test_choosing_parses_no_weights(folder):
    own = folder / "own.safetensors"
    own.write_bytes(b"nothing that loads")
    _, link = choose_chain(["fine", str(own)], None)
    with pytest.raises(WeightsError, match="neither a safetensors file"):
        link.load()


def test_weights_that_are_not_those_of_the_catalog_are_refused_when_chosen(folder):
    (folder / "fine.safetensors").write_bytes(b"nothing that loads")
    for names, blend in ((["fine"], None), ([], 0.5)):
        with pytest.raises(WeightsError, match=r"fine\.safetensors: SHA-256 [0-9a-f]{64} is not the expected"):
            choose_chain(names, blend)


def test_choosing_needs_no_torch():
    code = "import sys; from texup.models.chain import choose_chain; choose_chain([], 0.5); choose_chain([], None)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0


def test_weights_that_changed_since_are_refused(folder):
    named, filed = choose_chain(["fine", str(folder / "own.safetensors")], None)
    (blend,) = choose_chain([], 0.5)
    for link, file in ((named, "fine.safetensors"), (filed, "own.safetensors")):
        path = folder / file
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
        with pytest.raises(WeightsError, match="is not the expected"):
            link.load()
    with pytest.raises(WeightsError, match=r"fine\.safetensors: SHA-256"):
        blend.load()


@pytest.mark.parametrize("name", ["nobody", "nobody.pth", "./fine", "../fine.safetensors"])
def test_unknown_models_are_refused(folder, name):
    with pytest.raises(UsageError, match="no model"):
        choose_chain(["fine", name], None)


def test_a_blend_is_the_sum_of_the_pair(folder):
    (link,) = choose_chain([], 0.25)
    assert (link.name, link.scale, link.context) == ("fine+bold@0.25", 4, 20)
    model = link.load()
    assert (model.name, model.sha256) == (link.name, link.sha256)
    fine, bold = (link.load().net.state_dict() for link in choose_chain(["fine", "bold"], None))
    for key, value in model.net.state_dict().items():
        torch.testing.assert_close(value, 0.75 * fine[key] + 0.25 * bold[key])


@pytest.mark.usefixtures("folder")
def test_blends_differ_in_their_identity_by_the_smallest_step():
    found = {choose_chain([], alpha)[0].sha256 for alpha in (0.0, 0.5, 0.6, 0.65, 0.6000000000000001, 1.0)}
    assert len(found) == 6
    assert choose_chain([], 0.6)[0].sha256 == choose_chain([], 0.60)[0].sha256


def test_a_blend_of_other_parents_is_another(folder):
    before = choose_chain([], 0.5)[0].sha256
    catalog, fine = folder / "catalog.toml", folder / "fine.safetensors"
    old = sha256_of(fine)
    fine.write_bytes(fine.read_bytes()[:-1] + b"\1")
    catalog.write_text(catalog.read_text().replace(old, sha256_of(fine)))
    assert choose_chain([], 0.5)[0].sha256 != before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan"), float("inf")])
def test_blends_out_of_bounds_are_refused(alpha):
    with pytest.raises(UsageError, match="use a number from 0"):
        choose_chain([], alpha)


def recommend(folder, share: str, default: str) -> None:
    catalog = folder / "catalog.toml"
    text = catalog.read_text().replace('gan = "bold"', f'gan = "bold"\nblend = {share}')
    catalog.write_text(text.replace('default = "bold"', f'default = "{default}"'))


def test_blend_auto_is_what_the_catalog_recommends(folder):
    recommend(folder, "0.25", "bold")
    (auto,), (number,), (plain,) = choose_chain([], "auto"), choose_chain([], 0.25), choose_chain([], None)
    assert (auto.name, auto.sha256) == (number.name, number.sha256)
    assert plain.name == "bold"


def test_the_default_may_be_the_recommended_blend(folder):
    recommend(folder, "0.25", "blend")
    (plain,), (number,) = choose_chain([], None), choose_chain([], 0.25)
    assert (plain.name, plain.sha256) == (number.name, number.sha256)
    assert [link.name for link in choose_chain(["bold"], None)] == ["bold"]


@pytest.mark.usefixtures("folder")
def test_blend_auto_without_a_recommendation_is_refused():
    with pytest.raises(UsageError, match="recommends no blend; give a number"):
        choose_chain([], "auto")


@pytest.mark.usefixtures("folder")
def test_a_blend_and_models_exclude_each_other():
    with pytest.raises(UsageError, match="leave out --model"):
        choose_chain(["fine"], 0.5)


ROUTE = Route([Pass(0, 4)], Settings(4, 16))
RUN = Run(
    source=Path("in"),
    out=Path("out"),
    models=[("a", "1" * 64), ("b", "2" * 64)],
    route=ROUTE,
    load_engine=lambda: None,
)
WALL = Planned("wall.png", "upscale", target="wall.png")
SAME = {
    "source": Path("elsewhere"),
    "out": Path("there"),
    "models": [("renamed", "1" * 64), ("b", "2" * 64)],
    "place": ("home", "pack"),
    "include": ["*.png"],
    "force": True,
    "keep_existing": True,
    "fail_fast": True,
}
OTHER = {
    "scale": 2,
    "margin": 20,
    "border": 3,
    "alpha": "copy",
    "edges": ("auto", "wrap"),
    "color_fix": False,
    "palette": "keep",
    "png": "small",
    "dds_quality": "best",
    "normals": "model",
    "key": (255, 0, 255),
    "grain": 0.5,
    "method": "nearest",
    "precision": "fp32",
    "tile": 64,
}


def digest(run=RUN, planned=WALL, convention="plain"):
    return run.digests(convention)(planned)


@pytest.mark.parametrize("name", OTHER)
def test_the_digest_knows_the_settings_that_decide_the_pixels(name):
    route = replace(ROUTE, settings=replace(ROUTE.settings, **{name: OTHER[name]}))
    assert digest(replace(RUN, route=route)) != digest()
    assert len(digest()) == 16


def test_the_digest_covers_every_setting():
    assert set(OTHER) == set(Settings.__slots__)


def test_the_digest_knows_models_convention_plan_and_rules():
    assert digest(replace(RUN, models=[("a", "2" * 64), ("b", "1" * 64)])) != digest()
    assert digest(convention="pcsx2") != digest()
    assert digest(planned=replace(WALL, treatment=Treatment(kind="normal"))) != digest()
    assert digest(planned=replace(WALL, action="copy")) != digest()
    rule = Rule(1, treat_alpha_as="binary")
    assert digest(planned=replace(WALL, rules=(rule,))) != digest()
    slow = Route([Pass(1, 4)], ROUTE.settings)
    assert digest(replace(RUN, routes={1: slow}), replace(WALL, rules=(rule,))) != digest(
        planned=replace(WALL, rules=(rule,))
    )


def test_a_faithful_texture_has_a_route_of_its_own_unless_a_rule_has_one():
    slow, third = (Route([Pass(1, 4)], replace(ROUTE.settings, margin=margin)) for margin in (16, 20))
    run, rule = replace(RUN, faithful=slow, routes={1: third}), Rule(1, blend=0.5)
    assert run.route_of(None) is ROUTE
    assert run.route_of(None, faithful=True) is slow
    assert run.route_of(Rule(2), faithful=True) is slow
    assert run.route_of(rule, faithful=True) is run.route_of(rule) is third
    assert RUN.route_of(None, faithful=True) is ROUTE
    assert digest(run) != digest()


def test_the_digest_does_not_depend_on_names_of_files():
    assert digest(planned=replace(WALL, path="a.png", target="b.png", reason="new")) == digest()


@pytest.mark.parametrize("name", SAME)
def test_the_digest_does_not_depend_on_where_and_what(name):
    assert digest(replace(RUN, **{name: SAME[name]})) == digest()


def test_the_header_is_plain_json():
    header = RUN.header("plain")
    assert header.models == [{"name": "a", "sha256": "1" * 64}, {"name": "b", "sha256": "2" * 64}]
    assert header.settings["edges"] == ["auto", "auto"]


def test_a_net_that_makes_other_channels_than_it_takes_is_refused(tmp_path):
    path = tmp_path / "mask.safetensors"
    save_weights(path, tiny_net("RRDBNet", num_in_ch=3, num_out_ch=1).state_dict(), {})
    (link,) = choose_chain([str(path)], None)
    with pytest.raises(WeightsError, match=r"mask\.safetensors: a net of 3 channels in and 1 out; texup upscales with"):
        link.load()


@pytest.mark.parametrize("channels", [1, 4])
def test_nets_for_grey_and_for_colour_with_alpha_load(tmp_path, channels):
    path = tmp_path / "other.safetensors"
    save_weights(path, tiny_net(num_in_ch=channels, num_out_ch=channels).state_dict(), {})
    (link,) = choose_chain([str(path)], None)
    assert link.load().in_channels == channels
