"""A finished pack, before and after, from its manifest.

No path that the manifest names is ever opened because it is named there: output and source are walked, and what is
found there is looked up. Whatever is missing, changed, failed or no longer readable is shown as what it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from texup import __version__, bounds
from texup.errors import TextureError
from texup.gallery.content import Candidate, Exhibit, Page, Settings
from texup.gallery.picks import WISHES, base_of, rules_text, tables_of
from texup.gallery.studio import Opened, Studio, problem_of
from texup.gallery.words import (
    Facts,
    cell_of,
    edges_of,
    gate_of,
    marks_of,
    seconds_of,
    settings_of,
    why_of,
    word,
    wraps_of,
)
from texup.manifest.history import FORMAT, NAME, History, records
from texup.manifest.record import Outcome, Written, value_of
from texup.packs.opening import open_pack, open_path
from texup.packs.pack import Pack
from texup.packs.walk import walk
from texup.packs.zips import SUFFIXES as ARCHIVES
from texup.textures.codecs.files import SUFFIXES

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPack:
    """A finished pack and where it came from."""

    out: Path
    header: dict[str, Any]
    """Of the newest run; {} where it is damaged."""
    records: Sequence[Outcome]
    """The newest of each texture, by path."""
    history: History
    has_joined: bool
    """Whether textures were made of several files, whose recorded hash is that of no single one."""


def read_finished(out: Path) -> FinishedPack:
    """Read the manifest of a pack.

    Raises:
        UsageError: there is none that this texup can read.
    """
    history, latest = History(), dict[str, Outcome]()
    for record in records(out):
        if record is None:
            history.damaged += 1
            continue
        history.add(record)
        if record.outcome == "gone":
            latest.pop(record.path, None)
        else:
            latest[record.path] = record
    shown = [latest[path] for path in sorted(latest) if _is_shown(latest[path])]
    has_joined = any(record.outcome == "joined" for record in latest.values())
    return FinishedPack(out=out, header=_header(out), records=shown, history=history, has_joined=has_joined)


def _is_shown(record: Outcome) -> bool:
    return record.outcome == "failed" or PurePosixPath(record.path).suffix.lower() in SUFFIXES


def _header(out: Path) -> dict[str, Any]:
    """Return the last header of a manifest, whose records were checked before."""
    last: dict[str, Any] = {}
    begin = json.dumps({"format": FORMAT})[:9].encode("ascii")
    with (out / NAME).open("rb") as file:
        while line := file.readline(bounds.MANIFEST_LINE):
            if line.startswith(begin):
                value, _ = value_of(line)
                if isinstance(value, dict) and value.get("format") == FORMAT and "ended" not in value:
                    last = value
    return last


def source_of(finished: FinishedPack) -> Path | None:
    """Return where the source of a pack should lie by its name: the folder or archive beside it without ``_xN``."""
    scale = settings_of(finished.header).get("scale")
    beside = Path(os.path.abspath(finished.out))
    end = f"_x{scale}"
    if not beside.name.endswith(end) or beside.name == end:
        return None
    place = beside.with_name(beside.name.removesuffix(end))
    return next((found for found in (place, *(Path(f"{place}{s}") for s in ARCHIVES)) if found.exists()), None)


@contextmanager
def _opened(source: Path | None) -> Iterator[tuple[Pack | None, Path]]:
    if source is None:
        yield None, Path()
    elif source.is_dir():
        yield open_pack(source, list(walk(source))), source
    else:
        with open_path(source) as pack:
            yield pack, source


def page_of(
    finished: FinishedPack,
    source: Path | None,
    rules: Path | None,
    studio: Studio,
    *,
    keep: Callable[[str], bool] = lambda _: True,
    workers: int = 2,
    progress: Progress = lambda *_: None,
) -> Page:
    """Return the page of a finished pack.

    Args:
        finished: the pack.
        source: the folder or archive that it was made from, if it is still there.
        rules: the user's rules, which picks go before.
        studio: makes the pictures.
        keep: whether the texture of a path is wanted.
        workers: threads.
        progress: is told how many are done, of how many.
    """
    wanted = [record for record in finished.records if keep(record.path)]
    tables, exhibits = tables_of(rules), list[Exhibit]()
    with _opened(source) as (pack, root):
        out = open_pack(finished.out, list(walk(finished.out)))
        make = partial(_exhibit, studio=studio, finished=finished, out=out, pack=pack, root=root, tables=tables)
        with ThreadPoolExecutor(workers) as threads:
            try:
                for exhibit in threads.map(make, wanted):
                    exhibits.append(exhibit)
                    progress(len(exhibits), len(wanted))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
    return Page(
        title=finished.out.name or str(finished.out),
        about="pack",
        version=__version__,
        convention=str(finished.header.get("convention", "")),
        models=_models(finished.header),
        facts=_facts(finished),
        warnings=_warnings(finished, source),
        candidates=[Candidate(label="result")],
        exhibits=exhibits,
        wishes=WISHES,
        rules=rules_text(rules),
    )


def _models(header: dict[str, Any]) -> list[str]:
    models = header.get("models")
    found = models if isinstance(models, list) else []
    return [str(model.get("name", "")) for model in found if isinstance(model, dict)]


def _facts(finished: FinishedPack) -> list[str]:
    scale = settings_of(finished.header).get("scale")
    return [f"scale {scale}"] if isinstance(scale, int) else []


def _warnings(finished: FinishedPack, source: Path | None) -> list[str]:
    found = []
    if source is None:
        found.append("The source pack was not found; name it with --source to see what the textures were.")
    if finished.history.damaged:
        count = finished.history.damaged
        found.append(f"{count} damaged line{'s' * (count > 1)} of the manifest ignored.")
    if not finished.header:
        found.append("The header of the manifest is damaged: models and settings are not known.")
    return found


def _exhibit(
    record: Outcome,
    *,
    studio: Studio,
    finished: FinishedPack,
    out: Pack,
    pack: Pack | None,
    root: Path,
    tables: Sequence[Settings],
) -> Exhibit:
    """Return one texture of a finished pack."""
    policy = record.policy
    rule = policy.get("rule") if isinstance(policy.get("rule"), int) else None
    exhibit = Exhibit(
        path=record.path,
        outcome=record.outcome,
        reason=record.explanation,
        why=why_of(policy),
        notes=record.notes,
        kind=word(policy, "kind"),
        method=word(policy, "method"),
        alpha=word(policy, "alpha"),
        edges=edges_of(policy),
        model=_model(record, finished.header),
        rule=rule,
        gate=gate_of(record.gate),
        wrong=marks_of(record.gate),
        seconds=seconds_of(record.seconds),
        base=base_of(tables, rule),
    )
    problems: list[str] = []
    try:
        before = _source(record, pack, root, studio, finished, problems)
        after = [
            _result(target, record, out, studio, finished, problems if k == 0 else [])
            for k, target in enumerate(record.targets)
        ]
        _draw(exhibit, before, after, policy, studio)
    except (TextureError, MemoryError) as error:
        problems.append(error.reason if isinstance(error, TextureError) else "not enough memory to show it")
    exhibit.problems = problems
    return exhibit


def _model(record: Outcome, header: dict[str, Any]) -> str:
    """Return the net that a texture went through, or those that it may have gone through: a record does not say."""
    models = _models(header) if record.precision is not None else []
    return f"one of {', '.join(models)}" if len(models) > 1 else "".join(models)


def _source(
    record: Outcome, pack: Pack | None, root: Path, studio: Studio, finished: FinishedPack, problems: list[str]
) -> Opened | None:
    if pack is None:
        return None
    opened, problem = problem_of(lambda: studio.open(pack, root, record.path))
    if opened is None:
        problems.append(f"source: {problem}")
        return None
    is_other = record.source_sha256 not in (None, opened.sha256) and record.outcome != "failed"
    if is_other and not finished.has_joined:
        problems.append("source: changed since; this was made from another file")
    return opened


def _result(
    target: Written, record: Outcome, out: Pack, studio: Studio, finished: FinishedPack, problems: list[str]
) -> Opened | None:
    if finished.history.owners.get(target.path) != record.path:
        problems.append("result: another texture's has its place")
        return None
    opened, problem = problem_of(lambda: studio.open(out, finished.out, target.path))
    if opened is None:
        problems.append(f"result: {problem}")
        return None
    if opened.sha256 != target.sha256:
        problems.append("result: changed since it was written")
    return opened


def _draw(
    exhibit: Exhibit, before: Opened | None, after: Sequence[Opened | None], policy: Facts, studio: Studio
) -> None:
    """Put pictures and numbers into an exhibit, as many as can be decoded.

    Raises:
        TextureError: one cannot.
    """
    result = after[0] if after else None
    try:
        if result is not None:
            shown = studio.show(result)
            exhibit.thumb = studio.thumb(result)
            exhibit.results = [replace(shown, levels=[studio.show(level) for level in after[1:] if level is not None])]
            exhibit.width, exhibit.height = shown.width, shown.height
    finally:
        if before is not None:
            exhibit.source = studio.show(before)
            exhibit.thumb = exhibit.thumb or studio.thumb(before)
            exhibit.width, exhibit.height = exhibit.source.width, exhibit.source.height
    exhibit.cell = cell_of(policy, exhibit.width, exhibit.height)
    if before is not None and result is not None:
        exhibit.change, exhibit.seam = studio.numbers(before, result, wraps_of(policy))
