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


class Names:
    """The paths of a pack that were met so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self.folders: dict[str, str] = {}
        """By what two of one name have in common."""
        self._files: dict[str, str] = {}

    def clash(self, path: str) -> str | None:
        """Take in a path, of a folder where it ends in a slash, and those above it; return an earlier one of one name.

        One name is also what differs in case only, and a file of the name of a folder.
        """
        above, _, file = path.rpartition("/")
        new = []
        while above and self.folders.get(folded(above)) != above:  # those above a known folder are known
            new.append(above)
            above = above.rpartition("/")[0]
        for folder in reversed(new):
            first = self._files.get(folded(folder)) or self.folders.setdefault(folded(folder), folder) + "/"
            if first != folder + "/":
                return first
        if file:
            key = folded(path)
            first = f"{self.folders[key]}/" if key in self.folders else self._files.get(key, "")
            if first:
                return first
            self._files[key] = path
        return None
