"""Texels: how many a pack has for the nets, how many go through them, and in how large batches.

Run: ``python tests/bench/bench_texels.py [PACK...] [--every N] [--grid N]`` (by default the four packs of
``../shared/data/packs``). No net runs: each texture is read and decided as ``texup upscale`` would do it with the
default models, and what it asks the nets for is counted; ``--grid 8`` for devices where planes share calls of a net.

=========  ===================================================================================================
column     meaning
=========  ===================================================================================================
textures   those that ask for nets; one of those whose pixels and decision are equal
texels in  of the planes that go through nets, without whatever is laid around them
computed   what the nets see: with margins, and with what is shared by neighbouring tiles
ratio      computed / texels in
wrap       share of the texels in whose plane goes on at all of its borders
shapes     of batches, by net and size
batch      mean planes in a batch, were there memory for ``BATCH`` texels and ``IN_FLIGHT`` textures on their way
=========  ===================================================================================================
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.engines.batching import Batcher, Order, sides_of
from texup.engines.devices.device import CPU_TILE
from texup.engines.engine import Request
from texup.engines.local import IN_FLIGHT
from texup.errors import TextureError
from texup.upscaling.coding import twin_key
from texup.upscaling.deciding import Decision, decide
from texup.upscaling.pixels import upscale_sheet
from texup.upscaling.reading import read
from texup.upscaling.run import Run, plan_of

PACKS = ("freedoom", "programmerart", "crawl_tiles", "librequake")
BATCH = 1 << 18  # texels


def decisions(run: Run, every: int) -> Iterator[Decision]:
    """Yield what is done with each texture of a pack that is read and decided about; equal ones once."""
    plan = plan_of(run)[0]
    seen = set()
    for planned in [planned for planned in plan.files if planned.action == "upscale"][::every]:
        try:
            decision = decide(read(planned, run.source, run.limits_for(planned)), planned, run, plan.convention)
        except TextureError:
            continue
        if isinstance(decision, Decision) and (key := twin_key(decision, plan.convention)) not in seen:
            seen.add(key)
            yield decision


def first_requests(decision: Decision) -> list[Request]:
    """Return what a texture asks for first: all that it asks for, by a chain of one net."""
    asked = []
    for work in decision.works:
        route = decision.route
        asked += next(upscale_sheet(work, decision.policy, route.passes, route.settings), [])
    return asked


def batches(orders: list[Order], most: int) -> Iterator[int]:
    """Yield the sizes of the batches in which an engine would take them."""
    batcher, waiting = Batcher(), 0
    for k, order in enumerate(orders):
        batcher.add(order)
        waiting += order.missing
        is_last = k + 1 == len(orders)
        while batch := batcher.take(most, partial=is_last or waiting > IN_FLIGHT):
            waiting -= len(batch)
            yield len(batch)


def main() -> None:
    arguments = sys.argv[1:]
    every, grid = (
        int(arguments.pop(arguments.index(name) + 1)) if name in arguments else 1 for name in ("--every", "--grid")
    )
    names = [Path(a) for a in arguments if a not in ("--every", "--grid")] or [
        Path("../shared/data/packs", pack) for pack in PACKS
    ]
    print(
        f"{'pack':15}{'textures':>9}{'texels in':>11}{'computed':>11}{'ratio':>7}{'wrap':>6}{'shapes':>8}{'batch':>7}"
    )
    for source in names:
        run = build_run(source, Path("/nonexistent"), Options())
        orders, count, inside, computed, wrapping, by_net = [], 0, 0, 0, 0, Counter()
        for decision in decisions(run, every):
            requests = first_requests(decision)
            count += bool(requests)
            if not requests:
                continue
            order = Order(None, requests, CPU_TILE, grid=grid)
            orders.append(order)
            for request in requests:
                own = math.prod(sides_of(request))
                inside += own
                wrapping += own * (decision.policy.edges == ("wrap", "wrap"))
            for piece in order.pieces():
                by_net[piece.model] += piece.plane.shape[0] * piece.plane.shape[1]
            computed = sum(by_net.values())
        shapes = len({(piece.model, piece.told, piece.plane.shape) for order in orders for piece in order.pieces()})
        sizes = list(batches(orders, BATCH))
        print(
            f"{source.name:15}{count:9}{inside:11}{computed:11}{computed / inside:7.2f}{wrapping / inside:6.2f}"
            f"{shapes:8}{sum(sizes) / len(sizes):7.1f}   by net {dict(by_net)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
