"""One decision for each file of a pack, from names alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from texup.conventions.convention import Planned, Sidecar, Wishes
from texup.conventions.dolphin.plan import DOLPHIN
from texup.conventions.n64.gliden64 import GLIDEN64
from texup.conventions.plain import PLAIN
from texup.errors import PackError
from texup.packs.pack import Finding, Pack
from texup.packs.walk import NOT_SELECTED, Entry
from texup.policy.classify import Treatment
from texup.policy.rule_facts import When
from texup.policy.rules import Rule
from texup.upscaling.planning import plan_pack

HASHES = ("00112233445566aa", "00112233445566bb")
NAMES = tuple(f"tex1_64x32_{digits}_14.png" for digits in HASHES)


def entry(path: str, *, selected=True, kind=None, reason=None) -> Entry:
    is_texture = path.endswith((".png", ".tga", ".dds"))
    if not selected:
        return Entry(path, 1, "other", NOT_SELECTED, selected=False)
    return Entry(path, 1, kind or ("texture" if is_texture else "other"), reason)


def pack(*entries, place=("Dump", "Textures", "GALE01")) -> Pack:
    return Pack([e if isinstance(e, Entry) else entry(e) for e in entries], place, lambda path, limit: b"")


def planned(pack_, convention=PLAIN, wishes=None, rules=(), out=()) -> dict[str, Planned]:
    plan = plan_pack(pack_, convention, wishes or Wishes(), rules, out)
    assert [file.path for file in plan.files] == [e.path for e in pack_.entries]
    return {file.path: file for file in plan.files}


def test_every_entry_has_one_plan_whatever_it_is():
    link = entry("link.png", kind="refused", reason="a link")
    files = planned(pack("a.png", entry("b.png", selected=False), "notes.txt", link, "texup.toml"))
    assert {path: file.action for path, file in files.items()} == {
        "a.png": "upscale",
        "b.png": "skip",
        "notes.txt": "skip",
        "link.png": "refuse",
        "texup.toml": "skip",
    }
    assert files["link.png"].reason == "a link"
    assert files["b.png"].reason == NOT_SELECTED


def test_what_is_not_selected_is_copied_to_where_the_loader_finds_it():
    files = planned(pack(NAMES[0], entry(NAMES[1], selected=False)), DOLPHIN, Wishes(copy_other=True))
    assert files[NAMES[1]].action == "copy"
    assert files[NAMES[1]].target == f"Load/Textures/GALE01/{NAMES[1]}"


def test_what_is_copied_keeps_its_suffix():
    files = planned(pack(NAMES[0], entry(NAMES[1], selected=False)), DOLPHIN, Wishes(dds="auto", copy_other=True))
    assert files[NAMES[0]].target.endswith(".dds")
    assert files[NAMES[1]].target.endswith(".png")


@pytest.mark.parametrize(
    ("out", "target"),
    [
        (("home", "hd"), f"Load/Textures/GALE01/{NAMES[0]}"),
        (("home", "User"), f"Load/Textures/GALE01/{NAMES[0]}"),
        (("User", "Load"), f"Textures/GALE01/{NAMES[0]}"),
        (("User", "Load", "Textures"), f"GALE01/{NAMES[0]}"),
        (("User", "Load", "Textures", "GALE01"), NAMES[0]),
        (("User", "Load", "Textures", "OTHER1"), f"Load/Textures/GALE01/{NAMES[0]}"),
    ],
)
def test_folders_of_the_loader_that_the_output_ends_in_are_not_repeated(out, target):
    assert planned(pack(NAMES[0]), DOLPHIN, out=out)[NAMES[0]].target == target


def test_levels_and_sidecars_move_with_the_home():
    mips = planned(pack("tex1_16x16_m_00112233445566bb_6.png"), DOLPHIN, out=("Load", "Textures", "GALE01"))
    (file,) = mips.values()
    assert file.level_target == "tex1_16x16_m_00112233445566bb_6_mip{}.png"


def test_of_two_textures_that_the_loader_takes_for_one_the_second_is_left_out():
    files = planned(pack(f"a/{NAMES[0]}", f"b/{NAMES[0]}"), DOLPHIN)
    assert [file.action for file in files.values()] == ["upscale", "skip"]
    assert f"a/{NAMES[0]}" in files[f"b/{NAMES[0]}"].reason


def test_two_files_of_one_target_are_refused_naming_both():
    with pytest.raises(PackError, match=r"tex1_.*\.dds.*tex1_.*\.png|tex1_.*\.png.*tex1_.*\.dds"):
        planned(pack(NAMES[0], NAMES[0].replace(".png", ".dds")), DOLPHIN, Wishes(dds="auto"))


def test_targets_that_are_one_name_on_some_systems_are_refused():
    def both(pack_, _wishes):
        yield from (Planned(e.path, "upscale", target=f"hires/{e.path.rpartition('/')[2]}") for e in pack_.entries)

    with pytest.raises(PackError, match=r"'a/Wall\.png' and 'b/wall\.png' would both become hires/wall\.png"):
        planned(pack("a/Wall.png", "b/wall.png"), replace(PLAIN, plan=both))


@pytest.mark.parametrize("target", ["../a.png", "/etc/a.png", "x/../../a.png", "C:/a.png", "x\\a.png"])
def test_no_plan_leaves_the_output(target):
    outside = replace(PLAIN, plan=lambda pack_, _: iter([Planned("a.png", "upscale", target=target)]))
    with pytest.raises(PackError, match="outside the output"):
        planned(pack("a.png"), outside)


def test_an_error_of_the_convention_refuses_the_pack_with_one_line():
    def refusing(pack_, _wishes):
        yield Finding("error", "a.ini", "has no hash; add one")
        yield Finding("error", "b.ini", "has none either")
        yield Planned("a.png", "upscale", target="a.png")

    with pytest.raises(PackError, match=r"^a\.ini: has no hash; add one; and 1 more, see texup inspect$"):
        planned(pack("a.png"), replace(PLAIN, plan=refusing))


def test_a_rewritten_file_and_its_sidecar_are_one():
    def plan(pack_, _wishes):
        yield Planned("pack.ini", "rewrite", "paths change", "home/pack.ini")

    def sidecars(pack_, files, _wishes):
        assert [file.path for file in files] == ["pack.ini"]
        yield Sidecar("home/pack.ini", b"new", "pack.ini")
        yield Sidecar("home/made", b"anew")

    convention = replace(PLAIN, plan=plan, sidecars=sidecars, home=1)
    plan_ = plan_pack(pack("pack.ini"), convention, Wishes(), (), ("out", "home"))
    assert [(sidecar.target, sidecar.data) for sidecar in plan_.sidecars] == [("pack.ini", b"new"), ("made", b"anew")]


SKIP, COPY, UPSCALE = (Rule(k, ("ui/*",), action=action) for k, action in enumerate(("skip", "copy", "upscale"), 1))
ASKING = Rule(4, ("ui/*",), When(max_side=8), action="copy")


@pytest.mark.parametrize(
    ("rules", "action", "kept"),
    [((SKIP,), "skip", (SKIP,)), ((COPY,), "copy", (COPY,)), ((UPSCALE, SKIP), "upscale", (UPSCALE,)),
     ((ASKING, SKIP, COPY), "upscale", (ASKING, SKIP))],
)  # fmt: skip
def test_rules_decide_before_the_convention(rules, action, kept):
    files = planned(pack("ui/a.png", "wall.png"), rules=rules)
    assert (files["ui/a.png"].action, files["ui/a.png"].rules) == (action, kept)
    assert (files["wall.png"].action, files["wall.png"].rules) == ("upscale", ())


def test_a_rule_may_upscale_what_a_convention_copies():
    copying = replace(PLAIN, plan=lambda pack_, _: iter([Planned("a.png", "copy", target="a.png")]))
    assert planned(pack("a.png"), copying, rules=[Rule(1, method="nearest")])["a.png"].action == "copy"
    assert planned(pack("a.png"), copying, rules=[Rule(1, action="upscale")])["a.png"].action == "upscale"


def test_a_rule_that_fits_nothing_is_told():
    plan = plan_pack(pack("a.png", "texup.toml"), PLAIN, Wishes(), [Rule(1, ("b*",), action="skip")])
    assert [(finding.severity, "rule 1" in finding.text) for finding in plan.findings] == [("warning", True)]


def test_an_option_of_another_loader_is_named_and_not_used():
    plan = plan_pack(pack("a.png"), PLAIN, Wishes(textures_lump=True, resource_pack="mine"))
    texts = [finding.text for finding in plan.findings]
    assert [text.partition(":")[0] for text in texts] == ["--textures-lump is not used", "--resource-pack is not used"]
    assert not plan_pack(pack(NAMES[0]), DOLPHIN, Wishes(resource_pack="mine")).findings


def test_palettes_are_not_kept_for_loaders_that_read_none():
    plan = plan_pack(pack("a.png"), replace(PLAIN, palettes=False), Wishes(palette="keep"))
    assert ["palette" in finding.text for finding in plan.findings] == [True]


def test_bc7_without_its_extra_is_refused_before_the_run(monkeypatch):
    monkeypatch.setattr("texup.upscaling.planning.is_installed", lambda: False)
    made = Treatment(store="bc7")
    convention = replace(
        PLAIN, plan=lambda pack_, _: iter([Planned("a.png", "upscale", target="a.dds", treatment=made)])
    )
    file = planned(pack("a.png"), convention)["a.png"]
    assert file.action == "refuse"
    assert "texup[dds]" in file.reason
    assert not file.target


def test_the_extra_for_bc7_is_looked_for_only_where_a_file_may_need_it(monkeypatch):
    """The system takes as long to look for a package as the plan of a file does."""
    asked = []
    monkeypatch.setattr("texup.upscaling.planning.is_installed", lambda: not asked.append("asked"))
    plan_pack(pack(*(f"{k}.png" for k in range(50)), "a.dds"), PLAIN, Wishes())
    assert asked == ["asked"]


def test_half_a_texture_whose_other_half_is_not_wanted_is_left_out():
    whole, alpha = "GAME#0A1B2C40#0#3_rgb.png", "GAME#0A1B2C40#0#3_a.png"
    files = planned(pack(entry(whole, selected=False), alpha, place=("GAME",)), GLIDEN64)
    assert [file.action for file in files.values()] == ["skip", "skip"]
    assert whole in files[alpha].reason
    files = planned(pack(whole, entry(alpha, selected=False), place=("GAME",)), GLIDEN64)
    assert [file.action for file in files.values()] == ["upscale", "joined"]
