"""What graphics cards tell through torch: which are there, how much memory they have, which types they multiply.

NVIDIA's cards and, with a torch made for ROCm, AMD's are "cuda"; Intel's are "xpu"; those of Apple's chips "mps".
"""

from __future__ import annotations

import torch

from texup.engines.devices.memory import memory_budget

ROCM = torch.version.hip is not None


def accelerators() -> list[str]:
    """Return the cards of this machine as torch names them, the one to take first."""
    found = [f"cuda:{k}" for k in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    found += [f"xpu:{k}" for k in range(torch.xpu.device_count())] if torch.xpu.is_available() else []
    return found + (["mps"] if torch.backends.mps.is_available() else [])


def title(name: str) -> str:
    """Return the name of a device, with what "cuda" hides."""
    return f"{name} (ROCm)" if ROCM and name.startswith("cuda") else name


def memory_of(device: torch.device) -> tuple[int | None, int | None]:
    """Return the bytes of a device that are free and those that there are; None where more of them would not help."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    if device.type == "xpu":
        try:
            return torch.xpu.mem_get_info(device)
        except RuntimeError:  # some drivers tell only what there is
            total = int(torch.xpu.get_device_properties(device).total_memory)
            return total - torch.xpu.memory_reserved(device), total
    if device.type == "mps":  # it shares the main memory, of which other programs have their part
        total = torch.mps.recommended_max_memory()
        return max(0, min(total - torch.mps.driver_allocated_memory(), memory_budget())), total
    return None, None


def forget_unused(device: torch.device) -> None:
    """Give memory back to a device that torch keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
