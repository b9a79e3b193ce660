"""texup.policy.rules: what a file of rules may say, which rule decides about a file, and what it changes."""

from __future__ import annotations

import json
import re
import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup import bounds
from texup.errors import ExitCode, UsageError
from texup.packs.walk import matches, patterns
from texup.policy import rules as module
from texup.policy.classify import Treatment
from texup.policy.rule_facts import Facts, When
from texup.policy.rules import Rule, apply_rule, as_facts, candidates, first_fit, load_rules, unused_rules
from texup.textures.cells import Cells

MODEST = settings(deadline=None, derandomize=True, max_examples=200)
WALL = Facts("colour", "none", 64, 64, "png")


@pytest.fixture
def load(tmp_path):
    """Reads rules from a text of TOML."""

    def load(text: str | bytes) -> tuple[Rule, ...]:
        path = tmp_path / "texup.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_rules(path)

    return load


@pytest.fixture
def refusal(load, tmp_path):
    """Returns the message with which a text is refused, after the file's name."""

    def refusal(text: str | bytes) -> str:
        with pytest.raises(UsageError) as caught:
            load(text)
        message = str(caught.value)
        assert caught.value.exit_code == ExitCode.USAGE
        assert message.startswith(f"{tmp_path / 'texup.toml'}: ")
        assert "\n" not in message
        return message.removeprefix(f"{tmp_path / 'texup.toml'}: ")

    return refusal


@pytest.mark.parametrize(
    ("bound", "value", "good", "bad", "text"),
    [
        ("RULES_COUNT", 2, "a b", "a b c", "holds 3 rules, more than 2"),
        ("RULES_GLOBS", 2, "a b", "a b c", "holds 3 globs, more than 2"),
        ("RULES_GLOB", 3, "abc", "abcd", "rule 1: a glob of more than 3 characters"),
    ],
)
def test_rules_and_globs_are_bounded(load, refusal, monkeypatch, bound, value, good, bad, text):
    def rules(names: str) -> str:
        return "".join(f'[[rule]]\nmatch = "{name}"\nmethod = "net"\n' for name in names.split())

    monkeypatch.setattr(bounds, bound, value)
    assert len(load(rules(good))) == len(good.split())
    assert text in refusal(rules(bad))


def test_models_are_bounded(load, refusal):
    chain = f"[[rule]]\nmodel = {json.dumps(['a.pth'] * bounds.RULES_CHAIN)}\n"
    assert load(chain * (bounds.RULES_MODELS // bounds.RULES_CHAIN))
    assert refusal(chain.replace("[[rule]]\nmodel = [", '[[rule]]\nmodel = ["b.pth", ')).endswith(
        "8 models in one chain"
    )
    assert refusal(chain * 7 + "[[rule]]\nblend = 0.5\n" * 9) == "names 65 models and blends, more than 64"


@pytest.mark.parametrize("key", ["a.", '"a" . ', "'a.b'."])
def test_parts_of_a_key_are_bounded(refusal, key):
    assert "unknown key" in refusal(key * (bounds.TOML_PARTS - 1) + "b = 1")
    assert refusal(key * bounds.TOML_PARTS + "b = 1") == "a key of more than 8 parts"
    assert refusal(f"[{key * bounds.TOML_PARTS}b]") == "a key of more than 8 parts"
    assert refusal(f"x = {{ {key * 20_000}b = 1 }}") == "a key of more than 8 parts"


def test_points_in_texts_and_comments_are_no_parts_of_a_key(load):
    texts = """"{0}", '{0}', \'\'\'{0}\n'{0}\'\'\', "\\"{0}", """ + '"""{0}\n"{0}"""'
    text = f"# don't {{0}}\n[[rule]]\nmatch = [{texts}] # {{0}}\ngrain = 0.5\n".replace("{0}", "a.b.c.d.e.f.g.h.i.j")
    assert len(load(text)[0].match) == 5


def test_hostile_globs_take_no_time(load):
    began = time.process_time()
    globs = ["[" * 120, "*a" * 60 + "b", f"[{'z-a' * 30}]", "[]" * 60] * (bounds.RULES_GLOBS // 4)
    text = json.dumps([f"{k}{glob}" for k, glob in enumerate(globs)])
    (rule,) = load(f'[[rule]]\nmethod = "net"\nmatch = {text}')
    assert not any(rule.fits(f"{'a' * 200}{k}") for k in range(20))
    assert time.process_time() - began < 5  # 1 s on a slow core; compiled again for each file they took minutes


@pytest.mark.parametrize("name", ["a[b", "a[", "[", "[]", "[x", "]", "a]b[c", "[!", "[]]", "[a]b["])
def test_brackets_mean_what_they_mean_to_fnmatch(name):
    for path in ("a[b", "a[", "[", "[]", "]", "a]b[c", "[!", "a", "ab["):
        assert matches(path, patterns([name])) is fnmatchcase(path, name)


@pytest.fixture
def pack_refusal(tmp_path, monkeypatch):
    """Returns the message with which a model is refused that rules of a pack name; "" where it is taken."""
    pack = tmp_path / "pack"
    (pack / "nets").mkdir(parents=True)
    (tmp_path / "outside.pth").write_bytes(b"secret")
    (tmp_path / "secret").write_bytes(b"secret")
    (pack / "nets" / "own.pth").write_bytes(b"weights")
    (pack / "out.pth").symlink_to("../outside.pth")
    (pack / "up").symlink_to("..")
    (pack / "in.pth").symlink_to("nets/own.pth")
    monkeypatch.chdir(tmp_path)

    def refusal(name: str) -> str:
        (pack / "texup.toml").write_text(f"[[rule]]\nmodel = {json.dumps(name)}\n", "utf-8")
        assert load_rules(pack / "texup.toml")[0].models  # the user's own may name anything
        try:
            load_rules(pack / "texup.toml", is_of_pack=True)
        except UsageError as error:
            return str(error).removeprefix(f"{pack / 'texup.toml'}: rule 1: ")
        return ""

    return refusal


@pytest.mark.parametrize("name", ["nets/own.pth", "./nets/own.pth", "missing.pth", "in.pth", "texup-x4-psnr"])
def test_rules_of_a_pack_name_its_files_and_the_catalog(pack_refusal, name):
    assert pack_refusal(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "../outside.pth",
        "nets/../../outside.pth",
        "nets/../nets/own.pth",
        "/etc/passwd",
        "out.pth",
        "up/outside.pth",
        "C:/x.pth",
        "C:x.pth",
        "\\\\host\\x.pth",
        "nets//own.pth",
    ],
)
def test_rules_of_a_pack_name_no_file_outside_it(pack_refusal, name):
    assert pack_refusal(name).startswith(f"model {name!r} is not inside the pack; rules found in a pack may name ")


def test_rules_of_a_pack_name_no_file_of_the_working_folder(pack_refusal):
    assert pack_refusal("secret").startswith("the catalog has no model 'secret'; rules found in a pack may name ")


def test_every_key_arrives_as_it_is_meant(load, tmp_path):
    everything = """
        [[rule]]
        match = ["ui/**", "*font*"]
        when = { kind = ["colour", "font"], alpha = "soft", format = "png", min_width = 1, max_height = 9 }
        action = "upscale"
        method = "smooth"
        treat_as = "mask"
        treat_alpha_as = "data"
        edges = "wrap, clamp"
        cells = "8x16 texels"
        normal_form = "object"
        model = ["texup-x4-gan", "mine/clean.pth", "own.safetensors", "/w/x4.pth"]
        scale = 2

        [[rule]]
        match = "sky*"
        edges = "mirror"
        cells = "2x1 cells"
        blend = 1
        grain = 1
    """
    first, second = load(everything)
    assert first == Rule(
        1,
        match=("ui/**", "*font*"),
        when=When(("colour", "font"), ("soft",), ("png",), min_width=1, max_height=9),
        action="upscale",
        method="smooth",
        treat_as="mask",
        treat_alpha_as="data",
        edges=("clamp", "wrap"),
        cells=Cells("texels", 8, 16),
        normal_form="object",
        models=("texup-x4-gan", str(tmp_path / "mine/clean.pth"), str(tmp_path / "own.safetensors"), "/w/x4.pth"),
        scale=2,
    )
    assert second == Rule(2, ("sky*",), edges=("mirror", "mirror"), cells=Cells("count", 2, 1), blend=1.0, grain=1.0)
    assert hash(first) != hash(second)


def test_the_example_of_the_docstring_is_a_file_of_rules(load):
    text = re.search(r"::\n\n(.*?)\n\nFor each", module.__doc__, re.DOTALL)[1]
    assert [rule.number for rule in load(text)] == [1, 2, 3, 4]


def test_a_sub_table_and_a_byte_order_mark_are_welcome(load):
    text = '\ufeff[[rule]]\r\ncells = "islands"\r\n[rule.when]\r\nmin_side = 64\r\n'
    assert load(text) == (Rule(1, when=When(min_side=64), cells="islands"),)


A = '[[rule]]\nmatch = "a"\naction = "copy"\n'  # a sound first rule
REFUSED = {
    "": "holds no rules; write [[rule]] tables, or remove the file",
    "rule = []": "holds no rules; write [[rule]] tables, or remove the file",
    "[rule]\nscale = 2": "rule must be a list of tables; write [[rule]], with two brackets, above each one",
    "rule = [1]": "rule must be a list of tables; write [[rule]], with two brackets, above each one",
    "[[rules]]\nscale = 2": "unknown key 'rules'; a file of rules holds [[rule]] tables and nothing else",
    '[[rule]]\nmatch = "a"': (
        'rule 1: it sets nothing; write action = "upscale" if later rules shall not decide about its files'
    ),
    A + '[[rule]]\nmethd = "net"': "rule 2: unknown key 'methd'; did you mean 'method'?",
    A + "[[rule]]\nx = 1": "rule 2: unknown key 'x'; use one of match, when, action, method, treat_as, treat_alpha_as, "
    "edges, cells, normal_form, model, blend, scale, grain, key, gate",
    '[[rule]]\nkind = "normal"': "rule 1: unknown key 'kind'; to ask for it, write when = { kind = … }; "
    "to have it treated as one, write treat_as = …",
    '[[rule]]\nalpha = "data"': "rule 1: unknown key 'alpha'; to ask for it, write when = { alpha = … }; "
    "to have it treated as one, write treat_alpha_as = …",
    "[[rule]]\nmax_side = 16": "rule 1: unknown key 'max_side'; to ask for it, write when = { max_side = … }",
    '[[rule]]\nwhen = { match = "a" }': "rule 1: unknown key 'when.match'; write match in the rule itself, not in when",
    "[[rule]]\nwhen = { max_sides = 1 }": "rule 1: unknown key 'when.max_sides'; did you mean 'max_side'?",
    '[[rule]]\nwhen = "normal"': (
        "rule 1: when must be a table, as in when = { max_side = 32 }, not 'normal'"
    ),
    '[[rule]]\nwhen = { kind = "Color" }': "rule 1: when.kind = 'Color' is unknown; did you mean 'colour'?",
    '[[rule]]\nwhen = { kind = ["colour", 3] }': (
        "rule 1: when.kind must be text, not 3; "
        "use one of colour, normal, mask, emissive, height, interface, font, lookup"
    ),
    '[[rule]]\nwhen = { kind = [] }': "rule 1: when.kind is an empty list; leave it out, or name something",
    '[[rule]]\nwhen = { alpha = "copy" }': (
        "rule 1: when.alpha = 'copy' is unknown; use one of none, constant, binary, few, soft, data"
    ),
    '[[rule]]\nwhen = { format = "JPG" }': "rule 1: when.format = 'JPG' is unknown; did you mean 'jpeg'?",
    "[[rule]]\nwhen = { min_side = 0 }": "rule 1: when.min_side must be a positive whole number, not 0",
    "[[rule]]\nwhen = { min_side = true }": "rule 1: when.min_side must be a positive whole number, not True",
    "[[rule]]\nwhen = { min_side = 1.5 }": "rule 1: when.min_side must be a positive whole number, not 1.5",
    "[[rule]]\naction = \"skip\"\nwhen = { min_side = 9, max_side = 8 }": (
        "rule 1: when.min_side = 9 is above when.max_side = 8; nothing can fit"
    ),
    "[[rule]]\nmatch = []": "rule 1: match is an empty list; leave it out, or name something",
    "[[rule]]\nmatch = 3": "rule 1: match must be text, or a list of texts, not 3",
    '[[rule]]\nmatch = ["a", ""]': "rule 1: match must be text, or a list of texts, not ''",
    '[[rule]]\nmodel = ["a\\u0000"]': "rule 1: model must be text, or a list of texts, not 'a\\x00'",
    '[[rule]]\naction = "upscal"': "rule 1: action = 'upscal' is unknown; did you mean 'upscale'?",
    '[[rule]]\nmethod = "copy"': "rule 1: method = 'copy' is unknown; use one of net, pixel, nearest, smooth, vectors",
    '[[rule]]\ntreat_as = "normals"': "rule 1: treat_as = 'normals' is unknown; did you mean 'normal'?",
    '[[rule]]\ntreat_alpha_as = "soft"': (
        "rule 1: treat_alpha_as = 'soft' is unknown; did you mean 'smooth'?"
    ),
    '[[rule]]\nedges = "wrap,clamp,wrap"': (
        "rule 1: edges must be one of auto, wrap, mirror, clamp, or two of them as 'X,Y', not 'wrap,clamp,wrap'"
    ),
    '[[rule]]\nedges = "wrap,clam"': "rule 1: edges = 'clam' is unknown; did you mean 'clamp'?",
    '[[rule]]\ncells = "16x16"': (
        "rule 1: cells = '16x16' is unclear; write '16x16 texels' or '16x16 cells'"
    ),
    '[[rule]]\ncells = "0x16 cells"': (
        "rule 1: cells must be '8x8 texels' (the size of one), '16x16 cells' (how many), 'islands' or 'whole', "
        "not '0x16 cells'"
    ),
    '[[rule]]\nnormal_form = "dxt5"': "rule 1: normal_form = 'dxt5' is unknown; did you mean 'dxt5nm'?",
    "[[rule]]\nscale = 17": "rule 1: scale must be a whole number from 1 to 16, not 17",
    "[[rule]]\nscale = 0": "rule 1: scale must be a positive whole number, not 0",
    "[[rule]]\nblend = 1.5": "rule 1: blend must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not 1.5",
    "[[rule]]\nblend = nan": "rule 1: blend must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not nan",
    "[[rule]]\ngrain = 2.5": "rule 1: grain must be a number from 0 (none) to 2, or 'auto', not 2.5",
    "[[rule]]\ngrain = nan": "rule 1: grain must be a number from 0 (none) to 2, or 'auto', not nan",
    "[[rule]]\ngrain = true": "rule 1: grain must be a number from 0 (none) to 2, or 'auto', not True",
    "[[rule]]\nblend = true": "rule 1: blend must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not True",
    '[[rule]]\nmodel = "a"\nblend = "auto"': (
        "rule 1: blend mixes the catalog's own pair; leave out model or blend"
    ),
    A + '[[rule]]\naction = "skip"\nmodel = "a"': (
        'rule 2: model has no effect beside action = "skip"; remove one of them'
    ),
    A + '[[rule]]\naction = "copy"\nedges = "wrap"': (
        'rule 2: edges has no effect beside action = "copy"; remove one of them'
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_rule_can_say_is_refused_with_what_can_be_said(refusal, text):
    assert refusal(text) == REFUSED[text]


@pytest.mark.parametrize("line", ["scale 2", "[[rule]]]", 'model = "C:\\models\\x.pth"'])
def test_what_is_no_toml_is_named_with_its_line(refusal, line):
    assert re.fullmatch(r"no valid TOML: .+ \(at line 3, column \d+\)", refusal(f"[[rule]]\nscale = 2\n{line}\n\n"))


def test_hostile_files_are_one_line(refusal, tmp_path):
    assert refusal(b"#" * (bounds.RULES_BYTES + 1)) == "larger than 256 KiB; no file of rules is"
    assert refusal(b"# fine\n[[rule]]\nmatch = '\xe9'") == "line 3 is not UTF-8; save the file as UTF-8"
    assert refusal("x = " + "[" * 100_000).startswith("no ")
    assert refusal("x = " + "9" * 5000).startswith("no valid TOML: ")
    long, escape = refusal(f'[[rule]]\naction = "{"a" * 5000}"'), refusal('[[rule]]\n"a\\u001b[2J\\n" = 1')
    assert len(long) < 150
    assert escape.startswith("rule 1: unknown key 'a\\x1b[2J\\n'")


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "texup.toml").mkdir()
    for name in ("texup.toml", "gone.toml"):
        with pytest.raises(UsageError, match=f"{name}: there is no such file of rules"):
            load_rules(tmp_path / name)


TABLE = (
    Rule(1, ("ui/**",), When(alpha=("soft",)), method="nearest"),
    Rule(2, ("*.tga",), action="skip"),
    Rule(3, ("ui/**", "hud*"), When(kind=("font",), max_side=64), action="copy"),
    Rule(4, ("ui/**",), scale=2),
    Rule(5, (), When(min_width=256), scale=1),
    Rule(6, (), When(), blend=0.5),
    Rule(7, ("walls/**",), scale=8),
)


def numbers(rules) -> list[int]:
    return [rule.number for rule in rules]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ui/a.png", [1, 3, 4]),
        ("UI/deep/A.PNG", [1, 3, 4]),
        ("ui/a.tga", [1, 2]),
        ("walls/a.TGA", [2]),
        ("sub/hud1.png", [3, 5, 6]),
        ("walls/a.png", [5, 6]),
    ],
)
def test_candidates_end_with_the_first_rule_that_needs_no_pixels(path, expected):
    assert numbers(candidates(TABLE, path)) == expected


def test_the_first_rule_that_fits_decides():
    own = candidates(TABLE, "ui/a.png")
    assert first_fit(own, Facts("font", "soft", 64, 64, "png")).number == 1
    assert first_fit(own, Facts("font", "binary", 64, 64, "png")).number == 3
    assert first_fit(own, Facts("font", "binary", 65, 64, "png")).number == 4
    assert first_fit(own[:2], Facts("colour", "binary", 8, 8, "png")) is None
    assert first_fit((), WALL) is None


FITTING = [
    (When(), True),
    (When(kind=("normal", "colour")), True),
    (When(kind=("normal",)), False),
    (When(alpha=("none",), format=("dds", "png")), True),
    (When(alpha=("none",), format=("dds",)), False),
    (When(min_width=40, max_width=40, min_height=24, max_height=24), True),
    (When(min_width=41), False),
    (When(max_width=39), False),
    (When(min_height=25), False),
    (When(max_height=23), False),
    (When(min_side=24, max_side=40), True),
    (When(min_side=25), False),
    (When(max_side=39), False),
]


@pytest.mark.parametrize(("when", "expected"), FITTING)
def test_all_that_is_asked_must_hold(when, expected):
    assert when.fits(Facts("colour", "none", 40, 24, "png")) is expected
    turned = When(
        when.kind, when.alpha, when.format, when.min_height, when.max_height, when.min_width, when.max_width,
        when.min_side, when.max_side,
    )  # fmt: skip
    assert turned.fits(Facts("colour", "none", 24, 40, "png")) is expected


def test_a_rule_is_laid_over_what_the_convention_says():
    theirs = Treatment("interface", "smooth", "data", ("wrap", "clamp"), "whole", None, "half alpha", "rgba", "files")
    assert apply_rule(Rule(1, scale=2), theirs) == theirs
    ours = Rule(
        1, method="nearest", treat_alpha_as="binary", edges=("auto", "auto"), cells="islands", normal_form="tangent"
    )
    assert apply_rule(ours, theirs) == Treatment(
        "interface", "nearest", "binary", ("auto", "auto"), "islands", "tangent", "half alpha", "rgba", "files"
    )
    assert apply_rule(Rule(1, treat_alpha_as="auto"), theirs).alpha == "auto"
    for grain in (0.0, 1.5, "auto"):
        assert apply_rule(Rule(1, grain=grain), Treatment(grain=0.5)).grain == grain
    assert apply_rule(Rule(1, scale=2), Treatment(grain=0.5)).grain == 0.5


def test_another_kind_drops_what_was_meant_for_the_old_one():
    normal = Treatment("normal", "vectors", normal="two_channel")
    assert apply_rule(Rule(1, treat_as="colour"), normal) == Treatment("colour")
    assert apply_rule(Rule(1, treat_as="normal"), normal) == normal
    assert apply_rule(Rule(1, treat_as="colour", method="net"), normal) == Treatment("colour", "net")


def test_upscale_means_it():
    kept = Treatment("lookup", "copy")
    assert apply_rule(Rule(1, action="upscale"), kept) == Treatment()
    assert apply_rule(Rule(1, action="upscale", treat_as="lookup", method="nearest"), kept).kind == "lookup"
    assert apply_rule(Rule(1, action="upscale", method="nearest"), kept).method == "nearest"
    assert apply_rule(Rule(1, edges=("wrap", "wrap")), kept).method == "copy"


def test_rules_that_never_decide_are_named():
    findings = list(unused_rules(TABLE, ["ui/a.png", "walls/b.png", "c.tga"]))
    assert [(f.severity, f.path, f.text) for f in findings] == [
        ("warning", "", "rule 7 never decides: earlier rules take every file it fits; move it up")
    ]
    gone = [Rule(1, ("*.PNG",), scale=2), Rule(2, ("gone/**", "*.bmp"), scale=2)]
    assert [f.text for f in unused_rules(gone, ["a.png"])] == [
        "rule 2 fits no file of the pack; check match = 'gone/**', '*.bmp'"
    ]
    assert list(unused_rules(gone, ["a.png", "b.bmp"])) == []


@MODEST
@given(
    st.lists(st.tuples(st.sampled_from(["a*", "b*", "*1*", "*", "c"]), st.booleans()), max_size=5),
    st.lists(st.sampled_from(["a1", "b1", "a2", "c", "d"]), max_size=4),
)
def test_a_rule_is_unused_exactly_when_it_is_nowhere_a_candidate(globs, paths):
    rules = [Rule(n, (glob,), When(min_side=2 if asks else None)) for n, (glob, asks) in enumerate(globs, 1)]
    used = {rule.number for path in paths for rule in candidates(rules, path)}
    named = {int(re.match(r"rule (\d+)", finding.text)[1]) for finding in unused_rules(rules, paths)}
    assert named == {rule.number for rule in rules} - used


def test_facts_are_json_and_tell_rules_apart_that_make_other_pixels():
    rules = [
        *TABLE[:5],
        Rule(1, cells=Cells("count", 2, 1)),
        Rule(1, cells=Cells("texels", 2, 1)),
        Rule(1, edges=("wrap", "clamp")),
        Rule(1, edges=("clamp", "wrap")),
    ]
    texts = {json.dumps(as_facts(rule), sort_keys=True) for rule in rules}
    assert len(texts) == len(rules)
    assert as_facts(Rule(1, ("a",), models=("/here/x.pth",))) == as_facts(Rule(2, ("b",), models=("/there/x.pth",)))


def test_what_a_rule_needs():
    assert [rule.needs_pixels for rule in TABLE] == [True, False, True, False, True, False, False]
    assert [rule.has_route for rule in TABLE] == [False, False, False, True, True, True, True]
    assert Rule(1, models=("a",)).has_route


def slowly(parts: list[str], pattern: list[str]) -> bool:
    """Match as walk's docstring defines it, trying every length of every ``**``."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(slowly(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and slowly(parts[1:], pattern[1:])


@MODEST
@given(
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=6),
    st.lists(st.sampled_from(["a", "b", "*", "**", "?b"]), min_size=1, max_size=5),
)
def test_globs_fit_what_trying_everything_fits(parts, pattern):
    expected = slowly(parts, pattern) or slowly(parts[-1:], pattern)
    assert matches("/".join(parts), patterns(["/".join(pattern)])) is expected


def test_a_hostile_glob_is_no_endless_search():
    many = "/".join(["**", "a"] * 40 + ["b"])
    assert not matches("/".join(["a"] * 100) + "/c", patterns([many]))
    assert not matches("a" * 200, patterns(["*a" * 100 + "b", "[z-a]", "["]))


def test_the_rules_of_a_pack_lie_under_one_name():
    assert Path(module.RULES_NAME).name == "texup.toml"
