"""Names that end in a suffix for the texture's role, as ``wall_n.dds``."""

from __future__ import annotations

import re

from texup.conventions.convention import Name
from texup.policy.roles import Roles, split_role


def parse_with_role(path: str, grammar: re.Pattern[str], roles: Roles) -> Name | None:
    """Read a path whose bare name ``grammar`` cuts into ``stem`` and ``ext``; None where it does not fit."""
    found = grammar.fullmatch(path.rpartition("/")[2])
    if found is None:
        return None
    base, _ = split_role(found["stem"], roles)
    fields = {"base": base, "role": found["stem"][len(base) :], "ext": found["ext"]}
    return Name(path, {key: value for key, value in fields.items() if value})
