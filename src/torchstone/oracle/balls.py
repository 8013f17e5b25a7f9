"""From a SymPy expression to ball arithmetic: values with a proven error bound.

An expression becomes one Python function on Arb balls. It is evaluated plainly; where the ball comes out too wide
(cancellation, or a branch that cannot be decided yet) the precision is doubled and it is evaluated again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import arb, ctx, fmpq
from sympy.printing.pycode import PythonCodePrinter

START_BITS = 80
MOST_BITS = 1 << 16
RELATIVE_BITS = 66  # a ball this narrow pins a float64 down to a thousandth of an ulp, and its rounding error with it
ABSOLUTE_BITS = 1150  # or narrower than any subnormal number can tell


class UndecidedError(ArithmeticError):
    """A comparison of balls that overlap: more bits will tell."""


class UndefinedError(UndecidedError):
    """A comparison of what is not a number: more bits may tell, or it has no value."""


class OracleError(ArithmeticError):
    """A value that stays unknown at the highest precision. A fault of a definition, never of a subject."""


@dataclass
class _Ties:
    """What a comparison of two equal numbers gives."""

    settling: bool = False  # whether what no number of bits can decide counts as a tie
    chosen: Mapping[str, int] | None = None  # for each comparison, the side that counts where there is a tie
    met: set[str] = field(default_factory=set)  # the comparisons that met a tie while sides were chosen


_ties = _Ties()


def _sign(difference: Any) -> int:
    ball = arb(difference)
    if ball > 0:
        return 1
    if ball < 0:
        return -1
    if ball.is_zero() or (_ties.settling and ball.is_finite()):
        return 0
    raise UndefinedError if ball.is_nan() else UndecidedError


def _side(difference: Any, comparison: str) -> int:
    """The sign of a difference, or where it is 0 the side that was chosen for the comparison."""
    sign = _sign(difference)
    if sign or _ties.chosen is None:
        return sign
    _ties.met.add(comparison)
    return _ties.chosen.get(comparison, 0)


@contextmanager
def sides(chosen: Mapping[str, int]) -> Iterator[set[str]]:
    """Within, a tie counts as 1 or -1, as `chosen` has it for the comparison; yields the comparisons that met one."""
    before, _ties.chosen = _ties.chosen, chosen
    _ties.met.clear()
    try:
        yield _ties.met
    finally:
        _ties.chosen = before


def _largest(*values: Any) -> arb:
    largest = arb(values[0])
    for value in values[1:]:
        largest = largest.max(arb(value))
    return largest


def _smallest(*values: Any) -> arb:
    return -_largest(*(-arb(value) for value in values))


def _power(base: Any, exponent: int) -> arb:
    """A whole power, by multiplication: python-flint's own of a ball around zero is not a number."""
    result = arb(1)
    for digit in f"{abs(exponent):b}":
        result = result * result * (base if digit == "1" else 1)
    return result if exponent >= 0 else 1 / result


_RELATIONS = {"<": "< 0", "<=": "<= 0", ">": "> 0", ">=": ">= 0", "==": "== 0", "!=": "!= 0"}
_METHODS = ("exp", "log", "erf", "erfc", "sinh", "cosh", "tanh", "sin", "cos", "tan", "atan", "asinh", "acosh", "atanh")


class _BallPrinter(PythonCodePrinter):
    """Prints an expression as Python on Arb balls, with every constant exact."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False})
        self.reserved_words = {*PythonCodePrinter.reserved_words, *_NAMESPACE}  # a symbol of that name gets another
        self._bound: frozenset[sp.Basic] = frozenset()  # the indices of the sums around

    def _print_Sum(self, expr: Any) -> str:
        around, self._bound = self._bound, self._bound | set(expr.variables)
        text = str(super()._print_Sum(expr))
        self._bound = around
        # The log-sum-exp of a row is needed for every class, a distance in every branch: each is computed once.
        return text if expr.free_symbols & around else f"once(seen, {text!r}, lambda: {text})"

    def _print_Rational(self, expr: Any) -> str:
        return f"fmpq({expr.p}, {expr.q})"

    def _print_Float(self, expr: Any) -> str:
        return self._print_Rational(sp.Rational(expr))

    def _print_Pi(self, expr: Any) -> str:
        return "arb.pi()"

    def _print_Exp1(self, expr: Any) -> str:
        return "arb(1).exp()"

    def _print_Infinity(self, expr: Any) -> str:
        return "arb.pos_inf()"

    def _print_NegativeInfinity(self, expr: Any) -> str:
        return "arb.neg_inf()"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base = f"arb({self._print(expr.base)})"
        if expr.exp == sp.Rational(1, 2):
            return f"{base}.sqrt()"
        if expr.exp == -sp.Rational(1, 2):
            return f"{base}.rsqrt()"
        if expr.exp.is_Integer:
            return f"power({base}, {expr.exp})"
        return f"({base} ** ({self._print(expr.exp)}))"

    def _print_Relational(self, expr: Any) -> str:
        difference = f"{self._print(expr.lhs)} - ({self._print(expr.rhs)})"
        if expr.rel_op in ("==", "!="):
            return f"(sign({difference}) {_RELATIONS[expr.rel_op]})"
        return f"(side({difference}, {difference!r}) {_RELATIONS[expr.rel_op]})"

    def _print_sign(self, expr: Any) -> str:
        argument = self._print(expr.args[0])
        return f"side({argument}, {f'{argument} - (0)'!r})"

    def _print_Max(self, expr: Any) -> str:
        return f"largest({', '.join(self._print(each) for each in expr.args)})"

    def _print_Min(self, expr: Any) -> str:
        return f"smallest({', '.join(self._print(each) for each in expr.args)})"

    def _print_Abs(self, expr: Any) -> str:
        return f"abs(arb({self._print(expr.args[0])}))"

    def _print_Function(self, expr: Any) -> str:
        name = type(expr).__name__
        if name not in _METHODS:
            raise OracleError(f"expression: expected functions among {', '.join(_METHODS)}, got {name}")
        return f"arb({self._print(expr.args[0])}).{name}()"


# PythonCodePrinter has a method of its own for each of these, which would write `math.exp(x)`.
for _name in _METHODS:
    setattr(_BallPrinter, f"_print_{_name}", _BallPrinter._print_Function)


def _once(seen: dict[str, Any], key: str, compute: Callable[[], Any]) -> Any:
    if key not in seen:
        seen[key] = compute()
    return seen[key]


_NAMESPACE = {
    "once": _once,
    "arb": arb,
    "fmpq": fmpq,
    "sign": _sign,
    "side": _side,
    "largest": _largest,
    "smallest": _smallest,
    "power": _power,
}
Compiled = Callable[..., Sequence[Any]]


def compile_balls(arguments: Sequence[sp.Basic], expressions: Sequence[sp.Expr], share: bool = True) -> Compiled:
    """A function of balls (and, for indexed symbols, lists of balls) that returns one ball per expression.

    `share` computes common subexpressions once; it must be off where a Sum binds an index.
    """
    shared, results = sp.cse(list(expressions), list=True) if share else ([], list(expressions))
    return compile_lines(arguments, shared, results)


@lru_cache(maxsize=None, typed=True)  # the variants of an update rule share most of their lines
def _text(expression: sp.Basic) -> str:
    return str(_BallPrinter().doprint(expression))


def compile_lines(
    arguments: Sequence[sp.Basic], equations: Sequence[tuple[sp.Symbol, sp.Expr]], results: Sequence[sp.Expr]
) -> Compiled:
    """A function of balls that returns one ball per result, after the lines that give symbols their values."""
    lines = [f"    {_text(name)} = {_text(value)}" for name, value in equations]
    names = ", ".join(map(_text, arguments))
    values = "".join(f"{_text(result)}, " for result in results)
    source = "\n".join([f"def function({names}):", "    seen = {}", *lines, f"    return ({values})"])
    # `sum` starts from an int; `list(...)` of a generator is what the printer writes for a Sum.
    scope: dict[str, Any] = dict(_NAMESPACE)
    exec(compile(source.replace("builtins.sum", "sum"), "<definition>", "exec"), scope)
    function: Compiled = scope["function"]
    return function


def _narrow(ball: Any, relative_bits: int) -> bool:
    """Whether a ball says all that a float64 can hold of its value."""
    if not isinstance(ball, arb) or ball.is_exact() or ball.rel_accuracy_bits() >= relative_bits:
        return True
    if not ball.is_finite():
        return bool(ball.is_nan() or ball.rad().is_finite())
    return bool(ball.abs_upper() < arb(2) ** -ABSOLUTE_BITS or ball.rad() < arb(2) ** -ABSOLUTE_BITS)


def evaluate(
    function: Compiled, arguments: Sequence[Any], precise: int, rough: int = 0, settle: bool = False
) -> Sequence[Any]:
    """The balls of `function` at exact arguments: the first `precise` narrow, the next `rough` to a few digits.

    A result that is not a number at every precision stays so: 0/0 has no value, and neither has what depends on
    whether 0/0 is positive. With `settle`, a comparison that the
    highest precision cannot decide counts as a tie: two equal distances are roots that no number of bits tells apart.
    """
    before = ctx.prec
    bits = START_BITS
    try:
        while True:
            ctx.prec = bits
            balls, trouble = None, None
            try:
                balls = function(*arguments)
            except UndecidedError as undecided:
                trouble = undecided
            if balls is not None and all(
                _narrow(ball, RELATIVE_BITS if position < precise else 8)
                for position, ball in enumerate(balls[: precise + rough])
            ):
                return balls
            if bits >= MOST_BITS:
                if balls is not None:
                    return balls
                if isinstance(trouble, UndefinedError):
                    return [arb("nan")] * (precise + rough)
                if settle and not _ties.settling:
                    _ties.settling = True
                    continue
                ctx.prec = 53
                raise OracleError(f"a branch cannot be decided at {bits} bits for the arguments {arguments}")
            bits *= 2
    finally:
        ctx.prec, _ties.settling = before, False


def to_double_double(ball: Any) -> tuple[float, float]:
    """The middle of a ball as the nearest float64 and what that leaves over."""
    if not isinstance(ball, arb):  # a constant
        before, ctx.prec = ctx.prec, 2 * RELATIVE_BITS
        ball = arb(ball)
        ctx.prec = before
    if not ball.is_finite():
        return float(ball.mid()) if ball.rad().is_finite() else float("nan"), 0.0
    middle = ball.mid()
    high = float(middle)
    if high in (float("inf"), float("-inf")):
        return high, 0.0
    before, ctx.prec = ctx.prec, 128
    low = float(middle - high)
    ctx.prec = before
    return high, low
