"""The plan of a pack: one decision for every file, from names alone, before any pixel is read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import get_args

from texup.conventions.convention import Convention, OwnOption, Planned, Sidecar, Wishes
from texup.errors import PackError, TextureError
from texup.manifest.shard import Shard
from texup.packs.pack import Finding, Pack
from texup.packs.portability import folded
from texup.packs.walk import NOT_SELECTED, Entry, is_safe
from texup.policy.rules import RULES_NAME, Rule, candidates, unused_rules
from texup.textures.blocks.bc7 import NEEDS_EXTRA, is_installed
from texup.textures.codecs.dds_header import HEADER_SIZE, parse_dds
from texup.textures.codecs.files import SUFFIXES


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with a pack."""

    convention: Convention
    pack: Pack
    files: Sequence[Planned]
    """One for each entry, in the order of the walk."""
    sidecars: Sequence[Sidecar]
    """The new content of every file with the action "rewrite", and files made anew."""
    findings: Sequence[Finding]
    shard: Shard | None = None
    """Which part of its pack it is the plan of; None for all of it."""


def homes_of(plan: Plan) -> list[str]:
    """Return the loader's own places in an output, as Load/Textures/GALE01; none where it has none."""
    count = plan.convention.home
    targets = [file.target.split("/") for file in plan.files if file.action == "upscale"]
    return sorted({"/".join(parts[:count]) for parts in targets if count and len(parts) > count})


def plan_pack(
    pack: Pack, convention: Convention, wishes: Wishes, rules: Sequence[Rule] = (), out: tuple[str, ...] = ()
) -> Plan:
    """Return the plan for every file of a pack.

    Args:
        pack: all that the walk yields, refused and unselected files included.
        convention: whose loader will read the result.
        wishes: what the user wants.
        rules: the user's own; the first that fits a file goes before the convention's treatment.
        out: names of the folders down to the output; where it ends in the loader's own folders they are not repeated.

    Raises:
        PackError: the convention refuses the pack, two files that are read have one name on some systems, or two would
            have one target.
    """
    planned: dict[str, Planned] = {}
    findings: list[Finding] = []
    readable = [_seen(entry) for entry in pack.entries if entry.kind != "refused" and entry.path != RULES_NAME]
    seen = replace(pack, entries=readable)
    for item in convention.plan(seen, wishes):
        if isinstance(item, Finding):
            findings.append(item)
        else:
            assert item.path not in planned, item.path
            planned[item.path] = item
    _refuse(findings)
    files = [_overruled(_settled(entry, planned, wishes), rules) for entry in pack.entries]
    _check_names([file.path for file in files if file.action not in ("skip", "refuse")])
    used = {path for file in files if file.action == "upscale" for path in file.others}
    files = [_unless_left_over(file, used) for file in files]
    sidecars = list(convention.sidecars(seen, files, wishes))
    targets = [file.target for file in files]
    prefix = own_home(targets, 0 if wishes.resource_pack else convention.home, out)
    files = [_compressible(file, pack) for file in _ignored([_moved(file, prefix) for file in files], convention)]
    sidecars = [replace(sidecar, target=sidecar.target.removeprefix(prefix)) for sidecar in sidecars]
    _check_targets(files, sidecars)
    findings += unused_rules(rules, [entry.path for entry in readable if entry.kind == "texture"])
    if wishes.palette == "keep" and not convention.palettes:
        findings.append(Finding("warning", "", f"{convention.title} reads no palettes; --palette keep is not used"))
    for option in get_args(OwnOption):
        if getattr(wishes, option) and option not in convention.options:
            flag = f"--{option.replace('_', '-')}"
            findings.append(Finding("warning", "", f"{flag} is not used: {convention.title} has nothing of the kind"))
    return Plan(convention, pack, files, sidecars, findings)


def _seen(entry: Entry) -> Entry:
    """Return an entry as a convention sees it: one that is not selected still says what the pack is made of."""
    return replace(entry, kind="texture") if not entry.selected and _is_texture(entry.path) else entry


def _is_texture(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in SUFFIXES


def _refuse(findings: Sequence[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f"; and {len(errors) - 1} more, see texup inspect" if len(errors) > 1 else ""
        raise PackError(f"{first.path}: {first.text}{more}" if first.path else f"{first.text}{more}")


def _settled(entry: Entry, planned: dict[str, Planned], wishes: Wishes) -> Planned:
    """Return an entry's plan, where it is refused, not selected or the rules file without asking the convention."""
    if entry.kind == "refused":
        return Planned(entry.path, "refuse", entry.reason or "")
    if entry.path == RULES_NAME:
        return Planned(entry.path, "skip", "rules for texup")
    plan = planned[entry.path]
    if entry.selected or plan.action not in ("upscale", "copy"):
        return plan
    if not wishes.copy_other:
        return Planned(entry.path, "skip", NOT_SELECTED, selected=False)
    return Planned(entry.path, "copy", NOT_SELECTED, own_suffix(plan), selected=False)


def _unless_left_over(file: Planned, used: set[str]) -> Planned:
    """Leave out half a texture whose other half is not upscaled."""
    is_left_over = file.action == "joined" and file.path not in used
    return Planned(file.path, "skip", f"{file.reason}, which is not upscaled") if is_left_over else file


def own_suffix(plan: Planned) -> str:
    """Return the target with the source's suffix, for bytes that are taken as they are."""
    return str(PurePosixPath(plan.target).with_suffix(PurePosixPath(plan.path).suffix))


def _overruled(plan: Planned, rules: Sequence[Rule]) -> Planned:
    """Lay the user's rules over a plan; rules that ask for pixels are left for the time when they are known."""
    if plan.action not in ("upscale", "copy") or not _is_texture(plan.path):
        return plan
    fitting = candidates(rules, plan.path)
    if not fitting:
        return plan
    first = fitting[0]
    if first.needs_pixels or first.action in (None, "upscale"):
        return replace(plan, action="upscale", rules=fitting) if plan.action == "upscale" or first.action else plan
    if first.action == "skip":
        return Planned(plan.path, "skip", f"rule {first.number}", rules=(first,))
    return Planned(plan.path, "copy", f"rule {first.number}", own_suffix(plan), rules=(first,))


def own_home(targets: Sequence[str], home: int, out: tuple[str, ...]) -> str:
    """Return those of the loader's own folders that the output already ends in, as a prefix of targets."""
    homes = {tuple(target.split("/")[:home]) for target in targets if target and home}
    depth = next((k for k in range(home, 0, -1) if any(out[-k:] == place[:k] for place in homes)), 0)
    return "/".join(out[-depth:]) + "/" if depth else ""


def _moved(file: Planned, prefix: str) -> Planned:
    """Return a plan whose targets leave out ``prefix``."""
    if file.target and not file.target.startswith(prefix):
        return Planned(file.path, "skip", f"belongs to {file.target.rpartition('/')[0]}, outside this output")
    return replace(file, target=file.target.removeprefix(prefix), level_target=file.level_target.removeprefix(prefix))


def _ignored(files: list[Planned], convention: Convention) -> Iterator[Planned]:
    """Leave out textures of which the loader would take another one of the same key."""
    seen: dict[str, Planned] = {}
    for file in files:
        if file.action in ("upscale", "copy") and _is_texture(file.target):
            first = seen.setdefault(convention.lookup(file.target), file)
            if first is not file and first.target != file.target:
                yield Planned(file.path, "skip", f"the loader would see only one of it and {first.path}")
                continue
        yield file


def _compressible(file: Planned, pack: Pack) -> Planned:
    """Refuse what needs BC7 where the extra that writes it is missing."""
    store = file.treatment.store
    may_need_it = store == "bc7" or (not store and file.path.lower().endswith(".dds"))
    if file.action != "upscale" or not may_need_it or is_installed():  # in this order: to look for it takes as long
        return file  # as all the rest of the plan
    if store == "bc7" or _is_bc7(file.path, pack):
        return replace(file, action="refuse", reason=NEEDS_EXTRA, target="")
    return file


def _is_bc7(path: str, pack: Pack) -> bool:
    try:
        header = parse_dds(pack.read(path, HEADER_SIZE), permissive=True)
    except TextureError:
        return False  # the error is reported when it is read
    return header.block == "bc7" and not header.extra


def _check_names(paths: Sequence[str]) -> None:
    """Refuse files that some systems take for one, or that lie in folders which those take for one."""
    seen: dict[str, str] = {}
    folders = set[str]()
    for path in paths:
        names, folder = [path], path.rpartition("/")[0]
        while folder and folder not in folders:  # a pack has few of them, each of which is looked at once
            folders.add(folder)
            names.append(folder)
            folder = folder.rpartition("/")[0]
        for name in reversed(names):
            first = seen.setdefault(folded(name), name)
            if first != name:
                raise PackError(f"'{first}' and '{name}' are one name on Windows and macOS; rename one of them")


def _check_targets(files: Sequence[Planned], sidecars: Sequence[Sidecar]) -> None:
    """Refuse targets outside the output, and two files of one target."""
    rewritten = {sidecar.source for sidecar in sidecars}
    targets = [(file.path, file.target) for file in files if file.target and file.path not in rewritten]
    seen: dict[str, str] = {}
    for path, target in [*targets, *((sidecar.source or sidecar.target, sidecar.target) for sidecar in sidecars)]:
        if not is_safe(target):
            raise PackError(f"{path}: would be written to {target}, outside the output; rename it")
        first = seen.setdefault(folded(target), path)
        if first != path:
            raise PackError(f"'{first}' and '{path}' would both become {target}; remove one of them")
