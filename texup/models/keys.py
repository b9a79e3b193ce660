"""Names of layers: every dialect <-> the canonical keys, which are BasicSR's where BasicSR has the net.

A rule pairs a layer's name in a dialect with its canonical name; ``{n}`` stands for a number. The last part of a key
(weight, bias, running_mean) is the same everywhere.

References:
    esrgan-2018 <-> esrgan-2019: ESRGAN, ``transer_RRDB_models.py``; basicsr: BasicSR, ``basicsr/archs/rrdbnet_arch.py``
    and ``srresnet_arch.py``; mmsr: ``codes/models/archs/SRResNet_arch.py``; srgan-pytorch: Lornatang, ``model.py`` in
    its forms of 2022 and 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from texup import bounds
from texup.errors import UsageError, WeightsError
from texup.models.weights import StateDict

Rules = Sequence[tuple[str, str]]

CANONICAL = "basicsr"
RRDBNET_DIALECTS = (CANONICAL, "esrgan-2018", "esrgan-2019")

ESRGAN_2019: Rules = (
    ("conv_first", "conv_first"),
    ("RRDB_trunk.{n}.RDB{r}.conv{c}", "body.{n}.rdb{r}.conv{c}"),
    ("RRDB_trunk.{n}.RDB{r}.conv1x1", "body.{n}.rdb{r}.conv1x1"),  # of ESRGAN+
    ("trunk_conv", "conv_body"),
    ("upconv{k}", "conv_up{k}"),
    ("HRconv", "conv_hr"),
    ("conv_last", "conv_last"),
)
MMSR: Rules = (("recon_trunk.{n}.conv{c}", "body.{n}.conv{c}"), ("HRconv", "conv_hr"))
SRGAN_PYTORCH: Rules = (
    *(("conv_block1.0", "conv_first"), ("conv1.0", "conv_first")),
    *(("conv_block1.1", "act_first"), ("conv1.1", "act_first")),
    *((f"trunk.{{n}}.rcb.{i}", f"body.{{n}}.{name}") for i, name in enumerate(("conv1", "bn1", "act", "conv2", "bn2"))),
    *(("conv_block2.0", "conv_body"), ("conv2.0", "conv_body")),
    *(("conv_block2.1", "bn_body"), ("conv2.1", "bn_body")),
    ("upsampling.{n}.upsample_block.0", "up.{n}.conv"),
    ("upsampling.{n}.upsample_block.2", "up.{n}.act"),
    *(("conv_block3", "conv_last"), ("conv3", "conv_last")),
)
MARKERS = (
    ("RRDB_trunk.", "esrgan-2019", ESRGAN_2019),
    ("recon_trunk.", "mmsr", MMSR),
    ("trunk.0.rcb.", "srgan-pytorch", SRGAN_PYTORCH),
)


def esrgan_2018(num_block: int, doublings: int) -> Rules:
    """Return the rules of the first ESRGAN, whose layers are numbered as they stand in one nn.Sequential.

    conv, trunk, then (nearest, conv, LeakyReLU) for each doubling, conv, LeakyReLU, conv.
    """
    return (
        ("model.0", "conv_first"),
        ("model.1.sub.{n}.RDB{r}.conv{c}.0", "body.{n}.rdb{r}.conv{c}"),
        ("model.1.sub.{n}.RDB{r}.conv1x1", "body.{n}.rdb{r}.conv1x1"),  # of ESRGAN+
        (f"model.1.sub.{num_block}", "conv_body"),
        *((f"model.{3 * k}", f"conv_up{k}") for k in range(1, doublings + 1)),
        (f"model.{3 * doublings + 2}", "conv_hr"),
        (f"model.{3 * doublings + 4}", "conv_last"),
    )


def to_canonical(state: StateDict) -> tuple[StateDict, str]:
    """Return ``state`` under canonical keys and the name of its dialect; unknown keys stay as they are.

    Raises:
        WeightsError: two keys name the same layer.
    """
    dialect, rules = _recognise(state)
    renamed = {_rename(key, rules): value for key, value in state.items()}
    if len(renamed) != len(state):
        raise WeightsError(f"two of its {dialect} keys name the same layer")
    return renamed, dialect


def from_canonical(state: StateDict, dialect: str) -> StateDict:
    """Return a canonical ``state`` under the keys of one of ``RRDBNET_DIALECTS``.

    Raises:
        UsageError: no such dialect, or the net is no RRDBNet, the only one that has these dialects.
    """
    if dialect == CANONICAL:
        return dict(state)
    if dialect == "esrgan-2018":
        num_block = highest(r"body\.(\d+)\.rdb", state, otherwise=-1) + 1
        rules = esrgan_2018(num_block, highest(r"conv_up(\d+)\.", state, otherwise=0))
    elif dialect == "esrgan-2019":
        rules = ESRGAN_2019
    else:
        raise UsageError(f"no dialect {dialect}; there are {', '.join(RRDBNET_DIALECTS)}")
    inverse = [(ours, theirs) for theirs, ours in rules]
    if not all(any(_pattern(ours).fullmatch(_layer(key)) for ours, _ in inverse) for key in state):
        raise UsageError(f"{dialect} has names for the layers of RRDBNet only; use {CANONICAL}")
    return {_rename(key, inverse): value for key, value in state.items()}


def highest(pattern: str, keys: Iterable[str], *, otherwise: int) -> int:
    """Return the highest number that the group of ``pattern`` finds at the start of a key."""
    found = (re.match(pattern, key, re.ASCII) for key in keys)
    return max((int(match[1]) for match in found if match), default=otherwise)


def _recognise(state: StateDict) -> tuple[str, Rules]:
    """Return the dialect and its rules from the layers that no other dialect has."""
    num_block = highest(r"model\.1\.sub\.(\d+)\.RDB", state, otherwise=-1) + 1
    if num_block:
        doublings = (highest(r"model\.(\d+)\.", state, otherwise=0) - 4) // 3
        # Bounded here, since a hostile number would make a rule for every doubling below it.
        return "esrgan-2018", esrgan_2018(num_block, min(max(doublings, 0), bounds.WEIGHTS_DOUBLINGS))
    for marker, dialect, rules in MARKERS:
        if any(key.startswith(marker) for key in state):
            return dialect, rules
    return CANONICAL, ()


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(template)), re.ASCII)


def _rename(key: str, rules: Iterable[tuple[str, str]]) -> str:
    layer, _, leaf = key.rpartition(".")
    for source, target in rules:
        if match := _pattern(source).fullmatch(layer):
            return f"{target.format(**match.groupdict())}.{leaf}"
    return key
