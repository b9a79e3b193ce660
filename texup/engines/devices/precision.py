"""In which types nets run: what devices multiply, what was asked for, and which nets may be rounded unasked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from texup.models.model import UpscaleModel
from texup.nets.centred import TYPICAL, CentredStack
from texup.nets.kpn import KernelPrediction
from texup.nets.srvgg import SRVGGNetCompact

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_HALVES: dict[Literal["fp16", "bf16"], torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


def pick_precision(name: str, device: torch.device) -> str:
    """Return "fp16", "bf16" or "fp32"; "auto" is fp16 on CUDA, and elsewhere what the device multiplies well.

    On CPUs that is what nets may get that were measured in it; see ``precision_for``.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "fp16"
    if device.type == "cpu":
        return "bf16" if multiplies_bfloat16(device) else "fp32"
    return half_of(device) if device.type in ("xpu", "mps") else "fp32"


def precision_for(model: UpscaleModel, name: str, device: torch.device) -> str:
    """Return the type that a net runs in where ``name`` was asked for: fp32 where it does not take what that means.

    On a CPU "auto" rounds only the nets whose results were measured to stay within a level.
    """
    picked = pick_precision(name, device)
    if name == "auto" and device.type == "cpu" and not model.fine_in_bfloat16:
        return "fp32"
    takes = {"fp16": model.needs.half, "bf16": model.needs.bfloat16}
    return picked if takes.get(picked, True) else "fp32"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether ``device`` multiplies bfloat16 faster than float32: training is three times slower without.

    CPUs with amx_bf16 do, and those of AMD with avx512_bf16. Intel's have AMX for it: where a virtual machine hides
    that, the nets of texup take 1.7 times as long in bfloat16 by avx512_bf16, and training 1.5 times. A torch that
    cannot tell counts as without.
    """
    if device.type == "cpu":
        found: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        is_intel = str(found.get("cpu_name", "")).startswith("Intel")
        return bool(found.get("amx_bf16") or (found.get("avx512_bf16") and not is_intel))
    return device.type == "cuda"


def half_of(device: torch.device) -> Literal["fp16", "bf16", "fp32"]:
    """Return the type of 16 bits in which a card convolves, found by trying; "fp32" for none."""
    for name, dtype in _HALVES.items():
        try:
            ones = torch.ones(1, 1, 4, 4, device=device, dtype=dtype)
            if torch.nn.functional.conv2d(ones, ones[..., :3, :3]).float().sum().item() == 4 * 9:
                return name
        except (RuntimeError, TypeError):  # torch has no such kernel for it, or it has no such type
            continue
    return "fp32"


def centre(net: nn.Module) -> bool:
    """Let the convolutions of a net on the CPU run in bfloat16 where that can be done well; tell whether it can.

    The net then takes and gives float32.
    """
    if isinstance(net, SRVGGNetCompact):
        net.body = CentredStack(net.body, [TYPICAL] * net.num_in_ch)
    elif isinstance(net, KernelPrediction):
        net.hidden = CentredStack(net.hidden, [TYPICAL - 0.5] * 3 + [0.5])  # of an opaque picture
    else:
        return False
    return True
