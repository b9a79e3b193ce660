"""A pack that is upscaled while another program fills its folder.

::

    look ── what is new or changed, and what rests (packs.filling)
    plan ── of all files so far, from names, as for a whole pack; only when a look found something
    pass ── those whose plan or files are not what they were when they were done, all at once, through one engine
    sleep

Between passes no file is opened: what was done is known by its plan, and by sizes and times of change.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress

from texup.conventions.convention import Convention, Planned, Sidecar
from texup.conventions.detection import Detected
from texup.conventions.plain import PLAIN
from texup.errors import HoldsInput, PackError
from texup.files import remove_leftovers
from texup.locks import output_lock
from texup.manifest.history import History
from texup.manifest.journal import Manifest
from texup.manifest.record import Outcome, gone
from texup.packs.filling import Filling, Stamp, stamp_of
from texup.packs.opening import folders_of, open_pack
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry, check_places
from texup.textures.codecs.decoders import Decode, Decoders
from texup.upscaling.pack import check_ready, outcomes_of, record
from texup.upscaling.planning import Plan, plan_pack
from texup.upscaling.run import Run, convention_of, with_place

PATIENCE = 30.0  # seconds without a change after which a file that cannot be done counts as failed
SIDECARS_EVERY = 30.0  # seconds, where the folder never rests; else they are written when it does
State = tuple[Planned, tuple[Stamp, ...]]
"""What decides about a result: the plan of its source, and the stamps of the files that it is made of."""


class Watch:
    """One call of ``watch``: a run, and what has become of its folder so far."""

    def __init__(self, run: Run, interval: float) -> None:
        """Watch ``run.source`` with so many seconds between two looks."""
        self.run, self.interval = run, interval
        self.plan: Plan | None = None
        """The newest plan; None before the first texture."""
        self._folder = Filling(run.source, run.include, run.exclude)
        self._known: dict[str, Entry] = {}  # what rested once, also textures that went since: their results stay
        self._fit: dict[str, Stamp] = {}  # what the newest plan is of
        self._misfits: dict[str, str] = {}  # what a pack cannot have beside its other files, and why
        self._done: dict[str, State] = {}
        self._waiting: dict[str, State] = {}  # what could not be done, but may only be half written
        self._busy = self._began = time.monotonic()
        self._unlisted: float | None = None  # since when sidecars may lack a file
        self._is_recorded = True  # whether every file that was written has its record

    def outcomes(self, until_idle: float | None = None) -> Generator[Outcome | Finding, None, None]:
        """Do what is there and what comes, without end, or until nothing came for so many seconds.

        Yields:
            The outcome of each file when it is done, and again after it changed; and what the user should know. A file
            that cannot be done has none before it stayed as it is for ``PATIENCE`` seconds.

        Raises:
            PackError: the places overlap, or what is there at first makes no pack; nothing is written then.
            UsageError: as :func:`texup.upscaling.pack.check_ready`.
            LockedError: another run writes to ``run.out``.
            OutputError: the output cannot be written; finished files stay, and the same command goes on from there.
        """
        run, manifest, problem = self.run, None, None
        try:
            check_places(run.source, run.out)
        except HoldsInput as error:
            raise with_place(error, run) from error
        check_ready(run)
        run.load_engine()
        with output_lock(run.out), Decoders() as decoders, ExitStack() as stack:
            remove_leftovers(run.out)
            while True:
                has_changed = self._folder.look()
                if self._folder.problem not in (None, problem):
                    yield Finding("warning", "", f"{run.source}: {self._folder.problem}; waiting for it")
                problem = self._folder.problem
                has_more = self._take(manifest.history if manifest else None)
                if manifest is None and (found := self._detected()):
                    yield Finding("hint", "", f"format {found.convention.id}: {found.why}")
                    self.plan = self._plan_of(found.convention, list(self._known.values()))
                    manifest = stack.enter_context(Manifest(run.out, run.header(found.convention.id)))
                    stack.callback(self._end, manifest)
                if manifest is not None:
                    yield from self._work(manifest, decoders.decode, has_more=has_more)
                if self._is_idle(until_idle, has_changed=has_changed):
                    return
                time.sleep(self.interval)

    def _take(self, history: History | None) -> bool:
        """Take in what rests and leave out what is lost; return whether the plan must be made anew."""
        folder, known = self._folder, self._known
        if folder.problem is not None:
            return False
        fresh = [
            entry
            for path, entry in folder.entries.items()
            if folder.rests(path) and (path not in known or stamp_of(known[path]) != stamp_of(entry))
        ]
        lost = [path for path in known if path not in folder.entries and not _stays(known[path], history)]
        for path in lost:
            del known[path]
            self._done.pop(path, None)
        known.update((entry.path, entry) for entry in fresh)
        self._waiting = {path: state for path, state in self._waiting.items() if folder.rests(path)}
        if lost:
            self._misfits.clear()
        for entry in fresh:
            self._misfits.pop(entry.path, None)
        return bool(fresh or lost)

    def _detected(self) -> Detected | None:
        """Return the convention that the names so far tell; None while there are none, or they tell nothing yet."""
        if not any(entry.kind == "texture" for entry in self._known.values()):
            self._began = self._folder.looked
            return None
        found = convention_of(self.run, self._pack_of(list(self._known.values())))
        is_certain = found.convention is not PLAIN or self.run.convention != "auto"
        is_late = self._folder.looked - self._began >= PATIENCE
        return found if is_certain or is_late or self._is_quiet() else None

    def _work(self, manifest: Manifest, decode: Decode, *, has_more: bool) -> Iterator[Outcome | Finding]:
        """Do what there is to do after a look."""
        assert self.plan is not None
        is_first = not self._fit
        if has_more and not is_first:
            self.plan = self._replanned(self.plan.convention)
        if has_more or is_first or any(self._age(file) >= PATIENCE for file, _ in self._waiting.values()):
            self._fit = {path: stamp_of(e) for path, e in self._known.items() if path not in self._misfits}
            yield from self._pass(manifest, decode)
            self._unlisted = self._unlisted or time.monotonic()
        is_late = self._unlisted is not None and time.monotonic() - self._unlisted >= SIDECARS_EVERY
        if is_late or (self._unlisted is not None and self._is_quiet() and not has_more):
            yield from self._carried_out(manifest, decode, [], self.plan.sidecars)
            self._unlisted = None

    def _pass(self, manifest: Manifest, decode: Decode) -> Iterator[Outcome | Finding]:
        """Do every file whose plan or content is not what it was when it was done."""
        assert self.plan is not None
        for path, last in [*manifest.history.latest.items()]:
            if last.outcome in ("failed", "skipped") and path not in self._folder.entries:
                yield self._recorded(gone(path), manifest)
        refused = [Planned(path, "refuse", reason) for path, reason in self._misfits.items()]
        files = [file for file in (*self.plan.files, *refused) if self._is_due(file)]
        yield from self._carried_out(manifest, decode, files, [])

    def _carried_out(
        self, manifest: Manifest, decode: Decode, files: Sequence[Planned], sidecars: Sequence[Sidecar]
    ) -> Iterator[Outcome | Finding]:
        """Do files and sidecars of the plan, and record all but what may still become whole."""
        assert self.plan is not None
        states = {file.path: (file, self._stamps(file)) for file in files}
        self._is_recorded = False
        for outcome in outcomes_of(self.run, self.plan, manifest, files, sidecars, decode=decode, end=_keep_decoders):
            state = states.get(outcome.path)
            if state is not None and outcome.outcome == "failed" and self._may_become_whole(state[0]):
                self._waiting[outcome.path] = state
                yield Finding("hint", outcome.path, f"{outcome.explanation}; waiting until it changes")
                continue
            if state is not None:
                self._waiting.pop(outcome.path, None)
                self._done[outcome.path] = state
            yield self._recorded(outcome, manifest)
        self._is_recorded = True
        self._busy = time.monotonic()

    def _recorded(self, outcome: Outcome, manifest: Manifest) -> Outcome:
        """Record an outcome, also for the passes to come."""
        if record(outcome, manifest):
            manifest.history.add(outcome)
        return outcome

    def _is_due(self, file: Planned) -> bool:
        """Tell whether a file rests and is not what it was when it was done; what is rewritten comes as a sidecar."""
        folder = self._folder
        is_whole = folder.rests(file.path) and all(folder.rests(p) for p in file.others if p in folder.entries)
        state = (file, self._stamps(file))
        if file.action == "rewrite" or not is_whole or state == self._done.get(file.path):
            return False
        return state != self._waiting.get(file.path) or self._age(file) >= PATIENCE

    def _stamps(self, file: Planned) -> tuple[Stamp, ...]:
        return tuple(stamp_of(self._known[path]) for path in (file.path, *file.others) if path in self._known)

    def _age(self, file: Planned) -> float:
        """Return for how long the files of a texture have been as they are."""
        there = [path for path in (file.path, *file.others) if path in self._folder.entries]
        return min(map(self._folder.age, there), default=0.0)

    def _may_become_whole(self, file: Planned) -> bool:
        return file.action != "refuse" and self._age(file) < PATIENCE

    def _is_quiet(self) -> bool:
        return all(map(self._folder.rests, self._folder.entries))

    def _is_idle(self, until_idle: float | None, *, has_changed: bool) -> bool:
        """Tell whether nothing came for so many seconds, and nothing is still to be done."""
        now = time.monotonic()
        if has_changed or self._waiting or self._unlisted is not None or not self._is_quiet():
            self._busy = now
            return False
        return until_idle is not None and now - self._busy >= until_idle

    def _end(self, manifest: Manifest) -> None:
        """Say that every result has its record, where that is sure: an earlier run may have left some without."""
        is_all = self._is_quiet() and not (self._waiting or self.run.include or self.run.exclude)
        if self._is_recorded and (is_all or manifest.history.began is None):
            manifest.end()

    def _replanned(self, convention: Convention) -> Plan:
        """Return the plan of all files that one pack can have, and note why not the others."""
        entries = [entry for path, entry in self._known.items() if path not in self._misfits]
        with suppress(PackError):
            return self._plan_of(convention, entries)
        for path in self._known.keys() - self._folder.entries.keys():
            del self._known[path]  # what is gone must not hold up what came
        present = [entry for entry in entries if entry.path in self._known]
        old = [entry for entry in present if self._fit.get(entry.path) == stamp_of(entry)]
        new = [entry for entry in present if self._fit.get(entry.path) != stamp_of(entry)]
        return self._plan_of(convention, old + self._fitting(convention, old, new))

    def _fitting(self, convention: Convention, old: list[Entry], new: list[Entry]) -> list[Entry]:
        """Return those of the new files that a pack can have beside the old ones, found by halves; note the others."""
        try:
            self._plan_of(convention, old + new)
        except PackError as error:
            if len(new) == 1:
                self._misfits[new[0].path] = str(error)
            if len(new) <= 1:
                return []
        else:
            return new
        first = self._fitting(convention, old, new[: len(new) // 2])
        return first + self._fitting(convention, old + first, new[len(new) // 2 :])

    def _plan_of(self, convention: Convention, entries: Sequence[Entry]) -> Plan:
        run = self.run
        return plan_pack(self._pack_of(entries), convention, run.wishes, run.rules, folders_of(run.out))

    def _pack_of(self, entries: Sequence[Entry]) -> Pack:
        return open_pack(self.run.source, sorted(entries, key=_place), self.run.place or None)


def _keep_decoders() -> None:
    """Do nothing: the next pass needs them."""


def _place(entry: Entry) -> tuple[list[str], str]:
    """Return what sorts files as the walk does: those of a folder before those of its folders."""
    folder, _, name = entry.path.rpartition("/")
    return folder.split("/") if folder else [], name


def _stays(entry: Entry, history: History | None) -> bool:
    """Tell whether a file is a texture that has, or is part of, a result, which stays when the file goes."""
    last = history.latest.get(entry.path) if history is not None else None
    return entry.kind == "texture" and last is not None and last.outcome in ("upscaled", "copied", "joined")
