"""One pack through many models, blends and methods, each texture the way that ``texup upscale`` would take it.

Every candidate is a rule: what would have to stand in a ``texup.toml`` to get it. A texture is read once, decided
about once for each candidate, and goes through all nets on one device, on which each net is loaded once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from texup import __version__
from texup.conventions.convention import Planned
from texup.engines.devices.cards import AnyDevice
from texup.engines.engine import drive
from texup.engines.inline import answer_requests
from texup.errors import TextureError
from texup.gallery.content import Candidate, Exhibit, Page, Settings, Shown
from texup.gallery.picks import WISHES, base_of, rules_text, tables_of
from texup.gallery.sample import Traits, choose, spread, traits_of
from texup.gallery.studio import Studio
from texup.gallery.words import cell_of, edges_of, why_of, wraps_of
from texup.metrics.changes import change_of, seam_of
from texup.policy.rule_values import RuleMethod
from texup.policy.rules import Rule
from texup.textures.codecs.decoders import Decode
from texup.upscaling.coding import facts_of
from texup.upscaling.deciding import Decision, decide
from texup.upscaling.pixels import upscale_sheet
from texup.upscaling.planning import Plan
from texup.upscaling.reading import NotUpscaled, Sources, read
from texup.upscaling.run import Run

FIRST = 1_000_000
"""Number of the first candidate's rule; no file of rules has as many."""
METHODS: dict[str, RuleMethod] = {
    "net": "net",
    "pixel": "pixel",
    "nearest": "nearest",
    "smooth": "smooth",
    "bicubic": "smooth",
}
"""What the user may call a method, besides "auto"."""
LABELS = {"smooth": "smooth (bicubic)"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCandidate:
    """A way that the user wants to see beside others."""

    label: str
    rule: Rule | None
    """What a rule would have to set; None for what texup does by itself."""
    settings: Settings
    """The same as plain values of TOML."""


def candidates_of(models: Sequence[str], blends: Sequence[float | str], methods: Sequence[str]) -> list[AskedCandidate]:
    """Return the candidates that the user named; of none, a choice that shows the range.

    Args:
        models: names of the catalog, or absolute paths of files.
        blends: shares of the GAN net of the catalog's own pair, or "auto".
        methods: keys of ``METHODS``; "auto" stands for what texup does by itself.
    """
    if not (models or blends or methods):
        blends, methods = (0.0, 1.0), ("auto", "smooth")
    found = [AskedCandidate(label="texup's own choice", rule=None, settings={})] if "auto" in methods else []
    for model in dict.fromkeys(models):
        rule = Rule(FIRST + len(found), models=(model,))
        found.append(AskedCandidate(label=Path(model).name, rule=rule, settings={"model": model}))
    for blend in dict.fromkeys(blends):
        rule = Rule(FIRST + len(found), blend=blend)  # type: ignore[arg-type]  # click gives no other text than "auto"
        found.append(AskedCandidate(label=f"blend {_short(blend)}", rule=rule, settings={"blend": blend}))
    for method in dict.fromkeys(METHODS[method] for method in methods if method != "auto"):
        rule = Rule(FIRST + len(found), method=method)
        found.append(AskedCandidate(label=LABELS.get(method, method), rule=rule, settings={"method": method}))
    return found


def _short(blend: float | str) -> str:
    return blend if isinstance(blend, str) else f"{blend:g}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A texture that was read, with what texup would do with it."""

    planned: Planned
    sources: Sources
    decision: Decision


def sample_of(run: Run, plan: Plan, decode: Decode, count: int) -> list[Planned]:
    """Return a sample of a pack's textures by path; all of them where there are few."""
    found: list[tuple[Planned, Traits]] = []
    for planned in spread([planned for planned in plan.files if planned.action == "upscale"]):
        subject = _subject(run, plan, planned, decode)
        if subject is not None:
            found.append((planned, traits_of(subject.decision)))
    chosen = choose([traits for _, traits in found], count)
    return sorted((found[k][0] for k in chosen), key=lambda planned: planned.path)


def _subject(run: Run, plan: Plan, planned: Planned, decode: Decode) -> Subject | None:
    """Read a texture; None where it cannot be read, or is not upscaled."""
    folder = run.source if run.source.is_dir() else run.source.parent
    try:
        sources = read(planned, folder, run.limits, decode)
        decision = decide(sources, planned, run, plan.convention)
    except TextureError:
        return None
    if isinstance(sources, NotUpscaled) or isinstance(decision, NotUpscaled):
        return None
    return Subject(planned, sources, decision)


def decided(subject: Subject, candidate: AskedCandidate, run: Run, plan: Plan) -> Decision | NotUpscaled:
    """Decide about a texture as if a candidate's rule stood before all others.

    Models and blends are for what would go through a net if it were no pixel art; masks, vectors and the like keep to
    their way. What the user's own rule sets besides nets and method stays.
    """
    asked = candidate.rule
    if asked is None:
        return subject.decision
    own = subject.decision.rule or Rule(0)
    rule = replace(
        own,
        number=asked.number,
        action="upscale",
        when=asked.when,
        method=asked.method,
        models=asked.models,
        blend=asked.blend,
        scale=None,
    )
    through_net = replace(run.route, settings=replace(run.settings, method="net"))
    forced = run if asked.method else replace(run, route=through_net)
    return decide(subject.sources, replace(subject.planned, rules=(rule,)), forced, plan.convention)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What is kept of a result once it is shown."""

    shown: Shown
    seconds: float
    change: float
    seam: float


class Comparison:
    """Upscales subjects through all candidates and counts what each takes."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        asked: Sequence[AskedCandidate],
        studio: Studio,
        decode: Decode,
        rules: Path | None,
    ) -> None:
        """Compare ``asked``, for whose rules ``run`` has routes; what is picked goes before the file ``rules``."""
        self._run, self._plan, self._asked, self._studio, self._decode = run, plan, asked, studio, decode
        self._tables, self._rules = tables_of(rules), rules
        self.seconds = [0.0] * len(asked)
        """By candidate."""

    def page(self, sample: Sequence[Planned], title: str, facts: Sequence[str], progress: Progress) -> Page:
        """Return the page of a sample; one texture after the other is in memory.

        Raises:
            DeviceError: the device is not there.
        """
        exhibits = []
        for done, planned in enumerate(sample, 1):
            subject = _subject(self._run, self._plan, planned, self._decode)
            if subject is not None:
                exhibits.append(self._exhibit(subject))
            progress(done, len(sample))
        pairs = zip(self._asked, self.seconds, strict=True)
        return Page(
            title=title,
            about="compare",
            version=__version__,
            convention=self._plan.convention.id,
            facts=facts,
            candidates=[Candidate(label=one.label, seconds=round(seconds, 3)) for one, seconds in pairs],
            exhibits=exhibits,
            wishes=WISHES,
            rules=rules_text(self._rules),
        )

    def _exhibit(self, subject: Subject) -> Exhibit:
        """Return one texture with the results of all candidates."""
        work, facts = subject.decision.works[0], facts_of(subject.decision)
        height, width = work.pixels.shape[:2]
        rule = facts.get("rule")
        exhibit = Exhibit(
            path=subject.planned.path,
            outcome="upscaled",
            why=why_of(facts),
            kind=subject.decision.policy.kind,
            method=subject.decision.policy.method,
            alpha=subject.decision.policy.alpha,
            edges=edges_of(facts),
            rule=rule,
            width=width,
            height=height,
            thumb=self._studio.thumb_of_pixels(work.pixels),
            source=self._studio.show_pixels(work.pixels),
            cell=cell_of(facts, width, height),
            base=base_of(self._tables, rule),
        )
        self._fill(exhibit, subject)
        return exhibit

    def _fill(self, exhibit: Exhibit, subject: Subject) -> None:
        """Put results into an exhibit; equal ways are gone once, and each counts the time that it would have taken."""
        done: dict[str, _Result] = {}
        results: list[Shown | None] = []
        choices, problems, changes, seams = [], [], [0.0], [0.0]
        for k, candidate in enumerate(self._asked):
            decision = decided(subject, candidate, self._run, self._plan)
            choices.append(self._choice(candidate, decision, exhibit))
            if isinstance(decision, NotUpscaled):
                results.append(None)
                problems.append(f"{candidate.label}: {decision.reason}")
                continue
            way = repr((decision.policy, decision.route))
            try:
                result = done[way] = done.get(way) or self._upscaled(decision)
            except (TextureError, MemoryError) as error:
                results.append(None)
                reason = error.reason if isinstance(error, TextureError) else "not enough memory"
                problems.append(f"{candidate.label}: {reason}")
                continue
            self.seconds[k] += result.seconds
            results.append(result.shown)
            changes.append(result.change)
            seams.append(result.seam)
        exhibit.results, exhibit.choices, exhibit.problems = results, choices, problems
        exhibit.seconds = round(sum(result.seconds for result in done.values()), 3)
        exhibit.change, exhibit.seam = max(changes), max(seams) or None

    def _upscaled(self, decision: Decision) -> _Result:
        """Upscale a texture, and show it."""
        if decision.policy.method == "net":
            self._device()  # loading the nets is nobody's time
        began = time.perf_counter()
        task = upscale_sheet(decision.works[0], decision.policy, decision.route.passes, decision.route.settings)
        pixels = drive(task, lambda requests: answer_requests(requests, self._device())).pixels
        seconds = time.perf_counter() - began
        change = change_of(decision.works[0].pixels, pixels) or 0.0
        seam = seam_of(pixels, wraps_of(facts_of(decision))) or 0.0
        return _Result(shown=self._studio.show_pixels(pixels), seconds=seconds, change=change, seam=seam)

    def _device(self) -> AnyDevice:
        """Return the device with all nets, loaded once."""
        device = self._run.load_engine().device
        assert isinstance(device, AnyDevice)
        return device

    def _choice(self, candidate: AskedCandidate, decision: Decision | NotUpscaled, exhibit: Exhibit) -> Settings:
        """Return what a rule sets for this texture to come out like that."""
        if candidate.rule is None:
            return self._own(exhibit.rule) or {"action": "upscale"}
        through_net = isinstance(decision, Decision) and decision.policy.method == "net" and candidate.rule.has_route
        return {**exhibit.base, **candidate.settings, **({"method": "net"} if through_net else {})}

    def _own(self, number: int | None) -> Settings:
        """Return what the user's own rule of a number sets, files of weights by their whole paths."""
        if number is None or number > len(self._tables):
            return {}
        own = {key: value for key, value in self._tables[number - 1].items() if key not in ("match", "when")}
        models = self._run.rules[number - 1].models
        return own | {"model": [located(model) for model in models]} if models else own


def located(model: str) -> str:
    """Return a model as rules that may lie anywhere can name it: a file by its whole path."""
    return os.path.abspath(model) if os.path.isfile(model) else model
