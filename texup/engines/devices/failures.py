"""What an error from a device means: memory that was short, a device that is gone, or a mistake of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from texup.errors import LostDevice

# Most of torch says so by a plain RuntimeError; only the allocator of CUDA has a class of its own.
SHORT = re.compile(
    "DefaultCPUAllocator: |std::bad_alloc|MPS backend out of memory|(CUDA|HIP) error: out of memory|STATUS_ALLOC_FAILED"
    "|UR_RESULT_ERROR_OUT_OF_(DEVICE|HOST)_MEMORY"  # of Intel's driver
)
LOST = re.compile(
    "CUDA|cuDNN|CUBLAS|CUSOLVER|HIP error|MIOpen|HIPBLAS|MPS backend|NVML|NVIDIA driver|XPU|UR_RESULT_ERROR"
)


def is_short_of_memory(error: BaseException) -> bool:
    """Tell whether less work at once may do."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and SHORT.search(str(error)) is not None


def is_lost(error: BaseException) -> bool:
    """Tell whether the device gave up."""
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and LOST.search(str(error)) is not None
    )


@contextmanager
def watch_device(device: torch.device) -> Iterator[None]:
    """Turn the errors of a device that gave up into one for the user; others pass as they are.

    Raises:
        LostDevice: no further work on the device will succeed.
    """
    try:
        yield
    except RuntimeError as error:
        if is_short_of_memory(error) or not is_lost(error):
            raise
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise LostDevice(
            f"device {device} stopped working ({reason});"
            " what is finished stays, and the same command goes on from there"
        ) from error
