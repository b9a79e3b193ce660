"""texup upscales game texture packs with ESRGAN-family networks.

::

    import texup
    summary = texup.upscale("./n64_textures", scale=4)

What it offers is imported when it is first used: ``import texup`` alone costs neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from texup.api.arrays import upscale_array
    from texup.api.model import Model, load_model
    from texup.api.packs import inspect, merge, upscale
    from texup.calls.inspection import Inspection
    from texup.calls.merging import Merged
    from texup.calls.summary import Summary
    from texup.errors import TexupError

__version__ = "0.3.0"
__all__ = [
    "Inspection",
    "Merged",
    "Model",
    "Summary",
    "TexupError",
    "inspect",
    "load_model",
    "merge",
    "upscale",
    "upscale_array",
]

_HOMES = {
    "Inspection": "texup.calls.inspection",
    "Merged": "texup.calls.merging",
    "Model": "texup.api.model",
    "Summary": "texup.calls.summary",
    "TexupError": "texup.errors",
    "inspect": "texup.api.packs",
    "load_model": "texup.api.model",
    "merge": "texup.api.packs",
    "upscale": "texup.api.packs",
    "upscale_array": "texup.api.arrays",
}


if not TYPE_CHECKING:  # or a type checker would take any name for one of texup's

    def __getattr__(name: str) -> Any:
        """Import one of the public names when it is asked for, and keep it."""
        if name not in _HOMES:
            raise AttributeError(f"module 'texup' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return the names of the module with those that were not imported yet."""
    return sorted({*globals(), *__all__})
