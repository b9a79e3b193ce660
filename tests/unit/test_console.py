"""texup.cli.console: what reaches a terminal, and the codes that ``run`` exits with."""

from __future__ import annotations

import json
import os
import sys

import click
import pytest

from texup import bounds, errors
from texup.cli import console, main
from texup.packs.pack import Finding


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b/c#d$e.png", "a b/c#d$e.png"),
        ("漢字 é 🎮.png", "漢字 é 🎮.png"),
        ("[/x] [red].png", "[/x] [red].png"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        (os.fsdecode(b"caf\xe9"), "caf\\udce9"),
        ("", ""),
    ],
)
def test_printable(text, expected):
    assert console.printable(text) == expected


def test_reports_go_to_standard_error_in_one_line(capsys):
    console.report("a\nb")
    console.report_error("c\x1b")
    assert capsys.readouterr() == ("", "a\\nb\ntexup: error: c\\x1b\n")


@pytest.mark.parametrize("letter", ["x", "\x1b", "漢"])
@pytest.mark.parametrize("over", [0, 1, 64_000])
def test_a_line_for_people_keeps_both_ends_and_has_a_bound(capsys, letter, over):
    count = bounds.MESSAGE_CHARACTERS - len("pack.zip: : deep") + over
    console.report(f"pack.zip: {letter * count}: deep")
    console.show(f"pack.zip: {letter * count}: deep")
    for text in capsys.readouterr():
        assert text.startswith("pack.zip: ")
        assert text.endswith(": deep\n")
        assert ("…" in text) is (over > 0 or letter == "\x1b")
        assert len(text) - 1 <= bounds.MESSAGE_CHARACTERS


def test_json_is_ascii_and_whole_for_any_name(capsys):
    value = {"name": os.fsdecode(b"\xff") + "漢", "n": 1}
    console.print_json("check", value)
    out, err = capsys.readouterr()
    assert out.isascii()
    assert json.loads(out) == {"schema": 1} | value
    assert out.startswith('{\n  "schema": 1,')
    assert err == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_asked_of_standard_error(monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert console.is_terminal() is terminal


def run_with(monkeypatch, effect, *argv: str) -> int:
    """Return the exit code of ``texup verify`` when the command does ``effect``."""

    @click.command()
    @click.pass_context
    def verify(ctx):
        return effect(ctx)

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: verify)
    monkeypatch.setattr(sys, "argv", ["texup", *argv, "verify"])
    with pytest.raises(SystemExit) as caught:
        main.run()
    return caught.value.code


def raising(error: BaseException):
    def effect(_):
        raise error

    return effect


ERRORS = {
    errors.TexupError: 1,
    errors.UsageError: 2,
    errors.PackError: 2,
    errors.HoldsInput: 2,
    errors.DeviceError: 2,
    errors.TextureError: 3,
    errors.UnreadableTexture: 3,
    errors.UnsupportedTexture: 3,
    errors.DecoderDied: 3,
    errors.WeightsError: 4,
    errors.LostDevice: 1,
    errors.LostStore: 1,
    errors.OutputError: 5,
    errors.LockedError: 6,
}


def test_the_table_of_errors_is_whole():
    def below(kind):
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    own = {kind for kind in below(errors.TexupError) if kind.__module__ == "texup.errors"}
    assert own - {errors.BadTarget} == set(ERRORS), "BadTarget is an OutputError with two arguments"


@pytest.mark.parametrize(("kind", "code"), ERRORS.items())
def test_an_error_is_one_line_and_its_code(monkeypatch, capsys, kind, code):
    assert run_with(monkeypatch, raising(kind("bad\nname"))) == code
    assert capsys.readouterr().err == "texup: error: bad\\nname\n"


def test_debug_shows_where_an_error_came_from(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["texup", "--debug", "verify"])
    command = click.Command("verify", callback=lambda: (_ for _ in ()).throw(errors.OutputError("x")))
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: command)
    with pytest.raises(errors.OutputError):
        main.run()


def test_an_interrupt_is_130(monkeypatch):
    assert run_with(monkeypatch, raising(KeyboardInterrupt())) == 130


def test_wrong_use_is_2(monkeypatch, capsys):
    assert run_with(monkeypatch, lambda _: None, "--unknown") == 2
    assert "--unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("effect", "code"),
    [(lambda ctx: ctx.exit(3), 3), (lambda _: 3, 3), (lambda ctx: ctx.exit(0), 0), (lambda _: None, 0)],
)
def test_a_command_decides_the_code(monkeypatch, effect, code):
    assert run_with(monkeypatch, effect) == code


def finding(path, text="17 x 4 is no multiple of 8", severity="warning"):
    return Finding(severity, path, text)


def test_findings_that_differ_in_file_and_numbers_are_one_line_with_an_example():
    many = [finding(f"{k}.png", f"{k} x 4 is no multiple of 8") for k in range(200)]
    others = [finding("a.png", "is empty"), finding("b.png", severity="error"), finding("", "the pack has no name")]
    assert console.finding_lines([*many, *others]) == [
        "warning: 200 files, as 0.png: 0 x 4 is no multiple of 8",
        "warning: a.png: is empty",
        "error: b.png: 17 x 4 is no multiple of 8",
        "warning: the pack has no name",
    ]
    assert len(console.finding_lines([*many, *others], every=True)) == 203
