"""Where a pack lies in an object store: ``s3://BUCKET/FOLDER``. No secret is ever part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from texup.errors import HoldsInput, PackError, UsageError
from texup.packs.walk import is_safe

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
"""By how a URL begins, the package that fsspec reaches that store by. In all of them an object is put whole."""
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@|[?#][^\s'\"]*")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A folder of an object store: all objects whose keys begin as its parts do."""

    protocol: str
    parts: tuple[str, ...]
    """The bucket, then folders."""

    def __str__(self) -> str:
        """Return it as users write it."""
        return f"{self.protocol}://{'/'.join(self.parts)}"


def is_url(text: str) -> bool:
    """Return whether a text is a URL of any kind; no path of a file is."""
    return _URL.fullmatch(text) is not None


def without_secrets(text: str) -> str:
    """Return a text of a user or a library without what may be a secret in its URLs: user:password@ and queries."""
    return _SECRET.sub("", text)


def read_url(text: str) -> StoreUrl:
    """Return the place that a URL means.

    Raises:
        UsageError: of a store that texup does not know, with a secret in it, or of no folder.
    """
    found, shown = _URL.fullmatch(text), without_secrets(text)
    protocol, rest = (found[1].lower(), found[2]) if found else ("", "")
    protocol = _ALIASES.get(protocol, protocol)
    if protocol not in PACKAGES:
        known = ", ".join(f"{name}://" for name in PACKAGES)
        raise UsageError(f"{shown}: texup reads and writes folders, and those of stores as {known}")
    if shown != text:
        raise UsageError(f"{shown}: no passwords and no ? or # in a URL; credentials come from the environment")
    parts = rest.rstrip("/")
    if not is_safe(parts):
        raise UsageError(f"{shown}: names no folder of a store; write {protocol}://BUCKET/FOLDER")
    return StoreUrl(protocol, tuple(parts.split("/")))


def check_apart(source: StoreUrl, out: StoreUrl) -> None:
    """Refuse an output that is the source, lies in it or contains it.

    Raises:
        PackError: they overlap; HoldsInput where the output contains the source.
    """
    if source.protocol != out.protocol:
        return
    if source.parts == out.parts[: len(source.parts)]:
        raise PackError(f"{out}: the output lies in the input {source}; choose a place outside it with --output")
    if out.parts == source.parts[: len(out.parts)]:
        raise HoldsInput(f"{out}: the output contains the input {source}; choose a place beside it with --output")
