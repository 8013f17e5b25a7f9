"""What a derivation is asked to arrive at."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sympy as sp

from torchstone.definitions.formula import read_formula
from torchstone.judge import Claim, judge
from torchstone.prove.document import Section
from torchstone.prove.meaning.reader import Reading

_SECONDS = 2.0


@dataclass(frozen=True)
class Goal:
    """An expression, or an equation, in SymPy's syntax."""

    text: str
    left: sp.Expr | None
    right: sp.Expr

    def met_by(self, reading: Reading) -> bool:
        """Whether a step says it: its right side *is* the goal, in the symbols that the goal is written in.

        What only equals it by a definition is not enough: after y = sigma(x), the goal y*(1 - y) is not met by
        exp(-x)/(1 + exp(-x))**2.
        """
        if reading.relation != "=" or reading.kind == "given":
            return False
        if self.left is not None and not _same(self.left, reading.left):
            return False
        return _same(self.right, reading.right)


def _same(goal: sp.Expr, written: sp.Expr) -> bool:
    written = _plain(written)
    if written.has(sp.Derivative, sp.Integral) or written.free_symbols != goal.free_symbols:
        return False
    return judge(Claim(goal, written), seconds=_SECONDS).outcome == "proven"


def _plain(expression: sp.Expr) -> sp.Expr:
    """With plain symbols only, whose names hold no underscore: z[1], z_1 and z1 are one."""
    components = {
        each: sp.Symbol(f"{each.base}{''.join(map(str, each.indices))}") for each in expression.atoms(sp.Indexed)
    }
    expression = expression.xreplace(components)
    names = {symbol: sp.Symbol(str(symbol).replace("_", ""), real=True) for symbol in expression.free_symbols}
    return expression.xreplace(names)


def read_goal(text: str) -> Goal:
    """A goal from its text: `y*(1 - y)`, or `x = log(y/(1 - y))`. Raises `ValueError`."""
    sides = text.split("=")
    if len(sides) > 2:
        raise ValueError(f"goal: expected an expression or one equation, got {text!r}")
    try:
        *left, right = [_plain(read_formula(side.strip())) for side in sides]
    except ValueError as error:
        raise ValueError(f"goal: {error}") from None
    return Goal(text.strip(), left[0] if left else None, right)


def read_goals(path: Path) -> dict[str, str]:
    """The goals of a TOML file: one for each heading. Raises `ValueError`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"goals: expected a TOML file, got {path}: {error}") from None
    content = content.get("goals", content)
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise ValueError(f'goals: expected lines such as "Task 3" = "y*(1-y)" in {path}')
    return dict(content)


def goals_of(sections: Sequence[Section], goals: str | Mapping[str, str] | None) -> dict[int, Goal]:
    """Which section has which goal. One goal alone is the whole text's. Raises `ValueError`."""
    with_math = [number for number, section in enumerate(sections) if section.passages]
    if goals is None or not with_math:
        return {}
    if isinstance(goals, str):
        return dict.fromkeys(with_math, read_goal(goals))
    found: dict[int, Goal] = {}
    for heading, text in goals.items():
        goal = read_goal(text)
        meant = [number for number in with_math if _words(heading) in _words(sections[number].title)]
        if not meant:
            titles = ", ".join(repr(sections[number].title) for number in with_math)
            raise ValueError(f"goals: expected a heading among {titles}, got {heading!r}")
        found |= dict.fromkeys(meant, goal)
    return found


def _words(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.lower()))
