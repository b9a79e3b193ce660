"""The scanlines of a PNG on their way in and out: inflated with all checks, filtered and deflated.

Two ways out. Fast is for a pack on this machine: each scanline is what differs from the one above or from its left
neighbour, whichever is less, and ISA-L deflates it. Small is for a pack that is shared: the best of all filters, and
zlib's last level. Both give the same pixels.

References:
    Portable Network Graphics (PNG) Specification, Third Edition, W3C 2025: sections 9 (filters), 10 (compression) and
    12.7 (filter selection: minimum sum of absolute differences).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnreadableTexture

try:
    from isal import isal_zlib as packer
except ImportError:  # no wheel for this system: the same calls, a fourth of the speed
    import zlib as packer  # type: ignore[no-redef]

Bytes = NDArray[np.uint8]
Scanlines = Callable[[Bytes, Bytes, int], Bytes]
"""From rows, the one above them, and the bytes of a pixel to filter types and filtered bytes."""
crc32 = packer.crc32

_FAST = 1  # of ISA-L's 0 to 3; 2 is 3 % slower for 1 % less, 3 takes 30 % longer for nothing
_SMALL = 9  # of zlib's 0 to 9; with 6 files are 2 % larger in a fourth of the time
_NONE, _SUB, _UP = range(3)  # types of filters, and after them Average and Paeth
_STRIP = 1 << 17  # bytes that are filtered at a time: what is made of them stays in the cache
_APART = 8  # first bytes of a stream that are deflated by themselves, 4 to 16
_WIDE = 1024  # bytes of a scanline from which the middle quarter tells which filter pays: files are 0.7 % larger so


class _Stream(Protocol):
    def compress(self, data: Any, /) -> bytes: ...

    def flush(self) -> bytes: ...


def inflate(data: bytes, size: int) -> bytes:
    """Return the ``size`` bytes of all scanlines.

    Raises:
        UnreadableTexture: there are fewer or more of them, or they are damaged.
    """
    stream = packer.decompressobj()
    try:
        lines: bytes = stream.decompress(data, size)
        if len(lines) < size:
            raise UnreadableTexture("its last scanlines are missing")
        if stream.decompress(stream.unconsumed_tail, 1):
            raise UnreadableTexture("it holds more scanlines than its header says")
    except packer.error as error:  # type: ignore[misc]  # the stubs of isal have an instance for the class
        raise UnreadableTexture("its compressed pixels make no sense") from error
    if not stream.eof:
        raise UnreadableTexture("the end of its compressed pixels is missing")
    return lines


def stored(lines: bytes) -> bytes:
    """Return scanlines as a stream of deflate that costs next to nothing to inflate again."""
    return zlib.compress(lines, 0)


def deflate(rows: Bytes, step: int, *, small: bool) -> bytes:
    """Filter and deflate scanlines.

    Args:
        rows: (H, bytes of a scanline).
        step: bytes from a pixel to the next; 0 for palettes and pixels of less than a byte, which filters only harm.
        small: take all the time it needs.
    """
    if not small:
        return _fast(rows, step, _less if step else _plain)
    plain = _deflated(rows, step, zlib.compressobj(_SMALL), _plain)
    if not step:
        return plain
    least = zlib.compressobj(_SMALL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    return min(_deflated(rows, step, least, _least), plain, key=len)


def _fast(rows: Bytes, step: int, scanlines: Scanlines) -> bytes:
    """Return scanlines deflated by ISA-L, the first bytes by themselves: 3 bytes more on average, in 2 % more time.

    Where a stream begins, ISA-L (on x86, up to 2.32.1 at least) hashes a part of the stream's own address instead of
    the bytes at the third place. So where in memory the stream lay decided whether later bytes find the first three
    places: one of some thousands of textures had other bytes in another run. At most 16 bytes that are flushed take
    another way, and what follows goes on from there.

    References:
        igzip/igzip_icf_body_h1_gr_bt.asm of https://github.com/intel/isa-l: in ``.write_first_byte``, ``tmp2`` is the
        register that still has the function's argument. igzip/igzip_icf_finish.asm is the way of the few.
    """
    stream = packer.compressobj(_FAST)
    strips = (scanlines(*strip, step).reshape(-1) for strip in _strips(rows))
    first = next(strips)
    begun = stream.compress(first[:_APART]) + stream.flush(packer.Z_SYNC_FLUSH)
    return b"".join((begun, stream.compress(first[_APART:]), *map(stream.compress, strips), stream.flush()))


def _deflated(rows: Bytes, step: int, stream: _Stream, scanlines: Scanlines) -> bytes:
    pieces = [stream.compress(scanlines(*strip, step)) for strip in _strips(rows)]
    return b"".join((*pieces, stream.flush()))


def _strips(rows: Bytes) -> Iterator[tuple[Bytes, Bytes]]:
    """Yield rows some at a time, and the one above them."""
    height, width = rows.shape
    count = max(1, _STRIP // width)
    for top in range(0, height, count):
        yield rows[top : top + count], rows[top - 1] if top else np.zeros(width, np.uint8)


def _plain(rows: Bytes, above: Bytes, step: int) -> Bytes:
    lines = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    lines[:, 0], lines[:, 1:] = _NONE, rows
    return lines


def _less(rows: Bytes, above: Bytes, step: int) -> Bytes:
    """Return scanlines of filter Up or Sub, whichever has the smaller sum of absolute differences."""
    lines = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    lines[:, 0], up = _UP, lines[:, 1:]
    np.subtract(rows[0], above, out=up[0])
    np.subtract(rows[1:], rows[:-1], out=up[1:])
    more = _sizes(up[:, (seen := _seen(rows.shape[1], step))])
    more -= _sizes(rows[:, seen] - rows[:, seen.start - step : seen.stop - step])  # -127 to 127: one sum, not two
    better = np.flatnonzero(more.sum(axis=1, dtype=np.int32) > 0)
    chosen = rows[better]
    lines[better, 0], lines[better, 1 : 1 + step] = _SUB, chosen[:, :step]
    lines[better, 1 + step :] = chosen[:, step:] - chosen[:, :-step]
    return lines


def _seen(width: int, step: int) -> slice:
    """Return the bytes of a scanline by which its filter is chosen; the first pixel has nothing to its left."""
    left, right = (3 * width // 8, 5 * width // 8) if width >= _WIDE else (step, width)
    return slice(left, right)


def _sizes(differences: Bytes) -> NDArray[np.int8]:
    """Return how far bytes, taken as signed, are from 0; 127 for -128, whose size a signed byte does not hold."""
    sizes = np.abs(differences.view(np.int8)).view(np.uint8)
    sizes -= sizes >> np.uint8(7)
    return sizes.view(np.int8)


def _least(rows: Bytes, above: Bytes, step: int) -> Bytes:
    """Return scanlines of the filters whose bytes, taken as signed, sum up to the least."""
    up = np.concatenate((above[None], rows[:-1]))
    left, corner = (np.pad(known, ((0, 0), (step, 0)))[:, :-step] for known in (rows, up))
    a, b, c = (known.astype(np.int16) for known in (left, up, corner))
    near_a, near_b, near_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    paeth = np.where((near_a <= near_b) & (near_a <= near_c), left, np.where(near_b <= near_c, up, corner))
    average = ((a + b) >> 1).astype(np.uint8)
    lines = np.stack((rows, rows - left, rows - up, rows - average, rows - paeth))  # in the order of the filter types
    best = _sizes(lines).sum(axis=2, dtype=np.int64).argmin(axis=0)
    return np.column_stack((best.astype(np.uint8), lines[best, np.arange(len(rows))]))
