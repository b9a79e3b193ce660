"""The workers of a cluster: where they sit, and what of its machine each has."""

from __future__ import annotations

import pytest

from texup.engines.cluster.crew import CORES, MEMORY, Crew
from texup.engines.cluster.joining import kind_of
from texup.errors import DeviceError


def node(name, **resources):
    return {"NodeID": f"{name}-id", "NodeManagerHostname": name, "Resources": resources}


@pytest.mark.parametrize(
    ("kind", "resources", "parts"),
    [
        ("cpu", {"CPU": 1.0}, [1]),
        ("cpu", {"CPU": float(CORES)}, [CORES]),
        ("cpu", {"CPU": CORES * 2 + 1.0}, [1, 2, 2]),
        ("cpu", {"CPU": CORES * 8.0, "GPU": 1.0}, [CORES] * 8),
        ("cpu", {"CPU": CORES * 8.0, "memory": MEMORY * 2.5}, [CORES * 4] * 2),
        ("cpu", {"CPU": CORES * 8.0, "memory": 1.0}, [CORES * 8]),
        ("cpu", {}, []),
        ("cuda", {"CPU": 9.0, "GPU": 2.0}, [4, 5]),
        ("cuda", {"GPU": 2.0}, [0, 0]),
        ("cuda", {"CPU": 9.0}, []),
    ],
)
def test_the_seats_of_a_machine_share_its_cores(kind, resources, parts):
    seats = Crew(mixed=False).free_seats([node("a", **resources)], kind)
    assert [seat.cores for seat in seats] == parts
    assert [(seat.number, seat.of) for seat in seats] == [(k, len(parts)) for k in range(len(parts))]


@pytest.mark.parametrize(
    ("device", "cards", "kind"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda"),
        ("cuda:1", 1, "cuda"),
        ("cuda:0,cuda:1", 1, "cuda"),
        ("all", 2, "cuda"),
    ],
)
def test_what_workers_run_on_is_what_was_asked_for_and_is_there(device, cards, kind):
    assert kind_of(device, {"CPU": 8.0, "GPU": float(cards)} if cards else {"CPU": 8.0}, None) == kind


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "all"])
def test_a_cluster_without_cards_is_refused_by_its_address(device):
    with pytest.raises(DeviceError, match="the cluster at head:1 has no GPUs; use --device cpu"):
        kind_of(device, {"CPU": 8.0}, "head:1")
