"""Points of a claim's domain: small exact numbers first, chosen as the evaluation asks for them."""

from collections.abc import Callable, Iterable
from typing import Any

import sympy as sp
from flint import fmpq
from sympy.core.function import AppliedUndef

from torchstone.judge.functions import UndecidedValueError, UndefinedValueError, UnsupportedError
from torchstone.judge.values import Code, Point, at_bits, compile_value
from torchstone.judge.verdict import Claim

# From the most to the least readable.
_NUMBERS = (
    *((1, 1), (0, 1), (2, 1), (-1, 1), (1, 2), (3, 1), (-2, 1), (1, 3), (-1, 2), (3, 2), (2, 3), (1, 4), (-3, 1)),
    *((5, 1), (3, 4), (-1, 3), (1, 5), (4, 1), (5, 2), (-3, 2), (7, 10), (-5, 1), (1, 10), (9, 10), (10, 1), (-4, 1)),
    *((7, 1), (-10, 1), (1, 7), (20, 1), (-7, 3), (100, 1), (1, 100), (-20, 1), (-100, 1), (99, 100), (2, 5), (3, 5)),
    *((4, 5), (3, 10), (1, 6), (5, 6), (3, 8), (5, 8), (2, 7), (6, 1), (8, 1), (9, 1), (30, 1)),
)
NUMBERS = tuple(fmpq(p, q) for p, q in _NUMBERS)
_PARTS = tuple(
    fmpq(p, q) for p, q in ((1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (3, 5), (1, 10), (9, 10), (1, 7))
)
_COUNTS = (2, 3, 1, 4, 5)
_FIRST_COUNTS = (0, 0, 1, 0, 1, 2, 0, 3, 1, 0, 4)

_FUNCTIONS: tuple[Callable[..., sp.Expr], ...] = (
    lambda *t: sum((i + 1) * u for i, u in enumerate(t)) + sp.prod(t[1:]) * t[0] ** 2 + 1,
    lambda *t: sp.exp(t[0]) * sp.prod(u + 2 for u in t[1:]),
    lambda *t: sum(u ** (i + 3) for i, u in enumerate(t)) + 2 * sp.prod(t),
    lambda *t: sp.sin(t[0]) + 2 + sum(t[1:]) ** 2,
    lambda *t: sp.prod(t),
)

# Where these stand, what is below them must have a certain sign.
_NARROWING = (sp.log, sp.asin, sp.acos, sp.acosh, sp.atanh)


class OutsideError(Exception):
    """A point that the claim does not speak about."""


def _mix(number: int, position: int) -> int:
    """A number that looks random and is always the same."""
    return ((number * 2654435761 + position * 40503 * 69069 + 12345) & 0xFFFFFFFF) >> 9


class Trial(Point):
    """A point that is filled in as it is looked at. `forced` are values that are set already."""

    def __init__(self, space: "Space", number: int, forced: dict[Any, Any] | None = None) -> None:
        super().__init__(functions={}, memory={})
        self.space, self.number, self.forced = space, number, forced or {}
        self.chosen: dict[Any, Any] = {}  # symbol, (base, indices) or function: what was picked for it, in order
        self.solved: set[Any] = set()  # what a given equation has fixed

    def __missing__(self, key: Any) -> Any:
        if isinstance(key, sp.IndexedBase):
            self[key] = _Components(self, key)
            return self[key]
        value = self.pick(key, key)
        self[key] = value
        return value

    def pick(self, key: Any, variable: Any) -> Any:
        """Pick a value for a symbol, a component or a function, and remember it."""
        options = self.space.options(variable, self)
        if not options:
            raise OutsideError
        if key in self.forced and self.forced[key] in options:
            value = self.forced[key]
        else:
            value = options[self._position(variable, len(options))]
        self.chosen[key] = value
        return value

    def _position(self, variable: Any, size: int) -> int:
        number, kind = self.number, self.space.kind(variable)
        position = sum(self.space.kind(key[0] if isinstance(key, tuple) else key) == kind for key in self.chosen)
        if kind == "index" and number > 1:
            place = number // 3 if number % 3 == 2 else _mix(number, position)  # the same for all, now and then
        elif kind == "count":
            place = _FIRST_COUNTS[number % len(_FIRST_COUNTS)] if position == 0 else _mix(number, position) % 3
        elif number < 2:
            place = position ^ number
        elif position == 0:
            place = number
        elif kind == "real":
            place = _mix(number, position) % (3 + number // 2)
        else:
            place = number + position
        return place % size

    def set(self, key: Any, value: Any) -> None:
        """Give a symbol or component another value."""
        self.chosen[key] = value
        if isinstance(key, tuple):
            self[key[0]][key[1]] = value
        else:
            self[key] = value


class _Components(dict[tuple[int, ...], Any]):
    def __init__(self, trial: Trial, base: sp.IndexedBase) -> None:
        super().__init__()
        self.trial, self.base = trial, base

    def __missing__(self, indices: tuple[int, ...]) -> Any:
        self[indices] = self.trial.pick((self.base, indices), self.base)
        return self[indices]


class Space:
    """What may be picked for each variable of a claim."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.sides = (claim.left, claim.right)
        nodes = [node for side in (*self.sides, *claim.given) for node in sp.preorder_traversal(side)]
        self.numbers = self._numbers(nodes)
        applied = [node for node in nodes if isinstance(node, AppliedUndef)]
        applied.sort(key=lambda node: all(isinstance(each, sp.Symbol) for each in node.args))
        self.applied = {node.func: node.args for node in applied}
        self.index_symbols = {
            symbol
            for node in nodes
            if isinstance(node, (sp.Indexed, sp.KroneckerDelta))
            for index in (node.indices if isinstance(node, sp.Indexed) else node.args[:2])
            for symbol in index.free_symbols
        }
        limits = {
            (low, high)
            for node in nodes
            if isinstance(node, (sp.Sum, sp.Product))
            for index, low, high in node.limits
            if index in self.index_symbols and not (low.free_symbols | high.free_symbols) & self.index_symbols
        }
        self.limits = [(compile_value(low), compile_value(high)) for low, high in limits if high is not sp.oo]
        self.conditions: list[Code] = []
        self.equations: list[Code] = []
        for given in claim.given:
            if isinstance(given, sp.Eq):
                self.equations.append(compile_value(given.lhs - given.rhs))
            elif given not in (sp.true, True):
                self.conditions.append(compile_value(given))
        self.candidates: dict[Any, tuple[Any, ...]] = {}
        self.narrowing = list(self._narrowing())

    def kind(self, variable: Any) -> str:
        """What sort of thing a variable is: its values are counted within its sort."""
        if isinstance(variable, sp.Symbol):
            if variable in self.index_symbols and variable.is_integer:
                return "index"
            return "count" if variable.is_integer else "real"
        return "real" if isinstance(variable, sp.IndexedBase) else "function"

    def options(self, variable: Any, trial: Trial) -> tuple[Any, ...]:
        """The values a variable may have, the simplest first."""
        if self.kind(variable) == "index" and variable not in self.claim.domains:
            bounds = [(low(trial), high(trial)) for low, high in self.limits] or [(fmpq(1), fmpq(2 + trial.number % 2))]
            first, last = max(low for low, _ in bounds), min(high for _, high in bounds)
            return tuple(fmpq(value) for value in range(int(first.p), int(last.p) + 1))
        if variable not in self.candidates:
            self.candidates[variable] = self._candidates(variable)
        return self.candidates[variable]

    def _candidates(self, variable: Any) -> tuple[Any, ...]:
        kind = self.kind(variable)
        if kind == "function":
            arguments = self.applied[variable]
            plain = all(isinstance(each, sp.Symbol) for each in arguments) and len(set(arguments)) == len(arguments)
            names = arguments if plain else sp.symbols("x y z u v w a:z", real=True)[: len(arguments)]
            return tuple((tuple(names), make(*names)) for make in _FUNCTIONS)
        values: Iterable[Any] = self.numbers
        if kind != "real":
            least = 1 if variable.is_positive else 0 if variable.is_nonnegative else -1
            values = [fmpq(value) for value in (*_COUNTS, 0, -1) if value >= least]
            if not variable.is_nonnegative:  # a whole number that nothing is said of counts something, mostly
                values = [value for value in values if value > 0]
        elif isinstance(variable, sp.Symbol):
            values = [value for value in values if _suits(variable, value)]
        domain = self.claim.domains.get(variable)
        if domain is not None:
            values = _inside(domain, values)
        kept = [value for value in values if self._defined(variable, value)]
        return tuple(kept or values)

    def _defined(self, variable: Any, value: Any) -> bool:
        for own, code in self.narrowing:
            if own == variable:
                trial = Trial(self, 0)
                trial[variable] = _Constant(value) if isinstance(variable, sp.IndexedBase) else value
                try:
                    at_bits(64, code, trial)
                except UndefinedValueError:
                    return False
                except (UndecidedValueError, OutsideError):
                    continue
        return True

    def _narrowing(self) -> Iterable[tuple[Any, Code]]:
        """The logarithms, roots and the like whose argument depends on one variable alone."""
        for side in self.sides:
            walk = sp.preorder_traversal(side)
            for node in walk:
                if isinstance(node, sp.Piecewise):
                    walk.skip()
                elif isinstance(node, _NARROWING) or (isinstance(node, sp.Pow) and not node.exp.is_integer):
                    variables = {atom for atom in node.free_symbols if self.kind(atom) == "real"}
                    variables -= {atom for atom in variables if isinstance(atom, sp.Indexed)}
                    bases = {atom.base.label for atom in node.atoms(sp.Indexed)}
                    variables = {atom for atom in variables if atom not in bases}
                    variables |= {atom.base for atom in node.atoms(sp.Indexed)}
                    if len(variables) == 1 and not node.has(AppliedUndef, sp.Sum):
                        yield variables.pop(), compile_value(node)

    def _numbers(self, nodes: Iterable[sp.Basic]) -> tuple[Any, ...]:
        """The usual numbers, and those around the constants of a case distinction."""
        constants: set[sp.Rational] = set()
        for node in nodes:
            if isinstance(node, (sp.core.relational.Relational, sp.Max, sp.Min, sp.Abs, sp.Heaviside, sp.sign)):
                constants |= {atom for atom in node.atoms(sp.Rational) if abs(atom) < 10**6 and atom.q < 10**6}
        extra = [fmpq(int(c.p), int(c.q)) for c in sorted(constants, key=lambda c: (c.q, abs(c), c))]
        near = [value + step for value in extra for step in (0, 1, -1)]
        near += [-value for value in near]
        numbers = [*NUMBERS[:8], *near[:24], *NUMBERS[8:]]
        return tuple(_unique(numbers))

    def trial(self, number: int, forced: dict[Any, Any] | None = None) -> Trial:
        """The point of that number at which everything given holds. Raises OutsideError where it does not."""
        trial = Trial(self, number, forced)
        for equation in self.equations:
            self._solve(equation, trial)
        try:
            if not all(at_bits(256, condition, trial) for condition in self.conditions):
                raise OutsideError
        except UndecidedValueError:
            raise OutsideError from None
        return trial

    def _solve(self, equation: Code, trial: Trial) -> None:
        """Let the last variable that an equation asks for make it true."""
        at_bits(256, equation, trial)
        free = [key for key in trial.chosen if key not in trial.solved and self.kind(_variable(key)) == "real"]
        for key in reversed(free):
            before, values = trial.chosen[key], []
            for value in (fmpq(0), fmpq(1)):
                trial.set(key, value)
                try:
                    values.append(at_bits(256, equation, trial))
                except (UndefinedValueError, UndecidedValueError):
                    break
            if all(isinstance(value, fmpq) for value in values) and len(values) == 2 and values[0] != values[1]:
                solution = values[0] / (values[0] - values[1])
                trial.set(key, solution)
                domain = self.claim.domains.get(_variable(key))
                if at_bits(256, equation, trial) == 0 and (domain is None or _inside(domain, [solution], False)):
                    trial.solved.add(key)
                    return
            trial.set(key, before)
        raise OutsideError


def _variable(key: Any) -> Any:
    return key[0] if isinstance(key, tuple) else key


class _Constant(dict[Any, Any]):
    """All components alike."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, _: Any) -> Any:
        return self.value


def _unique(values: Iterable[Any]) -> Iterable[Any]:
    seen = set()
    for value in values:
        if str(value) not in seen:
            seen.add(str(value))
            yield value


def _suits(symbol: sp.Symbol, value: Any) -> bool:
    """Whether a number has the sign that a symbol was made with."""
    return not (
        (symbol.is_positive and value <= 0)
        or (symbol.is_negative and value >= 0)
        or (symbol.is_nonnegative and value < 0)
        or (symbol.is_nonpositive and value > 0)
        or (symbol.is_nonzero and value == 0)
    )


def rational(value: Any) -> sp.Rational:
    """A flint number as SymPy's."""
    return sp.Rational(int(value.p), int(value.q))


def _inside(domain: sp.Set, values: Iterable[Any], more: bool = True) -> list[Any]:
    """The values that lie in a set; for a bounded interval, some that were chosen for it."""
    if isinstance(domain, sp.FiniteSet):
        own = [fmpq(int(each.p), int(each.q)) for each in domain if each.is_Rational]
        return own if more else [value for value in values if any(value == each for each in own)]
    chosen = [value for value in values if domain.contains(rational(value)) == sp.true]
    pieces = domain.args if isinstance(domain, sp.Union) else [domain]
    for piece in pieces if more else []:
        if isinstance(piece, sp.Interval) and piece.start.is_Rational and piece.end.is_Rational:
            low, width = fmpq(int(piece.start.p), int(piece.start.q)), piece.end - piece.start
            width = fmpq(int(width.p), int(width.q))
            chosen += [low + part * width for part in _PARTS]
        elif isinstance(piece, sp.Interval) and len(chosen) < 8:
            for bound, direction in ((piece.start, 1), (piece.end, -1)):
                if bound.is_Rational:
                    chosen += [
                        fmpq(int(bound.p), int(bound.q)) + direction * abs(each) for each in NUMBERS if each != 0
                    ]
        elif isinstance(piece, sp.Range) and len(chosen) < 4:
            chosen += [fmpq(int(each)) for each in piece[:6]] if piece.size.is_finite or piece.start.is_finite else []
    return list(_unique(chosen))


__all__ = ["OutsideError", "Space", "Trial", "UnsupportedError", "rational"]
