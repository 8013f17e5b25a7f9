"""A rule: one property that a loss, an activation or an optimizer has to have, and the registry of all rules.

A rule is a generator of findings. Its docstring is its page: what, why, how, false alarms, what to write instead.

    @rule("X101", "my-property", kinds=("loss",), tier="fast", severity="warning")
    def my_property(subject):
        '''One line.

        Why: ...
        How: ...
        False alarms: ...
        Instead: ...
        '''
        if not subject.trait("differentiable"):
            raise NotApplicable("the subject is not differentiable")
        answer = subject.call(subject.sample())
        if ...:
            yield Finding("one sentence with numbers")
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from torchstone.check.result import Finding, Severity

Tier = Literal["fast", "full", "slow"]
Need = Literal["nothing", "counterpart", "definition"]
TIERS: tuple[Tier, ...] = ("fast", "full", "slow")
SECTIONS = ("Why", "How", "False alarms", "Instead")
ENTRY_POINT = "torchstone.rules"

_GROUPS = "GLADNTSO"  # in the order in which ours run and are listed; within a group, by code
_OURS = (
    *("general", "surroundings"),
    *("losses", "losses_shapes", "losses_batches", "losses_options", "losses_identities", "losses_extremes"),
    *("activations", "activations_places", "activations_shapes", "activations_modules"),
    *("derivatives_values", "derivatives_numeric", "derivatives_flow"),
    *("derivatives_order", "derivatives_special", "derivatives_graph"),
    *("numerics", "numerics_policies", "transforms", "state", "optimizers_trajectory"),
    *("optimizers_construction", "optimizers_like", "optimizers_options", "optimizers_decay"),
    *("optimizers_laws", "optimizers_parameters", "optimizers_shapes", "optimizers_order"),
    *("optimizers_groups", "optimizers_tensors", "optimizers_special", "optimizers_state"),
    *("optimizers_copies", "optimizers_training", "optimizers_surroundings"),
)

Check = Callable[[Any], Iterable[Finding]]  # of a Subject, or an OptimizerSubject


class NotApplicable(Exception):  # noqa: N818 (no error: an outcome)
    """Raised by a rule that does not concern a subject; the text says why."""


class Skipped(Exception):  # noqa: N818
    """Raised by a rule that cannot run here; the text says why (no compiler, no GPU)."""


@dataclass(frozen=True)
class Rule:
    """One property, with what it takes to demand it.

    `need` is the least knowledge it requires; `after` names rules whose errors block it: what a broken subject would
    fail anyhow is reported once.
    """

    code: str
    name: str
    check: Check
    kinds: tuple[str, ...]
    tier: Tier
    severity: Severity
    need: Need
    after: tuple[str, ...]

    @property
    def group(self) -> str:
        """The letters of the code."""
        return self.code.rstrip("0123456789")

    @property
    def source(self) -> str:
        """The package that it comes from."""
        return self.check.__module__.partition(".")[0]

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return inspect.cleandoc(self.check.__doc__ or "").partition("\n")[0]

    @property
    def sections(self) -> dict[str, str]:
        """The docstring's sections by their titles: Why, How, False alarms, Instead."""
        text = inspect.cleandoc(self.check.__doc__ or "")
        parts = re.split(rf"^({'|'.join(SECTIONS)}):", text, flags=re.MULTILINE)
        return {title: " ".join(body.split()) for title, body in zip(parts[1::2], parts[2::2], strict=True)}


_REGISTRY: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    *,
    kinds: Sequence[str] = ("loss", "activation"),
    tier: Tier = "fast",
    severity: Severity = "error",
    need: Need = "nothing",
    after: Sequence[str] = ("G001", "G002", "G004"),
) -> Callable[[Check], Check]:
    """Register a function of a subject that yields findings as a rule.

    Unless told otherwise it comes after G001, G002 and G004: of what does not run, changes its inputs or answers
    differently each time, nothing else can be measured.

    Raises `ValueError` where the code, the name or the docstring is not what a rule has to have.
    """

    def register(check: Check) -> Check:
        made = Rule(code, name, check, tuple(kinds), tier, severity, need, tuple(a for a in after if a != code))
        _validate(made)
        _REGISTRY[code] = made
        return check

    return register


def _validate(made: Rule) -> None:
    def demand(holds: bool, expected: str, got: object) -> None:
        if not holds:
            raise ValueError(f"rule {made.code}: expected {expected}, got {got!r}")

    demand(
        bool(re.fullmatch(r"[A-Z]{1,4}[0-9]{3}", made.code)), "a code like X101: letters and three digits", made.code
    )
    demand(bool(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", made.name)), "a name of words and hyphens", made.name)
    demand(made.code not in _REGISTRY, "a code that is not taken", made.code)
    same = [
        other.code for other in _REGISTRY.values() if other.name == made.name and set(other.kinds) & set(made.kinds)
    ]
    demand(not same, f"a name that is not taken (by {', '.join(same)})", made.name)
    demand(set(made.kinds) <= {"loss", "activation", "optimizer"} and bool(made.kinds), "kinds of subjects", made.kinds)
    demand(made.tier in TIERS, f"a tier of {', '.join(TIERS)}", made.tier)
    demand(made.severity in ("error", "warning", "note"), "a severity: error, warning or note", made.severity)
    demand(made.need in ("nothing", "counterpart", "definition"), "a level of knowledge", made.need)
    demand(callable(made.check), "a function", made.check)
    takes = len(inspect.signature(made.check).parameters)
    demand(takes == 1, "a function of one argument, the subject", f"{takes} arguments")
    demand(bool(made.title), "a docstring whose first line says what is demanded", made.check.__doc__)
    missing = [title for title in SECTIONS if title not in made.sections]
    demand(not missing, f"a docstring with the sections {', '.join(SECTIONS)}", f"none for {', '.join(missing)}")


def rules() -> tuple[Rule, ...]:
    """Every rule: ours, then those that installed packages register through the entry point `torchstone.rules`."""
    _load()
    return tuple(sorted(_REGISTRY.values(), key=_place))


def _place(each: Rule) -> tuple[int, str]:
    ours = each.source == "torchstone"
    return (_GROUPS.index(each.group), each.code) if ours else (len(_GROUPS), "")  # others as they registered


def not_loaded() -> tuple[str, ...]:
    """What is wrong with packages whose rules do not load, a sentence each: it is their fault, and nobody else's."""
    return _load()


@cache  # to look through the installed packages takes longer than a rule
def _load() -> tuple[str, ...]:
    for name in _OURS:
        import_module(f"torchstone.check.rules.{name}")
    wrong = []
    for entry in entry_points(group=ENTRY_POINT):
        before = set(_REGISTRY)
        try:
            entry.load()
        except Exception as error:
            for code in set(_REGISTRY) - before:  # half of a package's rules is none
                del _REGISTRY[code]
            package = entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]
            text = " ".join(str(error).split())
            wrong.append(f"the rules of {package} do not load: {type(error).__name__}: {text}")
    return tuple(wrong)


def find(code_or_name: str) -> Rule:
    """The rule of that code or name. Raises `KeyError` with what comes near."""
    import difflib

    every = rules()
    for each in every:
        if code_or_name.upper() == each.code or code_or_name.lower() == each.name:
            return each
    known = [label for each in every for label in (each.code, each.name)]
    near = difflib.get_close_matches(code_or_name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`torchstone rules` lists them"
    raise KeyError(f"rule: expected a rule's code or name, got {code_or_name!r}; {hint}")


def matching(patterns: Iterable[str]) -> Iterator[str]:
    """The codes that patterns name: a code, a name, or the beginning of codes such as "D" or "L1".

    Raises `KeyError` for a pattern that names no rule.
    """
    every = rules()
    for pattern in patterns:
        found = [each.code for each in every if each.code.startswith(pattern.upper()) or each.name == pattern.lower()]
        if not found:
            find(pattern)
        yield from found
