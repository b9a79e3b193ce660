"""How good models are, beside bicubic and Lanczos enlargement. Start at :func:`evaluate`."""

from texup.evaluation.job import Case, Skipped, evaluate
from texup.evaluation.methods import BASELINES
from texup.evaluation.pictures import PROTOCOLS, Protocol
from texup.evaluation.scores import REFERENCE, Mean, Row, Scores, summarise

__all__ = [
    "BASELINES",
    "PROTOCOLS",
    "REFERENCE",
    "Case",
    "Mean",
    "Protocol",
    "Row",
    "Scores",
    "Skipped",
    "evaluate",
    "summarise",
]
