"""Jobs that wait to be given to a worker, with those of equal files together: a worker does equal pictures once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from texup.engines.engine import Job
from texup.errors import TextureError
from texup.files import sha256_of
from texup.manifest.record import Outcome
from texup.textures.codecs.files import read_header

EACH = 1024  # texels that the opening and closing of a file are worth
HEAD = 1 << 16  # bytes that tell a picture's size; a JPEG may have more metadata before them
AT_ONCE = 64  # jobs that are taken in one go: their files are looked at, and results have to be recorded meanwhile


@dataclass(slots=True)
class Group:
    """Jobs of equal files, for one worker."""

    jobs: list[Job]
    work: int
    """Predicted texels: those of the first, for the others are copied, and ``EACH`` for every file."""
    is_waiting: bool = True


@dataclass(slots=True)
class _Alike:
    """Groups of files of one size, which may be equal."""

    first: Group
    by_hash: dict[str, Group] = field(default_factory=dict)

    def know_first(self) -> None:
        """Read the first file, once there is a second of its size."""
        if not self.by_hash:
            job = self.first.jobs[0]
            self.by_hash[sha256_of(job.source / job.path)] = self.first


class Gathering:
    """Takes jobs from the plan a few at a time, and gives them out in groups."""

    def __init__(self, jobs: Iterator[Job | Outcome]) -> None:
        """Gather ``jobs``; what is an outcome already only passes through."""
        self._jobs = jobs
        self._alike: dict[int, _Alike] = {}
        self.weights: dict[str, int] = {}
        """Predicted work of every job that was taken, by its path."""
        self.groups: list[Group] = []
        """Those that wait, the next one last."""
        self.work = 0
        """Of all that wait."""
        self.has_more = True
        """Whether the plan may have more jobs."""
        self.settled: list[Outcome] = []
        """What came out of the plan as an outcome; whoever takes it empties it."""
        self._fresh: list[Group] = []

    def fill(self, work: int) -> None:
        """Take some jobs of the plan, if less than so much work waits."""
        for _ in range(AT_ONCE):
            if not self.has_more or self.work >= work:
                break
            item = next(self._jobs, None)
            if item is None:
                self.has_more = False
            elif isinstance(item, Outcome):
                self.settled.append(item)
            else:
                self._add(item)
        if self._fresh:
            self.groups = [*reversed(self._fresh), *self.groups]
            self._fresh = []

    def take(self, work: int) -> list[Job]:
        """Give out about so much work, one group at least where any waits."""
        jobs: list[Job] = []
        taken = 0
        while self.groups and (not jobs or taken + self.groups[-1].work <= work):
            group = self.groups.pop()
            group.is_waiting = False
            taken += group.work
            jobs += group.jobs
        self.work -= taken
        return jobs

    def give_back(self, jobs: list[Job]) -> None:
        """Let jobs wait again, before all others."""
        groups = [Group([job], self.weights[job.path]) for job in jobs]
        self.work += sum(group.work for group in groups)
        self.groups += reversed(groups)

    def _add(self, job: Job) -> None:
        twin = self._twin(job)
        if twin is not None:
            self.weights[job.path] = EACH
            twin.jobs.append(job)
            twin.work += EACH
            self.work += EACH

    def _twin(self, job: Job) -> Group | None:
        """Return the group of equal files that waits; else make one. Only files of equal size are read."""
        own = Group([job], weight_of(job))
        try:
            alike = self._alike.setdefault((job.source / job.path).stat().st_size, _Alike(own))
            if alike.first is not own:
                alike.know_first()
                twin = alike.by_hash.setdefault(sha256_of(job.source / job.path), own)
                if twin is not own and twin.is_waiting:
                    return twin
        except OSError:
            pass  # whoever does it will say so
        self.weights[job.path] = own.work
        self.work += own.work
        self._fresh.append(own)
        return None


def weight_of(job: Job) -> int:
    """Return the work of a job in texels, by the head of its file; what cannot be read fails quickly."""
    try:
        with (job.source / job.path).open("rb") as file:
            head = read_header(file.read(HEAD), job.path.rpartition("/")[2])
    except (OSError, TextureError):
        return EACH
    return EACH + head.width * head.height
