"""texup.policy.roles: suffixes of three families."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.policy.classify import METHODS, Treatment
from texup.policy.roles import (
    BETHESDA,
    GENERAL,
    QUAKE,
    Role,
    bare_stem,
    has_base,
    split_role,
    stem_of,
    treatment_of,
)

FAMILIES = {"bethesda": BETHESDA, "quake": QUAKE, "general": GENERAL}
laws = settings(deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("name", "base", "suffix"),
    [
        ("iron_sword", "iron_sword", ""),
        ("iron_sword_n", "iron_sword", "_n"),
        ("Iron_Sword_N", "Iron_Sword", "_n"),
        ("body_msn", "body", "_msn"),
        ("femalehead_sk", "femalehead", "_sk"),
        ("glass_em", "glass", "_em"),
        ("cube_e", "cube", "_e"),
        ("hair_hl", "hair", "_hl"),
        ("rock_n_s", "rock_n", "_s"),
        ("_n", "_n", ""),
        ("sun", "sun", ""),
        ("mountain", "mountain", ""),
    ],
)
def test_bethesda_names(name, base, suffix):
    assert split_role(name, BETHESDA) == (base, suffix)


@pytest.mark.parametrize(
    ("name", "base", "suffix"),
    [
        ("wall_luma", "wall", "_luma"),
        ("#lava1_glow", "#lava1", "_glow"),
        ("player.mdl_0_pants", "player.mdl_0", "_pants"),
        ("crate_norm", "crate", "_norm"),
        ("crate_n", "crate_n", ""),
        ("{fence", "{fence", ""),
    ],
)
def test_quake_names(name, base, suffix):
    assert split_role(name, QUAKE) == (base, suffix)


@given(st.sampled_from(sorted(FAMILIES)), st.text(min_size=1, max_size=12), st.data())
@laws
def test_a_name_is_its_base_and_its_suffix(family, base, data):
    roles = FAMILIES[family]
    name = base + data.draw(st.sampled_from([*sorted(roles), ""]))
    found, suffix = split_role(name, roles)
    assert found + name[len(found) :] == name
    assert name[len(found) :].lower() == suffix
    assert found
    assert suffix in roles or not suffix


@pytest.mark.parametrize("family", FAMILIES)
def test_no_name_ends_in_two_suffixes(family):
    roles = FAMILIES[family]
    assert {suffix.rfind("_") for suffix in roles} == {0}
    assert all(split_role(f"x{suffix}", roles) == ("x", suffix) for suffix in roles)


def test_single_letters_mean_nothing_in_a_pack_of_no_known_game():
    assert [suffix for suffix in GENERAL if len(suffix) == 2] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_role_becomes_a_treatment_of_its_kind(family):
    for role in FAMILIES[family].values():
        treatment = treatment_of(role)
        assert (treatment.kind, treatment.normal, treatment.doubted) == (role.kind, role.normal, role.doubted)
        assert treatment.method != METHODS[role.kind]


def test_no_role_leaves_all_to_the_pixels():
    assert treatment_of(None) == Treatment()
    assert treatment_of(Role("mask", method="net")) == Treatment(kind="mask", method="net")


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/Wall.Old.PNG", "a/Wall.Old"),
        ("player.mdl_0.tga", "player.mdl_0"),
        ("a.b/none", "a.b/none"),
        (".png", ".png"),
    ],
)
def test_stems(path, stem):
    assert bare_stem(path) == stem
    assert stem_of(path) == stem.lower()


def test_the_base_of_a_role_has_its_name_or_one_that_says_colour():
    known = frozenset({"a/stone", "a/wood_basecolor", "b/brick_d"})
    assert has_base("a/stone_normal", "_normal", known)
    assert has_base("a/Wood_Rough", "_rough", known)
    assert has_base("b/brick_ao", "_ao", known)
    assert not has_base("b/stone_normal", "_normal", known)
    assert not has_base("a/wood_dark_rough", "_rough", known)
