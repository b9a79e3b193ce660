"""What is compared: the sample of a pack, and the candidates."""

from __future__ import annotations

from texup.cli import compare
from texup.gallery.compare import METHODS, candidates_of
from texup.gallery.sample import choose, spread


def test_the_sample_takes_what_is_rare():
    traits = [("colour", "none")] * 50 + [("normal", "none")] + [("colour", "binary")] * 9
    assert choose(traits, 3) == [0, 50, 51]
    assert choose(traits, 3) == choose(list(traits), 3)
    assert choose(traits, 100) == list(range(60))
    assert choose([], 5) == []


def test_a_large_pack_is_looked_at_evenly():
    assert spread(list(range(5000)), 4) == [0, 1250, 2500, 3750]
    assert spread([1, 2], 4) == [1, 2]


def test_candidates_without_any_show_the_range():
    labels = ["texup's own choice", "blend 0", "blend 1", "smooth (bicubic)"]
    assert [one.label for one in candidates_of((), (), ())] == labels


def test_candidates_are_named_once():
    found = candidates_of(["texup-x4-fast", "texup-x4-fast"], [0.3, "auto"], ["bicubic", "smooth", "pixel"])
    assert [one.label for one in found] == ["texup-x4-fast", "blend 0.3", "blend auto", "smooth (bicubic)", "pixel"]
    assert len({one.rule.number for one in found}) == 5


def test_the_command_knows_every_method():
    assert set(compare.METHODS) == {"auto", *METHODS}
