"""What a run does now and then: look whether it still goes well, measure, and bring its folder up to date."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from texup.errors import TexupError, UsageError
from texup.files import remove_leftovers
from texup.locks import output_lock
from texup.models.weights import save_weights
from texup.training.config import Recipe, plain
from texup.training.run.checkpoint import has_checkpoint, save_checkpoint
from texup.training.run.records import (
    open_scalars,
    write_card,
    write_frame,
    write_log,
    write_samples,
    write_scalars,
)
from texup.training.run.trainer import Trainer
from texup.training.run.validation import HeldOutCrop, frame, mean_psnr, upscale_crops

DIVERGED = 4.0  # times the median pixel loss of the checks before: batches differ by less, from a few pictures on
ENOUGH = 5  # checks before their median means anything

Row = dict[str, float]


class Diverged(TexupError):
    """The losses grew without bounds; the weights of the last check are kept."""


@contextmanager
def claim_folder(weights: Path, *, resume: bool) -> Iterator[None]:
    """Hold the folder of a run's ``weights`` for this process; a folder made in vain goes again.

    Raises:
        UsageError: it holds another run.
        LockedError: another process writes there.
        OutputError: it cannot be made or written.
    """
    folder, is_new = weights.parent, not weights.parent.exists()
    try:
        with output_lock(folder):
            if not resume and (has_checkpoint(folder) or weights.exists()):
                raise UsageError(f"{folder}: holds a run already; go on with it by --resume, or choose another --out")
            remove_leftovers(folder)
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it is not empty, which is as it should be
                folder.rmdir()


def divergence(losses: Mapping[str, float], recipe: Recipe, history: Sequence[Row]) -> str | None:
    """Say in words why a run has lost its way, or return None.

    Any two pictures in [0, 1] are at most 1 apart, however little a net knows; and the loss of a net that learns does
    not rise to a multiple of what it was.
    """
    for name, value in losses.items():
        if not math.isfinite(value):
            return f"the {name} loss is not finite"
    pixel = losses.get("pixel", 0.0)
    before = [row["pixel_loss"] for row in history if "pixel_loss" in row]
    usual = statistics.median(before) if len(before) >= ENOUGH else math.inf
    if pixel > min(recipe.loss.pixel, DIVERGED * usual):
        return f"a pixel loss of {pixel:.3g}" + (f" after {usual:.3g}" if usual < math.inf else "")
    return None


class Checks:
    """Keeps the folder of a run whole and up to date; used by the process that writes."""

    def __init__(
        self,
        weights: Path,
        trainer: Trainer,
        samples: Sequence[HeldOutCrop],
        history: list[Row],
        facts: Mapping[str, Any],
        *,
        part_size: int | None = None,
    ) -> None:
        """Write ``weights`` and what belongs beside them.

        ``history`` has a row of each check so far and grows; ``facts`` say what the run is made of.
        """
        self.weights, self.trainer, self.samples, self.history = weights, trainer, samples, history
        self.facts, self.part_size = facts, part_size
        self.scalars = open_scalars(weights.parent, trainer.iteration)

    def refuse_divergence(self, losses: Mapping[str, float]) -> None:
        """End a run that has lost its way before it overwrites what is good.

        Raises:
            Diverged: it has.
        """
        what = divergence(losses, self.trainer.recipe, self.history)
        finite = (bool(torch.isfinite(v).all()) for v in self.trainer.ema.state_dict().values())
        if what is None and not all(finite):
            what = "a weight is not finite"
        if what is None:
            return
        kept = "nothing was worth keeping; lower the rates"
        if self.history:
            kept = (
                f"the weights of iteration {self.history[-1]['iteration']} are in {self.weights}; go on from them by"
                " --init with lower rates and another --out"
            )
        raise Diverged(f"{self.trainer.recipe.name} diverged by iteration {self.trainer.iteration} ({what}); {kept}")

    def take(self, losses: Mapping[str, float], seconds: float) -> float | None:
        """Measure and write everything; return the mean PSNR-Y in dB where there is something to measure on.

        The checkpoint comes last: a run that is killed before repeats what is missing.

        Raises:
            Diverged: the run has lost its way; nothing is written.
            OutputError: the folder cannot be written.
        """
        self.refuse_divergence(losses)
        trainer, folder, scale = self.trainer, self.weights.parent, self.trainer.recipe.scale
        row: Row = {"iteration": trainer.iteration, "seconds": round(seconds, 3)}
        row |= {f"{name}_loss": value for name, value in losses.items()}
        results = upscale_crops(trainer.ema, self.samples)
        if results:
            row["psnr"] = mean_psnr(results, self.samples, scale)
        self.history.append(row)
        text = {"texup": "1", "recipe": trainer.recipe.name, "iterations": str(trainer.iteration)}
        save_weights(self.weights, trainer.ema.state_dict(), text)
        write_log(folder, self.history)
        write_card(folder, {"recipe": plain(trainer.recipe), **self.facts, "reached": row})
        if results:
            write_frame(folder, len(self.history), frame(results))
            write_samples(folder, self.samples, results)
        write_scalars(self.scalars, row)
        state = {"recipe": plain(trainer.recipe), "features": self.facts["features"], "history": self.history}
        save_checkpoint(folder, state | {"trainer": trainer.state(), "spent": seconds}, self.part_size)
        return row.get("psnr")
