"""The engine of many machines: Ray starts workers on cards, or on a few cores each, and this hands out shards.

Only this file and ``cluster/joining.py`` know Ray. The process that runs it is the one writer of the manifest; workers
send one record for each file, and read and write pictures in folders that all machines share.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from texup.engines.cluster.crew import Crew, Member
from texup.engines.cluster.joining import LONGEST, import_ray, join, kind_of, own_signals
from texup.engines.cluster.shards import Shards
from texup.engines.cluster.worker import Folders, Load, Start, Trouble, Worker, folders_of
from texup.engines.engine import Job, Task
from texup.errors import LostDevice, OutputError, TexupError, UsageError
from texup.files import remove_leftovers, sha256_of
from texup.manifest.record import Outcome, Written

BACKLOG = 16  # messages of a worker that are not taken yet, before it waits
LOOK_EVERY = 5.0  # seconds between two looks at who is in the cluster
ALONE = 180.0  # seconds without any worker after which a run ends
TO_BEGIN = 120.0  # seconds for the workers that are there at first: to start Python, torch and the nets
TO_DIE = 0.5  # seconds that a killed worker may still write


class _Workers:
    """What stands for the device: all workers together."""

    def __init__(self, crew: Crew) -> None:
        self.crew, self.device = crew, "ray"

    def state(self) -> str:
        """Return how many workers there are, and on how many machines."""
        return self.crew.state()

    def batch_bytes(self) -> int:
        """Return 0: every worker has its own batches."""
        return 0

    def notes(self) -> list[str]:
        """Return nothing: what devices note stays with their workers."""
        return []


class RayEngine:
    """Runs jobs on the workers of a Ray cluster."""

    def __init__(self, address: str | None, load: Callable[[str], Load], device: str, *, mixed: bool = False) -> None:
        """Connect to a cluster.

        Args:
            address: HOST:PORT of its head; None for the one that this machine is in, or one of this machine alone.
            load: returns, for a kind of device, what makes the engine of a worker; both can be pickled.
            device: what was asked for, as "auto", "cpu" or "cuda".
            mixed: whether workers may have other versions than this process.

        Raises:
            UsageError: Ray is missing, or no cluster answers.
            DeviceError: the cluster has no such device.
            TexupError: the cluster was lost while it told what it has.
        """
        self._ray = import_ray()
        self._load = load
        with own_signals():
            join(self._ray, address)
        with _lost_cluster(self._ray):
            self._kind = kind_of(device, self._ray.cluster_resources(), address)
        self.crew = Crew(mixed=mixed)
        self.device = _Workers(self.crew)

    def run(
        self,
        jobs: Iterable[Job | Outcome],
        start: Callable[[Job], Task | Outcome],
        end: Callable[[], None] = lambda: None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of each job as it comes; see ``Engine``. ``start`` is a value that can be pickled.

        Raises:
            TexupError: no worker is left, or the cluster itself does not answer any more.
        """
        run = _Run(self._ray, self.crew, Shards(iter(jobs)), load=self._load(self._kind), start=start, kind=self._kind)
        try:
            with _lost_cluster(self._ray):
                yield from run.outcomes()
        finally:
            end()
            run.dismiss()


@contextmanager
def _lost_cluster(ray: Any) -> Iterator[None]:
    """Tell in one line what Ray itself cannot do; what workers die of is no error of the cluster."""
    try:
        yield
    except ray.exceptions.RayError as error:
        what = " ".join(str(error).split())[:LONGEST]
        raise TexupError(
            f"the Ray cluster fails: {what}; what is finished stays, and the same command goes on"
        ) from error


class _Run:
    """The state of one run."""

    def __init__(self, ray: Any, crew: Crew, shards: Shards, load: Load, start: Start, kind: str) -> None:
        self._ray, self._crew, self._shards = ray, crew, shards
        self._class = ray.remote(Worker)
        self._load, self._start, self._kind = load, start, kind
        self._held: dict[str, Outcome] = {}
        self._began = self._last_seen = time.monotonic()
        self._looked = -LOOK_EVERY
        self._has_died = False
        self._out: Any = None

    def outcomes(self) -> Iterator[Outcome]:
        """Hand out shards until every job has its outcome."""
        shards, crew = self._shards, self._crew
        shards.fill(1)
        yield from shards.settled()
        place = None
        while not shards.is_over:
            if place is None and (job := shards.next_job) is not None:
                place, self._out = folders_of(job), job.out
            if place is not None and time.monotonic() - self._looked > LOOK_EVERY:
                self._recruit(place)
            shards.fill(len(crew.seats))
            yield from shards.settled()
            if not crew.is_gathering or time.monotonic() - self._began > TO_BEGIN:
                self._hand_out()
            self._check_alone()
            for member in self._ready():
                yield from self._hear(member)
        if self._held or self._has_died:
            self.dismiss()
            time.sleep(TO_DIE)
            yield from map(self._as_it_lies, self._held.values())
            remove_leftovers(self._out)

    def dismiss(self) -> None:
        """End all workers, at once."""
        for member in self._crew.dismissed():
            with suppress(Exception):  # whatever Ray says: it may be gone before them
                self._ray.kill(member.actor, no_restart=True)

    def _recruit(self, place: Folders) -> None:
        """Start a worker on every free seat of the cluster."""
        self._looked = time.monotonic()
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        strategies: Any = importlib.import_module("ray.util.scheduling_strategies")
        for seat in self._crew.free_seats(nodes, self._kind):
            options = {"num_cpus": 0, "num_gpus": 1} if self._kind == "cuda" else {"num_cpus": seat.cores}
            where = strategies.NodeAffinitySchedulingStrategy(seat.node, soft=False)
            chosen = self._class.options(max_restarts=0, scheduling_strategy=where, **options)
            actor = chosen.remote(self._load, self._start, seat.cores, seat.of)
            self._crew.add(Member(seat, actor, actor.ready.remote(place)))

    def _hand_out(self) -> None:
        for member in self._crew.idle():
            self._crew.has_begun = True
            shard = self._shards.take(member.key, len(self._crew.seats))
            if shard is None:
                return
            backlog = 1 if shard.is_careful else BACKLOG
            streaming = {"num_returns": "streaming", "_generator_backpressure_num_objects": backlog}
            member.pending = member.actor.run.options(**streaming).remote(shard)
            member.shard = shard.number

    def _ready(self) -> list[Member]:
        """Return the members that have said something, after a moment where none has."""
        by_pending = {member.pending: member for member in self._crew.members if member.pending is not None}
        if not by_pending:
            time.sleep(0.1)
            return []
        pending = list(by_pending)
        found, _ = self._ray.wait(pending, num_returns=1, timeout=0.5, fetch_local=False)
        if found:
            found, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0, fetch_local=False)
        return [by_pending[one] for one in found]

    def _hear(self, member: Member) -> Iterator[Outcome]:
        """Take what a member says: that it is ready, some outcomes, trouble, the end of its shard, or that it died."""
        errors = self._ray.exceptions
        try:
            said = self._ray.get(next(member.pending) if member.has_shard else member.pending)
        except StopIteration:
            self._shards.ended(member.key)
            member.pending = member.shard = None
            return
        except errors.RayTaskError as error:
            raise getattr(error, "cause", None) or error from None
        except errors.RayError:
            yield from self._lose(member)
            return
        if isinstance(said, Trouble):
            self._trouble(member, said)
        elif not member.has_shard:
            self._crew.welcome(member, said)
        else:
            for outcome in said:
                yield from self._take(member, replace(outcome, node=member.seat.name, shard=member.shard))

    def _take(self, member: Member, outcome: Outcome) -> Iterator[Outcome]:
        if not self._shards.first(member.key, outcome.path, has_failed=outcome.outcome == "failed"):
            return
        self._crew.worked(member)
        if outcome.path in self._shards.twice:
            self._held[outcome.path] = outcome
        else:
            yield outcome

    def _lose(self, member: Member) -> Iterator[Outcome]:
        """Let go of a worker that died, or cannot be reached."""
        self._has_died = True
        with suppress(Exception):
            self._ray.kill(member.actor, no_restart=True)
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        if not (self._crew.has_begun or member.is_ready) and member.seat.node in alive:
            raise UsageError(f"{member.seat.name}: no worker starts there; install the same texup and Ray as here")
        self._crew.lose(member, is_blamed=member.seat.node in alive)
        for outcome in self._shards.lost(member.key, is_blamed=member.seat.node in alive):
            yield replace(outcome, node=member.seat.name)

    def _trouble(self, member: Member, trouble: Trouble) -> None:
        """End the run for what ails it all; a card that gave up, or a machine that comes late, is only left out."""
        is_late = self._crew.has_begun and not member.has_shard
        self._has_died = True
        self._shards.lost(member.key, is_blamed=False)
        self._crew.bar(member)
        with suppress(Exception):
            self._ray.kill(member.actor, no_restart=True)
        if not (is_late or trouble.kind is LostDevice) or not self._crew.has_hope:
            raise self._crew.error_of(member, trouble)

    def _check_alone(self) -> None:
        """Give up where there has been no worker for a while.

        Raises:
            TexupError: there has not.
        """
        now = time.monotonic()
        if any(member.is_ready for member in self._crew.members):
            self._last_seen = now
        if now - self._last_seen > ALONE:
            raise TexupError("no worker is left in the cluster; what is finished stays, and the same command goes on")

    def _as_it_lies(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a job that two workers did, with the files of the one that was the last to write."""
        targets = []
        for target in outcome.targets:
            path = self._out / target.path
            try:
                targets.append(Written(target.path, sha256_of(path), path.stat().st_size))
            except OSError as error:
                raise OutputError(f"{path}: cannot be read back: {error.strerror}") from error
        return replace(outcome, targets=targets)
