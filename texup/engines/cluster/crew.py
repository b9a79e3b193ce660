"""The workers of a run: where they sit, what each is doing, and who is not asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from texup.engines.cluster.worker import Facts, Trouble, Versions, versions_here
from texup.errors import TexupError, UsageError

# Of a CPU worker, at most. What is not nets holds Python's lock: 8.6 ms a small texture, of 22 with texup-x4-fast, so
# one process did 95 textures a second where its nets cost nothing, two 160 on the same two cores.
CORES = 2
MEMORY = 6 << 30  # bytes of a CPU worker, at least, of what Ray knows: 2048 x 2048 takes 4 GB on its way to x4
DEATHS = 3  # of the workers of one seat, without any result between them, after which it stays empty


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for one worker: a card, or some cores of a machine."""

    node: str
    """Id of the machine in its cluster."""
    name: str
    """Of the machine, for people."""
    number: int
    """Of several seats of one machine."""
    of: int
    """How many seats the machine has."""
    cores: int
    """Its part of the machine's; 0 where the cluster knows of none."""


@dataclass(slots=True)
class Member:
    """A worker on its seat."""

    seat: Seat
    actor: Any
    pending: Any
    """What it will say next; None while it has nothing to do."""
    shard: int | None = None
    """Number of the shard that it has; None while it has none."""
    facts: Facts | None = None
    """What it says of itself; None until it is ready."""
    life: int = 0
    """Of several workers that had the seat one after the other."""

    @property
    def has_shard(self) -> bool:
        """Whether it is at work."""
        return self.shard is not None

    @property
    def is_ready(self) -> bool:
        """Whether it may be given work."""
        return self.facts is not None

    @property
    def key(self) -> str:
        """A name that no other worker of the run has."""
        return f"{self.seat.node}/{self.seat.number}/{self.life}"


class Crew:
    """All workers of a run."""

    def __init__(self, *, mixed: bool) -> None:
        """Take workers of other versions only if ``mixed``."""
        self.members: list[Member] = []
        self.seats: set[Seat] = set()
        """Those that the cluster has, but for barred ones."""
        self.has_begun = False
        """Whether the workers that were there at first are ready."""
        self._mixed, self._own = mixed, versions_here()
        self._barred: set[Seat] = set()
        self._deaths: Counter[Seat] = Counter()
        self._lives: Counter[Seat] = Counter()

    def free_seats(self, nodes: Sequence[Mapping[str, Any]], kind: str) -> list[Seat]:
        """Return the seats of living machines, as Ray describes them, that no worker has."""
        names = Counter(str(node["NodeManagerHostname"]) for node in nodes)
        seats = []
        for node in nodes:
            name, node_id, resources = str(node["NodeManagerHostname"]), str(node["NodeID"]), node["Resources"]
            shown = name if names[name] == 1 else f"{name}-{node_id[:6]}"
            cores = int(resources.get("CPU", 0))
            count = int(resources.get("GPU", 0)) if kind == "cuda" else _cpu_workers(cores, resources.get("memory"))
            parts = [cores * (k + 1) // count - cores * k // count for k in range(count)]
            seats += [Seat(node_id, shown, number, count, part) for number, part in enumerate(parts)]
        self.seats = {seat for seat in seats if seat not in self._barred}
        taken = {member.seat for member in self.members}
        return [seat for seat in seats if seat in self.seats and seat not in taken]

    def add(self, member: Member) -> None:
        """Take in a worker that is starting."""
        self._lives[member.seat] += 1
        member.life = self._lives[member.seat]
        self.members.append(member)

    @property
    def is_gathering(self) -> bool:
        """Whether workers that were there at first are still starting."""
        if not self.has_begun and self.members and all(member.is_ready for member in self.members):
            self.has_begun = True
        return not self.has_begun

    @property
    def has_hope(self) -> bool:
        """Whether there is a seat that is not barred."""
        return bool(self.seats)

    def idle(self) -> Iterator[Member]:
        """Yield the workers that are ready and have nothing to do."""
        return (member for member in list(self.members) if member.is_ready and member.pending is None)

    def welcome(self, member: Member, facts: Facts) -> None:
        """Take in what a worker says of itself.

        Raises:
            UsageError: it has other versions than this process.
        """
        other = _difference(self._own, facts.versions)
        if other and not self._mixed:
            if not self.has_begun:
                raise UsageError(f"{member.seat.name} has {other}; install the same there, or allow it with --mixed")
            self.bar(member)
            return
        member.facts, member.pending = facts, None

    def worked(self, member: Member) -> None:
        """Take in that a worker has done something."""
        self._deaths.pop(member.seat, None)

    def lose(self, member: Member, *, is_blamed: bool) -> None:
        """Let go of a worker that is gone; too many at one seat, and none gets it any more."""
        self._remove(member)
        self._deaths[member.seat] += is_blamed
        if self._deaths[member.seat] >= DEATHS:
            self._bar(member.seat)

    def bar(self, member: Member) -> None:
        """Let go of a worker, and leave its seat empty."""
        self._remove(member)
        self._bar(member.seat)

    def error_of(self, member: Member, trouble: Trouble) -> TexupError:
        """Return the error that ends a run for what ails a worker."""
        return trouble.kind(f"{member.seat.name}: {trouble.text}")

    def dismissed(self) -> Iterable[Member]:
        """Return all workers, for the last time."""
        members, self.members = self.members, []
        return members

    def state(self) -> str:
        """Return how many workers there are, and on how many machines."""
        ready = [member for member in self.members if member.is_ready]
        nodes = {member.seat.node for member in ready}
        return f"{len(ready)} worker{'s' * (len(ready) != 1)} on {len(nodes)} machine{'s' * (len(nodes) != 1)}"

    def _remove(self, member: Member) -> None:
        self.members = [other for other in self.members if other is not member]

    def _bar(self, seat: Seat) -> None:
        self._barred.add(seat)
        self.seats.discard(seat)


def _cpu_workers(cores: int, memory: float | None) -> int:
    """Return how many workers share the cores of a machine, and its memory in bytes, where that is known."""
    most = cores if memory is None else max(1, int(memory) // MEMORY)
    return min(-(-cores // CORES), most)


def _difference(own: Versions, other: Versions) -> str:
    """Return what is different, "" where nothing is."""
    pairs = [(name, getattr(own, name), getattr(other, name)) for name in own._fields]
    return ", ".join(f"{name} {there} instead of {here}" for name, here, there in pairs if here != there)
