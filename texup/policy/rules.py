r"""Rules: what the user knows better than texup about some files of a pack, in a ``texup.toml`` beside them.

::

    [[rule]]
    match = ["ui/**", "*font*"]                     # one glob or several, as for --include
    when = { alpha = "binary", max_side = 32 }      # what the picture must be
    method = "nearest"                              # what is done then

    [[rule]]
    match = "walls/**"
    model = ["clean-x1.pth", "texup-x4-gan"]        # files beside these rules, or names of the catalog
    edges = "wrap,clamp"

    [[rule]]
    match = "fonts/ascii.png"
    cells = "16x16 cells"                           # or "8x8 texels", the size of one

    [[rule]]
    when = { kind = "lookup" }
    action = "copy"

For each file the first rule that fits decides, and only that one. All that a rule's ``match`` and ``when`` ask must
hold; a list asks for any of its values. What a rule does not set stays as the convention, the pixels or the command
line have it. What it sets wins over them: a rule speaks of some files, an option of all.

``when``: ``kind``, ``alpha`` and ``format`` are what the picture is found to be; ``min_`` and ``max_`` with ``width``,
``height`` or ``side`` bound its texels, both sides in the case of ``side``. Settings: ``action`` ("upscale", "copy",
"skip"), ``method`` ("net", "pixel", "nearest", "smooth", "vectors"), ``treat_as`` (a kind), ``treat_alpha_as``,
``edges``, ``cells`` (also "whole" and "islands"), ``normal_form``, and ``model``, ``blend``, ``scale``, ``grain``,
``key`` and ``gate`` as on the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from texup import bounds
from texup.errors import UsageError
from texup.packs.pack import Finding
from texup.packs.walk import Glob, matches, patterns
from texup.policy.choices import AlphaChoice, EdgeChoice, GateChoice, GrainChoice, KeyChoice
from texup.policy.classify import Kind, Treatment
from texup.policy.rule_facts import Facts, When
from texup.policy.rule_models import any_model, pack_model
from texup.policy.rule_values import SETTINGS, RuleAction, RuleMethod, read_table, shown
from texup.texts import parse_toml, read_text
from texup.textures.cells import Cells
from texup.textures.normals import NormalForm

RULES_NAME = "texup.toml"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; what it does not set is None or empty."""

    number: int
    """Place in its file, from 1."""
    match: tuple[str, ...] = ()
    """Globs; none fit every file."""
    when: When = field(default_factory=When)
    action: RuleAction | None = None
    method: RuleMethod | None = None
    treat_as: Kind | None = None
    treat_alpha_as: AlphaChoice | None = None
    edges: tuple[EdgeChoice, EdgeChoice] | None = None
    """(vertical axis, horizontal axis)."""
    cells: Cells | Literal["whole", "islands"] | None = None
    normal_form: NormalForm | None = None
    models: tuple[str, ...] = ()
    """The chain: names of the catalog, and paths of files, which are joined to the folder of the rules."""
    blend: float | Literal["auto"] | None = None
    scale: int | None = None
    grain: GrainChoice | None = None
    key: KeyChoice | None = None
    gate: GateChoice | None = None
    _patterns: list[Glob] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Split the globs, which thousands of paths will be compared with."""
        object.__setattr__(self, "_patterns", patterns(self.match))

    def fits(self, path: str) -> bool:
        """Return whether a relative path is one of those that the rule is about."""
        return not self.match or matches(path, self._patterns)

    @property
    def needs_pixels(self) -> bool:
        """Whether only a decoded texture can tell if it fits."""
        return self.when != When()

    @property
    def has_route(self) -> bool:
        """Whether it sets how textures go through the nets: by other models, another blend or another scale."""
        return bool(self.models) or self.blend is not None or self.scale is not None


def candidates(rules: Sequence[Rule], path: str) -> tuple[Rule, ...]:
    """Return the rules that may decide about a path, in order, none after the first that asks for no pixels."""
    found = []
    for rule in rules:
        if rule.fits(path):
            found.append(rule)
            if not rule.needs_pixels:
                break
    return tuple(found)


def first_fit(rules: Sequence[Rule], facts: Facts) -> Rule | None:
    """Return the first of a file's ``candidates`` that fits what the file is, or None."""
    return next((rule for rule in rules if rule.when.fits(facts)), None)


def apply_rule(rule: Rule, treatment: Treatment) -> Treatment:
    """Return a treatment with what a rule sets laid over it.

    Another kind takes the method and the form of normals with it that were meant for the old one, and "upscale" a
    kind and a method that copy; what the rule sets itself stays.
    """
    treatment = _of_other_kind(rule, treatment)
    return replace(
        treatment,
        method=rule.method or treatment.method,
        alpha=rule.treat_alpha_as or treatment.alpha,
        edges=rule.edges or treatment.edges,
        cells=rule.cells or treatment.cells,
        normal=rule.normal_form or treatment.normal,
        grain=treatment.grain if rule.grain is None else rule.grain,
        key=treatment.key if rule.key is None else rule.key,
    )


def _of_other_kind(rule: Rule, treatment: Treatment) -> Treatment:
    """Return a treatment of the kind that a rule makes of a file, without what was meant for another."""
    if rule.treat_as is not None and rule.treat_as != treatment.kind:
        treatment = replace(treatment, kind=rule.treat_as, method=None, normal=None)
    if rule.treat_as is not None:
        treatment = replace(treatment, doubted=False)
    if rule.action == "upscale" and treatment.method == "copy":
        treatment = replace(treatment, method=None)
    if rule.action == "upscale" and treatment.kind == "lookup" and not rule.treat_as:
        treatment = replace(treatment, kind=None)
    return treatment


def unused_rules(rules: Sequence[Rule], paths: Collection[str]) -> Iterator[Finding]:
    """Yield a warning for each rule that decides about none of ``paths``, whatever the pictures are."""
    waiting = {rule.number for rule in rules}
    fitting: set[int] = set()
    for path in paths:
        if not waiting:
            return
        is_open = True
        for rule in rules:
            if (is_open or rule.number in waiting - fitting) and rule.fits(path):
                fitting.add(rule.number)
                if is_open:
                    waiting.discard(rule.number)
                    is_open = rule.needs_pixels
    for rule in rules:
        if rule.number in waiting & fitting:
            yield Finding(
                "warning", "", f"rule {rule.number} never decides: earlier rules take every file it fits; move it up"
            )
        elif rule.number in waiting:
            globs = ", ".join(map(shown, rule.match))
            yield Finding("warning", "", f"rule {rule.number} fits no file of the pack; check match = {globs}")


def as_facts(rule: Rule) -> dict[str, Any]:
    """Return as plain JSON values what decides the pixels of a file that the rule may fit.

    Files of models are left out: what they hold counts, not where they lie. So is the gate, whose records tell what it
    did, unless only pixels can tell whether the rule fits, so that nobody knows by which gate a result came.
    """
    gate = rule.gate if rule.needs_pixels else None
    return {"when": asdict(rule.when), **_settings(replace(rule, models=(), gate=gate))}


def _settings(rule: Rule) -> dict[str, Any]:
    """Return what a rule sets, by the names of its fields."""
    values = {name: value for name, value in asdict(rule).items() if value not in (None, ())}
    return {name: value for name, value in values.items() if name not in ("number", "match", "when", "_patterns")}


def load_rules(path: Path, *, is_of_pack: bool = False) -> tuple[Rule, ...]:
    """Read a file of rules.

    Args:
        path: the file.
        is_of_pack: whether it was found in a pack, and not named by the user: then it may name files of the pack only.

    Raises:
        UsageError: it cannot be read, is no TOML, has no rules, or has a key or a value that no rule has.
    """
    locate = partial(pack_model if is_of_pack else any_model, folder=path.parent)
    try:
        tables = _tables(parse_toml(_text(path)))
        rules = tuple(_rule(number, table, locate) for number, table in enumerate(tables, 1))
        _check_bounds(rules)
        return rules
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise ValueError("there is no such file of rules")
        return read_text(path, bounds.RULES_BYTES, "file of rules")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error


def _tables(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for key in values:
        if key != "rule":
            raise ValueError(f"unknown key {shown(key)}; a file of rules holds [[rule]] tables and nothing else")
    tables = values.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise ValueError("rule must be a list of tables; write [[rule]], with two brackets, above each one")
    if not tables:
        raise ValueError("holds no rules; write [[rule]] tables, or remove the file")
    if len(tables) > bounds.RULES_COUNT:
        raise ValueError(f"holds {len(tables):,} rules, more than {bounds.RULES_COUNT:,}; join those that set the same")
    return tables


def _rule(number: int, table: Mapping[str, Any], locate: Callable[[str], str]) -> Rule:
    try:
        values = read_table(table, SETTINGS)
        when = When(**values.pop("when", {}))
        models = tuple(locate(name) for name in values.pop("model", ()))
        rule = Rule(number, values.pop("match", ()), when, models=models, **values)
        _check_sense(rule)
    except ValueError as error:
        raise ValueError(f"rule {number}: {error}") from error
    return rule


def _check_bounds(rules: Sequence[Rule]) -> None:
    """Refuse what would take too long for every file of a pack, or too much memory for its nets."""
    globs = sum(len(rule.match) for rule in rules)
    if globs > bounds.RULES_GLOBS:
        raise ValueError(f"holds {globs:,} globs, more than {bounds.RULES_GLOBS:,}; write wildcards instead of names")
    models = sum(len(rule.models) + (rule.blend is not None) for rule in rules)
    if models > bounds.RULES_MODELS:
        raise ValueError(f"names {models:,} models and blends, more than {bounds.RULES_MODELS}")


def _check_sense(rule: Rule) -> None:
    """Refuse what cannot have been meant."""
    given = [name for name in _settings(rule) if name != "action"]
    if not given and rule.action is None:
        raise ValueError('it sets nothing; write action = "upscale" if later rules shall not decide about its files')
    if rule.action in ("copy", "skip") and given:
        name = "model" if given[0] == "models" else given[0]
        raise ValueError(f'{name} has no effect beside action = "{rule.action}"; remove one of them')
    if rule.models and rule.blend is not None:
        raise ValueError("blend mixes the catalog's own pair; leave out model or blend")
    for side in ("width", "height", "side"):
        least, most = (getattr(rule.when, f"{end}_{side}") for end in ("min", "max"))
        if least is not None and most is not None and least > most:
            raise ValueError(f"when.min_{side} = {least} is above when.max_{side} = {most}; nothing can fit")
