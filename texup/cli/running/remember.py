"""The rule that keeps what a run was asked for: without it the next plain run of the pack would undo it."""

from __future__ import annotations

import json
from pathlib import Path

from texup import bounds
from texup.calls.options import Options
from texup.errors import UsageError
from texup.files import atomic_write
from texup.models.catalog import load_catalog
from texup.policy.rules import RULES_NAME, load_rules


def rule_of(options: Options) -> str | None:
    """Return a rule for ``texup.toml`` that says of some files what the options say; None where none can.

    A rule is about chosen files, and one in a pack names no file of weights outside it.
    """
    if not options.include or options.exclude or any(name not in load_catalog().models for name in options.models):
        return None
    vertical, horizontal = options.edges
    values: dict[str, object] = {
        "model": list(options.models) or None,
        "blend": options.blend,
        "scale": options.scale,
        "method": options.method,
        "treat_alpha_as": options.alpha,
        "edges": "auto" if options.edges == ("auto", "auto") else f"{horizontal},{vertical}",
        "grain": options.grain,
        "key": "".join(f"{part:02X}" for part in options.key) if isinstance(options.key, tuple) else options.key,
    }
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
        if value not in (None, "auto")
    ]
    match = f"match = {json.dumps(list(options.include), ensure_ascii=False)}"
    return "\n".join(["[[rule]]", match, *lines]) + "\n" if lines else None


def remember(pack: Path, rule: str) -> Path:
    """Put a rule before those of a pack, so that it decides, and return the file.

    Raises:
        UsageError: the pack's rules make no sense as they are, or would not with one more; nothing is written.
        OutputError: the file cannot be written.
    """
    path = pack / RULES_NAME
    if path.is_symlink():
        raise UsageError(f"{path}: a link; add the rule by hand")
    before = b""
    if path.exists():
        load_rules(path)
        before = b"\n" + path.read_bytes()
    text = rule.encode() + before
    if len(text) > bounds.RULES_BYTES:
        raise UsageError(f"{path}: no room for one more rule; take some out")
    atomic_write(path, text)
    return path
