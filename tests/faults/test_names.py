"""P23, P24: names and texts made by strangers, in every channel: one line each, nothing that moves a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import threading
import unicodedata
from pathlib import Path

import pytest

from ..builders import noise

MANIFEST = "texup-manifest.jsonl"
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # what no terminal may get
CSI = re.compile(r"\x1b\[[0-9;?]*[mKhlA]")  # what live progress sends of its own; no name below has these

CONTROLS = [
    b"\x01\x07bell.png",
    b"\x1b[2Jclear.png",
    b"\x1b]0;title\x07.png",
    b"\x1b[5nreport.png",
    b"\x1bPdevice\x1b\\.png",
    b"\xc2\x9b5ncsi.png",
    b"\xc2\x85next.png",
    b"\x7fdel.png",
    b"\x08\x08\x08back.png",
    b"new\nline.png",
    b"a.png\nfailed: spoof.png: no\n.png",
    b"cr\rreturn.png",
    b"tab\there.png",
    b"\x0b\x0c.png",
]
UNICODE = [
    "\u202egnp.exe.png",
    "\u2066iso\u2069.png",
    "\u200bzero.png",
    "\u2028line.png",
    "\u2029par.png",
    "\ufeffbom.png",
    "\ue000private.png",
    "\uffff.png",
    "\U000e0041tag.png",
    "\u0600arabic.png",
    "e\u0301 nfd.png",
    "\u00e9 nfc.png",
    "\u6f22\u5b57.png",
    "\U0001f469\u200d\U0001f467.png",
    "Z\u0334\u0351algo.png",
]
BYTES = [b"\xff\xfe.png", b"caf\xe9.png", b"\xed\xa0\x80.png", b"\xc0\xaf.png", b"d\xe9j\xe0/vu\xff.png"]
MARKUP = [
    b"[red]x[/red].png",
    b"[bold",
    b"[/].png",
    b"[/x].png",
    b"[link=a]b[/link].png",
    b"deep [x]/[/y].png",
    b"\\[x].png",
    b":warning:.png",
    b":smile:.png",
    b"{}.png",
    b"{0}{x!r}{{.png",
    b"%s%n%(x)s%.png",
    b"$HOME `id` $(id).png",
    b"'\".png",
    b"<b>&lt;.png",
    b"=cmd|x.png",
    b"#a;b.png",
    b"a\\b.png",
]
OPTIONS = [b"-o.png", b"--help.png", b"--help", b"--", b"-", b"--output=x.png", b"@file.png", b"~.png", b"*?.png"]
WINDOWS = [b"CON.png", b"aux", b"nul .png", b"COM1.tar.png", b"dot..png", b"dot.", b"blank ", b"a:b.png", b"ab:c.png"]
NAMES = [*CONTROLS, *(name.encode() for name in UNICODE), *BYTES, *MARKUP, *OPTIONS, *WINDOWS]
NAMES += [b" lead.png", b"..png", b"...", b".png", b"x" * 251 + b".png", "\u00e9".encode() * 125 + b"x.png"]
REFUSED = {b"a\\b.png", b"\\[x].png", b"a:b.png", b"\x1bPdevice\x1b\\.png"}  # no names elsewhere, with a reason each


NO_PROBE = "from texup.calls import inspection; inspection.PROBE_SECONDS = 0"


def write(folder: Path, name: bytes, data: bytes) -> None:
    path = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def is_texture(name: bytes) -> bool:
    return os.path.splitext(name.rpartition(b"/")[2])[1] == b".png"


def assert_clean(text: str, *, live=False) -> None:
    """Nothing in a text may move a terminal, turn its writing round or hide in it; ``live`` texts move a bar."""
    if live:
        text = CSI.sub("", text).replace("\r", "")
    bad = sorted({c for c in text if c != "\n" and unicodedata.category(c) in UNSAFE})
    assert bad == [], [ascii(line) for line in text.splitlines() if set(bad) & set(line)][:3]
    assert "Traceback" not in text


@pytest.fixture(scope="module")
def scene(tmp_path_factory, launcher, weights):
    """A folder with a pack of every name, sound and broken by turns, and what became of it."""
    folder = tmp_path_factory.mktemp("names")
    broken = set()
    for k, name in enumerate(NAMES):
        write(folder / "pack", name, noise(k) if k % 3 else b"no picture")
        broken |= {name} if is_texture(name) and k % 3 == 0 else set()
    done = launcher.run(*upscale(weights, "pack", "out"), "-v", "--json", "--copy-other", cwd=folder)
    return folder, broken | REFUSED, done


def upscale(weights, source, out) -> list[str]:
    return ["upscale", source, "-o", out, *quick(weights), "--jobs", "2"]


def quick(weights) -> list[str]:
    return ["--model", str(weights), "--overlap", "4", "--device", "cpu"]


def names_of(paths) -> set[bytes]:
    return {os.fsencode(path) for path in paths}


def test_p23_upscale_names_every_file_in_one_clean_line(scene):
    folder, failed, (code, said, told) = scene
    assert code == 3
    assert_clean(told)
    assert said.isascii()
    result = json.loads(said)
    assert names_of(failure["path"] for failure in result["failures"]) == failed
    lines = [line for line in told.splitlines() if not line.startswith(("warning: ", "hint: ", "error: ", "gate: "))]
    assert len(lines) == len(NAMES) + 1  # one for each, and the sum
    assert sum(line.startswith("failed: ") for line in lines) == len(failed)
    written = names_of(p.relative_to(folder / "out") for p in (folder / "out").rglob("*") if p.is_file())
    assert written == {*NAMES} - failed | {MANIFEST.encode()}


def test_p24_the_manifest_is_ascii_and_holds_each_name_once(scene):
    folder, _, _ = scene
    text = (folder / "out" / MANIFEST).read_bytes()
    assert text.isascii()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", text)
    records = [json.loads(line) for line in text.splitlines()[1:-1]]
    assert sorted(os.fsencode(record["path"]) for record in records) == sorted(NAMES)


def test_p24_a_second_run_knows_every_name_again(launcher, weights, scene):
    folder, failed, _ = scene
    code, said, told = launcher.run(*upscale(weights, "pack", "out"), "--json", "--copy-other", cwd=folder)
    assert code == 3
    assert_clean(told)
    assert json.loads(said)["counts"] == {"unchanged": len(NAMES) - len(failed), "failed": len(failed)}


COMMANDS = {
    "inspect": ["inspect", "pack", "-v"],
    "inspect as JSON": ["inspect", "pack", "--json"],
    "check": ["check", "pack", "-v"],
    "check of the result": ["check", "out", "-v"],
    "check as JSON": ["check", "pack", "--json"],
    "verify": ["verify", "out"],
    "verify of strange files": ["verify", "strange"],
    "verify as JSON": ["verify", "strange", "--json"],
    "dry run": ["upscale", "pack", "--dry-run", "-v"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_p23_other_commands_are_as_clean(launcher, weights, scene, name):
    folder, failed, _ = scene
    if "strange" in COMMANDS[name] and not (folder / "strange").exists():
        for each in NAMES:  # files that a manifest does not name
            write(folder / "strange", each, b"x")
        (folder / "strange" / MANIFEST).write_bytes((folder / "out" / MANIFEST).read_bytes())
    more = quick(weights) if COMMANDS[name][0] in ("inspect", "upscale") else []
    code, said, told = launcher.run(*COMMANDS[name], *more, cwd=folder, before=NO_PROBE)
    assert code in (0, 3)
    assert_clean(said)
    assert_clean(told)
    if "JSON" in name:
        assert said.isascii()
        json.loads(said)
    if name == "inspect":
        assert sum(line.startswith("refuse ") for line in said.splitlines()) == len(failed)
        assert len([line for line in said.splitlines() if line.startswith(("upscale ", "refuse ", "skip "))]) == len(
            NAMES
        )


def test_p23_live_progress_is_as_clean(launcher, weights, scene):
    """On a terminal, all streams: what rich sends of its own is known, and nothing of a name is markup or emoji."""
    folder, failed, _ = scene
    near, far = pty.openpty()
    shown = []

    def look():
        while True:
            try:
                piece = os.read(near, 65536)
            except OSError:
                return
            shown.append(piece)

    command = launcher.start(
        *upscale(weights, "pack", "live"), "-v", "--copy-other", cwd=folder, streams=[os.ttyname(far)] * 3
    )
    reader = threading.Thread(target=look)
    reader.start()
    code = command.wait()
    os.close(far)
    reader.join(60)
    os.close(near)
    assert code == 3
    text = b"".join(shown).decode()
    assert_clean(text, live=True)
    lines = CSI.sub("", text).replace("\r", "\n").splitlines()
    assert sum(line.startswith("failed: ") for line in lines) == len(failed)
    for name in (b":smile:.png", b"[/x].png", b"[red]x[/red].png", b"[link=a]b[/link].png"):
        assert any(line.partition(": ")[2].startswith(name.decode()) for line in lines), name
    assert "\N{WARNING SIGN}" not in text


FEW = [CONTROLS[1], CONTROLS[9], UNICODE[0].encode(), BYTES[0], b"[/x]"]  # of each kind
MORE = [*CONTROLS[3:9:2], *(name.encode() for name in UNICODE[1:4])]


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_p23_what_is_asked_for_by_a_hostile_name_is_refused_cleanly(launcher, weights, tmp_path, name):
    """As a pattern of the shell gives it: a pack, a file, a model, an output, a second pack."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "a.png").write_bytes(noise(0))
    write(tmp_path, name, b"no picture")
    text = os.fsdecode(name)
    commands = [
        ["upscale", text + "x"],
        ["upscale", text, *quick(weights)],
        ["upscale", "pack", "--model", text],
        ["upscale", "pack", "-o", f"{text}/out", *quick(weights)],
        ["upscale", "pack", text],
        ["upscale", "pack", "--rules", text],
        ["upscale", "pack", "--device", text, "--force"],
        ["upscale", "pack", "--format", text],
        ["check", text],
        ["verify", text],
        ["inspect", text + "x"],
        [text],
        [f"--{text}"],
    ]
    for arguments in commands:
        code, said, told = launcher.run(*arguments, cwd=tmp_path)
        assert code in (2, 3, 4, 5), arguments
        assert_clean(said + told)
        assert told


HOSTILE = "\x1b[2J\x9b5n\u202e[/x]:smile:{0}%s\x07"
ESCAPED = json.dumps(HOSTILE)  # as JSON and TOML spell it
# Convention -> files of a pack, texts of strangers in them.
TEXTS = {
    "rules that are wrong": ("plain", {"texup.toml": f'[[rule]]\nmatch = "*.png"\nmodel = {ESCAPED}\n'}),
    "rules with a strange key": ("plain", {"texup.toml": f'[[rule]]\nmatch = "*.png"\n{ESCAPED} = 1\n'}),
    "rules that match nothing": ("plain", {"texup.toml": f"[[rule]]\nmatch = {ESCAPED}\nscale = 2\n"}),
    "rules that are no TOML": ("plain", {"texup.toml": f"[[rule\n{HOSTILE}"}),
    "rules of bytes": ("plain", {"texup.toml": b"\xff\x1b[2J\n= ="}),
    "mcmeta that is no JSON": ("minecraft", {"pack.mcmeta": "{" + HOSTILE}),
    "mcmeta of a pack": ("minecraft", {"pack.mcmeta": f'{{"pack": {{"pack_format": {ESCAPED}, {ESCAPED}: 1}}}}'}),
    "mcmeta of a strip": (
        "minecraft",
        {
            "pack.mcmeta": '{"pack": {"pack_format": 15, "description": ""}}',
            "assets/minecraft/textures/block/a.png.mcmeta": f'{{"animation": {{"frames": [{ESCAPED}], {ESCAPED}: 3}}}}',
        },
    ),
    "textures.ini": (
        "ppsspp",
        {"textures.ini": f"[options]\nversion = {HOSTILE}\n[hashes]\n{HOSTILE} = {HOSTILE}.png\n"},
    ),
    "textures.ini of bytes": ("ppsspp", {"textures.ini": b"[hashes]\n\xff\x1b[2J = ../../\xfe.png\n00 = a\x1b.png\n"}),
    "rt64.json": (
        "rt64",
        {"rt64.json": f'{{"configuration": {ESCAPED}, "textures": [{{"path": {ESCAPED}, "hashes": {ESCAPED}}}]}}'},
    ),
    "rt64.json that is none": ("rt64", {"rt64.json": HOSTILE}),
    "gameinfo of gzdoom": ("gzdoom", {"TEXTURES": f'texture "{HOSTILE}", 8, 8 {{ patch "{HOSTILE}", 0, 0 }}\n'}),
    "pack.json of citra": ("citra", {"pack.json": f'{{"options": {ESCAPED}, "textures": {{{ESCAPED}: [{ESCAPED}]}}}}'}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_p23_texts_of_a_pack_reach_no_terminal(launcher, weights, tmp_path, name):
    convention, files = TEXTS[name]
    for path, content in files.items():
        write(tmp_path / "pack", path.encode(), content if isinstance(content, bytes) else content.encode())
        picture_of = path.removesuffix(".mcmeta")
        if picture_of.endswith(".png"):
            write(tmp_path / "pack", picture_of.encode(), noise(1))
    for place in ("a.png", "assets/minecraft/textures/block/b.png", "textures/WALL.png"):
        write(tmp_path / "pack", place.encode(), noise(2))
    for arguments in (
        ["upscale", "pack", "-o", "out", "--format", convention, "-v", *quick(weights)],
        ["upscale", "pack", "--dry-run", "--format", convention, "-v", *quick(weights)],
        ["check", "pack", "--format", convention, "-v"],
    ):
        code, said, told = launcher.run(*arguments, cwd=tmp_path, before=NO_PROBE)
        assert code in (0, 2, 3), told
        assert_clean(said + told)
        assert "unexpected" not in told
        if code == 2:
            assert told.count("texup: error: ") == 1


UNFORESEEN = """
from texup.calls import verifying
def verify(*arguments):
    raise KeyError({text!r} + "x" * 10_000)
verifying.verify = verify
"""


def test_p23_an_error_that_nobody_foresaw_is_one_line(launcher, tmp_path):
    before = UNFORESEEN.format(text=HOSTILE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text(
        '{"format":"texup-manifest","schema":1,"version":"0","models":[],"settings":{}}\n'
    )
    code, said, told = launcher.run("verify", "out", cwd=tmp_path, before=before)
    assert (code, said, told.count("\n")) == (1, "", 1)
    assert told.startswith("texup: error: unexpected KeyError: ")
    assert len(told) < 1000
    assert_clean(told)
    code, _, told = launcher.run("--debug", "verify", "out", cwd=tmp_path, before=before)
    assert "Traceback" in told


ENCODED = """
import builtins
real = open
def told(place, *arguments, **options):
    if place in (1, 2):
        options["encoding"] = {encoding!r}
    return real(place, *arguments, **options)
builtins.open = told
"""


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "utf-16"])
def test_p23_a_terminal_of_any_encoding_can_be_told(launcher, weights, scene, encoding):
    folder, _, _ = scene
    before = ENCODED.format(encoding=encoding)
    for arguments in (["check", "pack", "-v"], ["verify", "out"]):
        command = launcher.start(*arguments, cwd=folder, before=before)
        assert command.wait() in (0, 3)
        for stream in ("out", "err"):
            assert_clean((command.folder / stream).read_bytes().decode(encoding))
