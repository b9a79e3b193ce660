"""Who does what: shards of about equal work for each worker, taken back when it is lost, and given twice at the end.

A job may be begun by several workers, and may end several times: what decides its files is its source and the settings,
and a file is written whole or not at all. Only the first result of each job counts here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from texup.engines.cluster.gathering import Gathering
from texup.engines.engine import IN_FLIGHT, Job
from texup.manifest.record import Outcome

SECONDS = 120.0  # that a shard shall take: long against its start, short against a run, and little is lost with it
FIRST_WORK = 1 << 20  # texels of a worker's first shard, which shows how fast it is
LAST_SHARE = 2  # shards for each worker that the rest is cut into, again and again, so that all end at about one time
LEAST_WORK = 1 << 14  # texels: a smaller shard costs more than it evens out
CAREFUL = 16  # files that are done one at a time by one worker, when one of them may end it
SLOW = 10.0  # seconds that a shard has left, by its speed so far, from which on a second worker takes a part of it
KILLER = "it ended the process that worked on it, twice; look at the file, or leave it out with --exclude"


@dataclass(frozen=True, slots=True)
class Shard:
    """Jobs for one worker."""

    number: int
    """Of all that were given, from 1."""
    jobs: tuple[Job, ...]
    is_careful: bool = False
    """Whether they are done one at a time, so that a job which ends its worker is known."""


@dataclass(slots=True)
class _Given:
    """A shard that a worker has."""

    shard: Shard
    left: dict[str, Job]
    began: float
    work: int
    done: int = 0
    """Work of its jobs that came back."""


class Shards:
    """The jobs of a run: what waits, who has what, and what is done. Workers are any names."""

    def __init__(self, jobs: Iterator[Job | Outcome], clock: Callable[[], float] = time.monotonic) -> None:
        """Share out ``jobs``, which are taken from there as they are needed."""
        self._waiting, self._clock = Gathering(jobs), clock
        self._given: dict[str, _Given] = {}
        self._careful: list[Job] = []
        self._count = 0
        self._deaths: Counter[str] = Counter()
        self._open: set[str] = set()  # given to somebody, and without a result
        self._rates: dict[str, float] = {}
        self.twice: set[str] = set()
        """Paths of jobs that two workers may have written."""

    def settled(self) -> list[Outcome]:
        """Return what came out of the plan as an outcome, once."""
        found, self._waiting.settled = self._waiting.settled, []
        return found

    def fill(self, workers: int) -> None:
        """Take jobs from the plan, if there are few for so many workers."""
        most = max([FIRST_WORK, *(int(rate * SECONDS) for rate in self._rates.values())])
        self._waiting.fill(LAST_SHARE * most * max(1, workers))

    @property
    def next_job(self) -> Job | None:
        """The job that comes next, None where none waits."""
        groups = self._waiting.groups
        return groups[-1].jobs[0] if groups else None

    @property
    def is_over(self) -> bool:
        """Whether every job has its result."""
        waiting = self._waiting
        return not (waiting.has_more or waiting.groups or waiting.settled or self._careful or self._open)

    def take(self, worker: str, workers: int) -> Shard | None:
        """Return the next shard for a worker that has none, None where there is nothing for it now."""
        if self._careful:
            jobs, self._careful = self._careful[:CAREFUL], self._careful[CAREFUL:]
            return self._give(worker, jobs, is_careful=True)
        if self._waiting.groups:
            return self._give(worker, self._waiting.take(self._size_for(worker, workers)))
        if self._waiting.has_more:
            return None
        return self._part_of_slowest(worker)

    def first(self, worker: str, path: str, *, has_failed: bool = False) -> bool:
        """Take in that a worker has done a job, and return whether this is its first result.

        A failure is none as long as another worker has the job too: that one may have written its files already, as
        where the pack is pulled away between the two, and files without a record would be taken for the user's own.
        """
        given = self._given.get(worker)
        if given is not None and given.left.pop(path, None) is not None:
            given.done += self._waiting.weights[path]
            self._rates[worker] = given.done / max(1e-3, self._clock() - given.began)
        if has_failed and any(path in other.left for name, other in self._given.items() if name != worker):
            return False
        is_first = path in self._open
        self._open.discard(path)
        return is_first

    def ended(self, worker: str) -> None:
        """Take in that a worker came to the end of its shard; jobs without a result go back."""
        given = self._given.pop(worker, None)
        if given is not None:
            self._waiting.give_back(self._unowned(given.left.values()))

    def lost(self, worker: str, *, is_blamed: bool) -> list[Outcome]:
        """Take back what a lost worker had not done; return what is given up.

        Args:
            worker: that is gone.
            is_blamed: whether a job may have ended it; else its machine went, or its device.
        """
        given = self._given.pop(worker, None)
        if given is None:
            return []
        reach = len(given.shard.jobs) - len(given.left) + (1 if given.shard.is_careful else IN_FLIGHT)
        begun = {job.path for job in given.shard.jobs[:reach]} if is_blamed else set()
        left = self._unowned(given.left.values())
        self._deaths.update(job.path for job in left if job.path in begun)
        suspects = begun if given.shard.is_careful else set()
        failed = [job.path for job in left if job.path in suspects and self._deaths[job.path] > 1]
        self._open.difference_update(failed)
        rest = [job for job in left if job.path in self._open]
        self._careful += [job for job in rest if self._deaths[job.path]]
        self._waiting.give_back([job for job in rest if not self._deaths[job.path]])
        return [Outcome(path=path, outcome="failed", reason=KILLER, given_up=True) for path in failed]

    def _unowned(self, jobs: Iterable[Job]) -> list[Job]:
        """Return those of some jobs that have no result, and that no other worker has."""
        others = {path for given in self._given.values() for path in given.left}
        return [job for job in jobs if job.path in self._open and job.path not in others]

    def _give(self, worker: str, jobs: list[Job], *, is_careful: bool = False) -> Shard:
        self._count += 1
        shard, left = Shard(self._count, tuple(jobs), is_careful), {job.path: job for job in jobs}
        work = sum(self._waiting.weights[path] for path in left)
        self._given[worker] = _Given(shard, left, self._clock(), work)
        self._open.update(left)
        return shard

    def _size_for(self, worker: str, workers: int) -> int:
        """Return how much work a worker gets: what takes it ``SECONDS``, or a share of the rest where that is less."""
        rate = self._rates.get(worker)
        size = FIRST_WORK if rate is None else int(rate * SECONDS)
        if not self._waiting.has_more:
            size = min(size, self._waiting.work // (LAST_SHARE * max(1, workers)))
        return max(size, LEAST_WORK)

    def _part_of_slowest(self, worker: str) -> Shard | None:
        """Give a second worker the later half of what the slowest one still has."""
        now = self._clock()
        shards = {name: given for name, given in self._given.items() if given.left and name != worker}
        slow = {name: self._rest_of(given, now) for name, given in shards.items()}
        for name in sorted(slow, key=lambda name: slow[name], reverse=True):
            jobs = [job for path, job in shards[name].left.items() if path in self._open and path not in self.twice]
            if slow[name] < SLOW:
                return None
            if jobs and not shards[name].shard.is_careful:
                part = jobs[len(jobs) // 2 :]
                self.twice.update(job.path for job in part)
                return self._give(worker, part)
        return None

    @staticmethod
    def _rest_of(given: _Given, now: float) -> float:
        """Return the seconds that a shard will still take, by what it took so far."""
        gone = now - given.began
        return gone * (given.work - given.done) / given.done if given.done else 2 * gone
