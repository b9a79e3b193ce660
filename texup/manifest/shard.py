"""What the manifest of a shard says besides: which part of a pack its output holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from texup import bounds

_PLAN = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts that a pack was cut into."""

    number: int
    """From 1."""
    of: int
    """How many parts there are."""
    files: int
    """How many paths have a record in it when it is whole."""
    plan: str
    """64 hexadecimal digits, equal for all parts that were cut out of one pack with one plan."""

    def __str__(self) -> str:
        """Return it as the command line takes it."""
        return f"{self.number}/{self.of}"


def shard_from(value: Any) -> Shard | None:
    """Return the shard that a parsed line says it begins; None where it names none, or one that makes no sense."""
    names = set(Shard.__dataclass_fields__)
    if not isinstance(value, dict) or value.keys() != names:
        return None
    shard = Shard(**value)
    if any(type(number) is not int for number in (shard.number, shard.of, shard.files)):
        return None
    is_plan = isinstance(shard.plan, str) and _PLAN.fullmatch(shard.plan) is not None
    is_part = 1 <= shard.number <= shard.of <= bounds.MANIFEST_SHARDS and shard.files >= 0
    return shard if is_plan and is_part else None
