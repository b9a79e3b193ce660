"""Whether a pack would load: the loader's own rules, and what every loader asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from texup import bounds
from texup.conventions.convention import Convention
from texup.conventions.detection import detect
from texup.errors import PackError, TextureError
from texup.manifest.history import records
from texup.packs.heads import HEAD
from texup.packs.opening import open_path
from texup.packs.pack import Finding, Pack
from texup.packs.portability import folded, windows_problem
from texup.packs.zips import is_zip
from texup.textures.codecs.files import SUFFIXES, read_header

_CHOOSE_NETS = (
    "method",
    "faithful",
    "rule",
)  # of a policy: what decides, beside the settings, which nets a texture gets
ORDER = {"error": 0, "warning": 1, "hint": 2}


def check_pack(root: Path, convention: Convention | None) -> tuple[Convention, list[Finding]]:
    """Return the convention that a finished pack was checked by and what was found, errors first, then by path.

    Files of any content give findings, never an error. Nothing is written.

    Args:
        root: a folder or a zip, also one that texup did not make.
        convention: None to find out; a hint then says why.

    Raises:
        PackError: there is no pack, no texture in it, or a zip that cannot be unpacked safely.
    """
    if not root.is_dir() and not is_zip(root):
        raise PackError(f"{root}: neither a folder nor a zip" if root.exists() else f"{root}: there is no such folder")
    with open_path(root) as pack:
        if not any(entry.kind == "texture" for entry in pack.entries):
            raise PackError(f"{root}: no texture in it; texup looks for {', '.join(sorted(SUFFIXES))}")
        findings = []
        if convention is None:
            convention, why = detect(pack)
            findings.append(Finding("hint", "", why))
        findings += check(pack, convention)
    return convention, _sorted(findings)


def check_output(out: Path, convention: Convention) -> list[Finding]:
    """Return what is wrong with a folder that texup wrote, errors first; nothing for one without textures."""
    with open_path(out) as pack:
        return _sorted([*check(pack, convention), *_mixture(out)])


def _mixture(out: Path) -> Iterator[Finding]:
    """Yield a warning where a net ran for some textures on another kind of device, or in another type, than for others.

    A pack that was begun on a graphics card, or on a CPU that multiplies bfloat16, may be finished without it; that
    shall not go unsaid. One run has one type for each net, but not for all nets.
    """
    runs: list[set[str]] = [set()]
    last: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for record in records(out, lambda _: runs.append(set())):
        if record is not None:
            way = f"{record.device} in {record.precision}" if record.device else ""
            runs[-1].add(way)
            last[record.path] = way, (way, record.settings, record.is_fallback, *map(record.policy.get, _CHOOSE_NETS))
    ways = Counter(way for way, _ in last.values() if way)
    kinds = {kind for way, kind in last.values() if way}
    is_of_one_run = any(ways.keys() <= run for run in runs)
    if not is_of_one_run or len({kind[1:] for kind in kinds}) < len(kinds):
        shares = ", ".join(f"{count} on {way}" for way, count in sorted(ways.items()))
        text = f"nets ran {shares}: pixels may differ by a few levels between them; --force does all of them again"
        yield Finding("warning", "", text)


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda found: (ORDER[found.severity], found.path, found.text))


def check(pack: Pack, convention: Convention) -> Iterator[Finding]:
    """Yield what is wrong with a finished pack; a general rule is silent where the loader's rules spoke."""
    broken, named = set[str](), set[str]()
    for found in _loaders(pack, convention):
        if found.severity != "hint":
            named.add(found.path)
        if found.severity == "error":
            broken.add(found.path)
        yield found
    yield from (found for found in _portable(pack) if found.path not in named)
    yield from _unreadable(pack, broken)
    yield from _doubles(pack, convention, named)


def _loaders(pack: Pack, convention: Convention) -> Iterator[Finding]:
    try:
        yield from convention.check(pack)
    except TextureError as error:  # a small text file beside the textures; textures have their own rule below
        yield Finding("error", "", f"{error}; the check ended there")


def _portable(pack: Pack) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for entry in pack.entries:
        problem = windows_problem(entry.path)
        if problem:
            yield Finding("warning", entry.path, f"{problem}; rename it")
        elif entry.kind == "refused":
            yield Finding("warning", entry.path, f"not checked: {entry.reason}")
        first = seen.setdefault(folded(entry.path), entry.path)
        if first != entry.path:
            yield Finding("error", entry.path, f"one name with {first} on Windows and macOS; rename one of them")


def _unreadable(pack: Pack, known: set[str]) -> Iterator[Finding]:
    for entry in pack.entries:
        if entry.kind == "texture" and entry.path not in known:
            try:
                _read_header(pack, entry.path)
            except TextureError as error:
                yield Finding("error", entry.path, error.reason)


def _read_header(pack: Pack, path: str) -> None:
    head = pack.read(path, HEAD)
    try:
        read_header(head, path)
    except TextureError:
        if len(head) < HEAD:
            raise
        # A JPEG's size may stand behind more metadata than that.
        read_header(pack.read(path, bounds.TEXTURE_BYTES), path)


def _doubles(pack: Pack, convention: Convention, named: set[str]) -> Iterator[Finding]:
    """Yield files beside each other that differ in the suffix only, where the loader does not look at it.

    Equal keys in several folders are left to the loader's rules: they may be of several games.
    """
    seen: dict[tuple[str, str], str] = {}
    for entry in pack.entries:
        if entry.kind == "texture":
            stem = entry.path.rpartition(".")[0]
            first = seen.setdefault((stem, convention.lookup(entry.path)), entry.path)
            if first != entry.path and not named & {first, entry.path}:
                yield Finding("error", entry.path, f"the loader takes only one of it and {first}; remove one of them")
