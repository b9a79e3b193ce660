"""Names that every system can hold: what Windows refuses, and what Windows and macOS take for one name."""

from __future__ import annotations

import re
import unicodedata

# References: learn.microsoft.com, "Naming Files, Paths, and Namespaces".
FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL)


def windows_problem(path: str) -> str | None:
    """Return why Windows cannot hold a relative POSIX path, as one clause; None when it can."""
    for part in path.split("/"):
        found = FORBIDDEN.search(part)
        if found:
            return f"{found[0]!r} cannot stand in a name on Windows"
        if part.endswith((" ", ".")):
            return "a name on Windows cannot end in a blank or a dot"
        if DEVICE.fullmatch(part):
            return f"'{part}' is the name of a device on Windows"
    return None


def folded(path: str) -> str:
    """Return a path so that two which Windows or macOS take for one become equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
