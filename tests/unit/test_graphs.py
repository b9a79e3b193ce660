"""Graphs: which shapes get one, when, how many there are, and what a failure leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from texup.engines.devices.graphs import MOST, Graphs
from texup.engines.devices.queues import Streams

from ..cards import RecordedQueues, card
from .test_transfers import samples


class Captures(list):
    """Captures nets by wrapping them."""

    def __call__(self, net, like):
        self.append(tuple(like.shape))
        return lambda planes: ("replayed", net(planes))


def plain(planes):
    return tuple(planes.shape)


def use(graphs, *shape, key=0, net=plain):
    """Run a net on planes of a shape as the queue of nets does."""
    planes = torch.zeros(shape, dtype=torch.uint8)
    return graphs.repeated(key, net, planes)(planes)


def test_a_shape_is_captured_when_it_comes_the_third_time():
    captures = Captures()
    graphs = Graphs(captures, 1000)
    shape = (4, 8, 8, 3)
    assert [use(graphs, *shape) for _ in range(4)] == [shape, shape, ("replayed", shape), ("replayed", shape)]
    assert captures == [shape]
    assert use(graphs, *shape, key=1) == shape  # another net is another graph
    assert use(graphs, 2, 8, 8, 3) == (2, 8, 8, 3)


def test_large_batches_are_not_captured_nor_filled_up():
    captures = Captures()
    graphs = Graphs(captures, 256)
    for _ in range(4):
        use(graphs, 5, 8, 8, 3)
        use(graphs, 4, 8, 8, 3)
    assert captures == [(4, 8, 8, 3)]
    assert [graphs.count_for(count, 64) for count in (1, 2, 3, 4, 5, 7)] == [1, 2, 4, 4, 5, 7]
    graphs.is_off = True
    assert graphs.count_for(3, 64) == 3


def test_there_are_few_and_a_frequent_shape_takes_the_place_of_the_rarest():
    captures = Captures()
    graphs = Graphs(captures, 10**6)
    for side in range(1, MOST + 1):
        for _ in range(3 + (side != 7)):
            use(graphs, 1, side, 4, 3)
    for _ in range(5):
        assert use(graphs, 1, 99, 4, 3) == (1, 99, 4, 3)
    assert use(graphs, 1, 99, 4, 3)[0] == "replayed"  # six uses against three
    assert len(graphs.kept) == MOST
    assert use(graphs, 1, 7, 4, 3) == (1, 7, 4, 3)
    assert len(captures) == MOST + 1


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (RuntimeError("CUDA error: not permitted\nwhen capturing"), "CUDA error: not permitted"),
        (RuntimeError(""), "no reason given"),
        (torch.OutOfMemoryError("CUDA out of memory"), None),
    ],
)
def test_a_capture_that_fails_is_the_last_and_nets_go_on_without(error, problem):
    def refuse(net, like):
        raise error

    graphs = Graphs(refuse, 1000)
    assert [use(graphs, 2, 8, 8, 3) for _ in range(5)] == [(2, 8, 8, 3)] * 5
    assert graphs.is_off
    assert graphs.problem == problem


def test_small_batches_on_a_card_are_replayed_in_few_counts(tiny_model):
    queues = RecordedQueues()
    device = card([tiny_model], queues)
    batches = {count: [samples("u1", k) for k in range(count)] for count in (1, 2, 3, 4)}
    found = {count: [device.upscale(0, batch) for _ in range(3)] for count, batch in batches.items()}
    assert queues.captured == [(n, 12, 8, 3) for n in (1, 2, 4)]
    assert [shape[0] for shape in queues.replayed] == [1, 2, 4, 4, 4, 4]
    for count, runs in found.items():
        assert {len(results) for results in runs} == {count}
        for results in runs[1:]:
            for one, other in zip(results, runs[0], strict=True):
                assert one.plane.tobytes() == other.plane.tobytes()


def test_nets_of_others_are_never_captured(nearest_model):
    model = nearest_model(4)
    queues = RecordedQueues()
    device = card([replace(model, needs=replace(model.needs, guarded=True))], queues)
    for _ in range(5):
        device.upscale(0, [samples("u1")] * 3)
    assert queues.captured == []
    assert {copy.shape[0] for copy in queues.copies} == {3}


def test_a_card_tells_in_one_line_that_it_has_no_graphs(tiny_model):
    queues = RecordedQueues(refusal=RuntimeError("CUDA error: operation not permitted\nwhen capturing"))
    device = card([tiny_model], queues)
    for _ in range(5):
        (result,) = device.upscale(0, [samples("u1")])
        assert result.problem is None
    assert device.notes() == [
        "device cpu: nets run without CUDA graphs, a little slower, for one could not be captured (CUDA error:"
        " operation not permitted)"
    ]


def test_a_graph_reads_its_own_memory_and_gives_results_of_their_own(monkeypatch):
    asked, replays = [], []

    class Recording:
        def __init__(self, graph, pool, stream, capture_error_mode):
            asked.append((pool, stream, capture_error_mode))

        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    class Graph:
        def replay(self):
            replays.append(1)
            results.copy_(seen[0] * 2)

    seen = []
    results, finite = torch.zeros(2, 3), torch.ones(2, dtype=torch.bool)
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    streams = object.__new__(Streams)
    streams.pool, streams.streams = "pool", ["come", "net", "back"]
    replay = streams.graph(lambda planes: seen.append(planes) or (results, finite), torch.zeros(2, 3))
    assert asked == [("pool", "net", "thread_local")]
    (first, _), (second, told) = replay(torch.full((2, 3), 1.0)), replay(torch.full((2, 3), 5.0))
    assert first.unique().tolist() == [2]
    assert second.unique().tolist() == [10]
    assert told.tolist() == [True, True]
    assert len(replays) == 2
