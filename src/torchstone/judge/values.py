"""The value of an expression at a point: an exact rational as far as it stays one, a ball beyond that.

An expression is compiled once, to closures over a point. Sums, components z[j], Kronecker deltas and unknown functions
are evaluated as they stand, so one compilation serves every dimension and every choice of f.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp
from flint import arb, ctx, fmpq
from sympy.core.function import AppliedUndef

MOST_TERMS = 10_000  # of one sum
MOST_BITS = 20_000  # of an exact power; beyond it the power is a ball

Point = dict[Any, Any]  # symbol: number; IndexedBase: {indices: number}; unknown function: (parameters, expression)
Code = Callable[[Point], Any]


class UndefinedValueError(ArithmeticError):
    """No real value here: a division by zero, a logarithm of what is not positive."""


class UndecidedValueError(ArithmeticError):
    """A ball that is too wide to tell, at this precision."""


class UnsupportedError(Exception):
    """An expression that has no rule here."""


def sign(value: Any) -> int:
    """-1, 0 or 1; undecided for a ball about 0."""
    if value > 0:
        return 1
    if value < 0:
        return -1
    if isinstance(value, fmpq) or value.is_zero():
        return 0
    raise UndecidedValueError


def compile_value(expression: sp.Basic) -> Code:
    """A function of a point: a number (fmpq or arb) for an expression, a bool for a condition."""
    return _Compiler(expression).code(expression)


class _Compiler:
    """Turns nodes into closures; what occurs several times and depends on no bound index is kept for the point."""

    def __init__(self, expression: sp.Basic) -> None:
        self.times: Counter[sp.Basic] = Counter()
        self.bound: set[sp.Basic] = set()
        for node in sp.preorder_traversal(expression):
            if node.args:
                self.times[node] += 1
            if isinstance(node, (sp.Sum, sp.Product, sp.Subs)):
                self.bound |= set(node.bound_symbols)
        self.known: dict[sp.Basic, Code] = {}

    def code(self, node: sp.Basic) -> Code:
        if node in self.known:
            return self.known[node]
        code = self._build(node)
        if self.times[node] > 1 and not isinstance(node, sp.Tuple) and not (node.free_symbols & self.bound):
            code = _kept(code, node)
        self.known[node] = code
        return code

    def _build(self, node: sp.Basic) -> Code:
        for kind in type(node).__mro__:
            if kind in _BUILDERS:
                return _BUILDERS[kind](self, node)
        raise UnsupportedError(f"{type(node).__name__} has no numerical rule")


def _kept(code: Code, node: sp.Basic) -> Code:
    def kept(point: Point) -> Any:
        memory = point["memory"]
        if node not in memory:
            memory[node] = code(point)
        return memory[node]

    return kept


def _constant(_: _Compiler, node: Any) -> Code:
    if node.is_Float:
        node = sp.Rational(str(node))
    value = fmpq(int(node.p), int(node.q))
    return lambda point: value


def _symbol(_: _Compiler, node: Any) -> Code:
    def look_up(point: Point) -> Any:
        try:
            return point[node]
        except KeyError:
            raise UnsupportedError(f"{node} has no value") from None

    return look_up


def _whole(value: Any) -> int:
    if not isinstance(value, fmpq) or value.q != 1:
        raise UndefinedValueError
    return int(value.p)


def _indexed(compiler: _Compiler, node: Any) -> Code:
    indices, base = [compiler.code(index) for index in node.indices], node.base
    return lambda point: point[base][tuple(_whole(index(point)) for index in indices)]


def _add(compiler: _Compiler, node: Any) -> Code:
    first, *rest = [compiler.code(each) for each in node.args]

    def add(point: Point) -> Any:
        total = first(point)
        for term in rest:
            total = total + term(point)
        return total

    return add


def _mul(compiler: _Compiler, node: Any) -> Code:
    first, *rest = [compiler.code(each) for each in node.args]

    def multiply(point: Point) -> Any:
        product = first(point)
        for factor in rest:
            product = product * factor(point)
        return product

    return multiply


def _whole_power(base: Any, exponent: int) -> Any:
    if isinstance(base, fmpq):
        if base == 0:
            if exponent < 0:
                raise UndefinedValueError
            return fmpq(int(exponent == 0))
        if (base.p.bit_length() + base.q.bit_length()) * abs(exponent) <= MOST_BITS:
            return base**exponent
    if exponent < 0 and arb(base).contains(0):
        raise UndecidedValueError
    return _finite(arb(base) ** exponent)


def power(base: Any, exponent: Any) -> Any:
    """base**exponent as a real number: a negative base needs a whole exponent."""
    if isinstance(exponent, fmpq) and exponent.q == 1:
        return _whole_power(base, int(exponent.p))
    direction = sign(base)
    if direction < 0:
        raise UndefinedValueError
    if direction == 0:
        if sign(exponent) <= 0:
            raise UndefinedValueError
        return fmpq(0)
    if isinstance(exponent, fmpq) and exponent.q == 2:
        root = _root(base)
        return _whole_power(root, int(exponent.p))
    return _finite((arb(base).log() * exponent).exp())


def _root(value: Any) -> Any:
    if isinstance(value, fmpq):
        top, bottom = sp.integer_nthroot(int(value.p), 2), sp.integer_nthroot(int(value.q), 2)
        if top[1] and bottom[1]:
            return fmpq(int(top[0]), int(bottom[0]))
    return arb(value).sqrt()


def _pow(compiler: _Compiler, node: Any) -> Code:
    base, exponent = compiler.code(node.base), compiler.code(node.exp)
    if node.exp.is_Integer and abs(node.exp) < 10**9:
        whole = int(node.exp)
        return lambda point: _whole_power(base(point), whole)
    if node.base is sp.E:
        return lambda point: _exp(exponent(point))
    return lambda point: power(base(point), exponent(point))


def _finite(ball: arb) -> arb:
    if not ball.is_finite():
        raise UndecidedValueError
    return ball


def _exp(value: Any) -> Any:
    if isinstance(value, fmpq) and value == 0:
        return fmpq(1)
    return _finite(arb(value).exp())


def _log(value: Any) -> Any:
    if isinstance(value, fmpq) and value == 1:
        return fmpq(0)
    if sign(value) <= 0:
        raise UndefinedValueError
    return arb(value).log()


def _heaviside(value: Any, at_zero: Any = None) -> Any:
    # At its jump a Heaviside function is a convention: no value to judge by.
    direction = sign(value)
    if direction == 0:
        if at_zero is None:
            raise UndefinedValueError
        return at_zero
    return fmpq(int(direction > 0))


def _within(low: int | None, high: int | None, method: str) -> Callable[[Any], Any]:
    """A function that is real between two bounds only."""

    def function(value: Any) -> Any:
        if (low is not None and sign(value - low) < 0) or (high is not None and sign(value - high) > 0):
            raise UndefinedValueError
        return _finite(getattr(arb(value), method)())

    return function


def _everywhere(method: str, at_zero: int | None = None) -> Callable[[Any], Any]:
    def function(value: Any) -> Any:
        if at_zero is not None and isinstance(value, fmpq) and value == 0:
            return fmpq(at_zero)
        return _finite(getattr(arb(value), method)())

    return function


def _gamma(value: Any) -> Any:
    if isinstance(value, fmpq) and value.q == 1:
        if value <= 0:
            raise UndefinedValueError
        if value < 200:
            return fmpq(int(sp.factorial(int(value.p) - 1)))
    return _finite(arb(value).gamma())


def _binomial(top: Any, bottom: Any) -> Any:
    return _gamma(top + 1) / (_gamma(bottom + 1) * _gamma(top - bottom + 1))


def _floor(value: Any) -> Any:
    if isinstance(value, fmpq):
        return fmpq(value.floor())
    whole = value.floor().unique_fmpz()
    if whole is None:
        raise UndecidedValueError
    return fmpq(whole)


def _extreme(direction: int) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        best = values[0]
        for value in values[1:]:
            if isinstance(best, fmpq) and isinstance(value, fmpq):
                best = max(best, value) if direction > 0 else min(best, value)
            else:
                best = arb(best).max(arb(value)) if direction > 0 else arb(best).min(arb(value))
        return best

    return extreme


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: _exp,
    sp.log: _log,
    sp.Abs: abs,
    sp.sign: lambda value: fmpq(sign(value)),
    sp.Heaviside: _heaviside,
    sp.Max: _extreme(1),
    sp.Min: _extreme(-1),
    sp.factorial: lambda value: _gamma(value + 1),
    sp.gamma: _gamma,
    sp.binomial: _binomial,
    sp.floor: _floor,
    sp.ceiling: lambda value: -_floor(-value),
    sp.loggamma: _within(0, None, "lgamma"),
    sp.digamma: _everywhere("digamma"),
    sp.KroneckerDelta: lambda left, right: fmpq(int(sign(left - right) == 0)),
    sp.asin: _within(-1, 1, "asin"),
    sp.acos: _within(-1, 1, "acos"),
    sp.acosh: _within(1, None, "acosh"),
    sp.atanh: _within(-1, 1, "atanh"),
    sp.re: lambda value: value,
    sp.conjugate: lambda value: value,
    **{
        getattr(sp, name): _everywhere(name, 0)
        for name in ("sin", "tan", "sinh", "tanh", "atan", "asinh", "erf", "erfi")
    },
    **{getattr(sp, name): _everywhere(name, 1) for name in ("cos", "cosh", "erfc", "sec", "sech")},
    **{getattr(sp, name): _everywhere(name) for name in ("cot", "csc", "coth", "csch")},
}


def _function(compiler: _Compiler, node: Any) -> Code:
    rule = next(_FUNCTIONS[kind] for kind in type(node).__mro__ if kind in _FUNCTIONS)
    arguments = [compiler.code(argument) for argument in node.args]
    if isinstance(node, sp.Heaviside) and node.args[1] == sp.S.Half:
        arguments = arguments[:1]
    if len(arguments) == 1:
        (argument,) = arguments
        return lambda point: rule(argument(point))
    return lambda point: rule(*(argument(point) for argument in arguments))


def _number_symbol(_: _Compiler, node: Any) -> Code:
    rules = {
        sp.pi: arb.pi,
        sp.E: lambda: arb(1).exp(),
        sp.EulerGamma: arb.const_euler,
        sp.Catalan: arb.const_catalan,
        sp.GoldenRatio: lambda: (1 + arb(5).sqrt()) / 2,
    }
    if node not in rules:
        raise UnsupportedError(f"{node} is no number here")
    rule = rules[node]
    return lambda point: rule()


def _piecewise(compiler: _Compiler, node: Any) -> Code:
    branches = [(compiler.code(value), compiler.code(condition)) for value, condition in node.args]

    def piecewise(point: Point) -> Any:
        for value, condition in branches:
            if condition(point):
                return value(point)
        raise UndefinedValueError

    return piecewise


_SIGNS: dict[str, tuple[int, ...]] = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1), "==": (0,), "!=": (-1, 1)}


def _relational(compiler: _Compiler, node: Any) -> Code:
    left, right, wanted = compiler.code(node.lhs), compiler.code(node.rhs), _SIGNS[node.rel_op]
    return lambda point: sign(left(point) - right(point)) in wanted


def _connective(join: Callable[[Any], bool]) -> Callable[[_Compiler, Any], Code]:
    def build(compiler: _Compiler, node: Any) -> Code:
        parts = [compiler.code(part) for part in node.args]
        return lambda point: join(part(point) for part in parts)

    return build


def _not(compiler: _Compiler, node: Any) -> Code:
    part = compiler.code(node.args[0])
    return lambda point: not part(point)


def _repeated(plus: bool) -> Callable[[_Compiler, Any], Code]:
    """Sum and Product with whole bounds."""

    def build(compiler: _Compiler, node: Any) -> Code:
        code = compiler.code(node.function)
        for index, low, high in node.limits:
            code = _loop(code, index, compiler.code(low), compiler.code(high), plus)
        return code

    return build


def _loop(body: Code, index: sp.Basic, low: Code, high: Code, plus: bool) -> Code:
    def loop(point: Point) -> Any:
        first, last = _whole(low(point)), _whole(high(point))
        if last < first - 1 or last - first > MOST_TERMS:
            raise UndefinedValueError
        total, before = fmpq(0 if plus else 1), point.get(index)
        for value in range(first, last + 1):
            point[index] = fmpq(value)
            total = total + body(point) if plus else total * body(point)
        point[index] = before
        return total

    return loop


def _applied(compiler: _Compiler, node: Any) -> Code:
    """f(x) for an unknown f: the point says which function stands for it."""
    function, arguments = node.func, [compiler.code(argument) for argument in node.args]
    return lambda point: _call(point, function, (), [argument(point) for argument in arguments])


def _call(point: Point, function: Any, orders: tuple[int, ...], values: list[Any]) -> Any:
    parameters, body = point[function]
    codes = point["functions"]
    if (function, orders) not in codes:
        derived = body
        for parameter, order in zip(parameters, orders, strict=False):
            derived = sp.diff(derived, parameter, order) if order else derived
        codes[function, orders] = compile_value(derived)
    return codes[function, orders]({**dict(zip(parameters, values, strict=True)), "memory": {}})


def slots(node: Any) -> tuple[Any, tuple[int, ...], tuple[sp.Expr, ...]]:
    """An unknown function's derivative as (function, order by each argument, arguments)."""
    replaced: dict[sp.Basic, sp.Basic] = {}
    if isinstance(node, sp.Subs):
        replaced = dict(zip(node.variables, node.point, strict=True))
        node = node.expr
    applied = node.expr if isinstance(node, sp.Derivative) else node
    if not isinstance(applied, AppliedUndef):
        raise UnsupportedError(f"{node} is no derivative of an unknown function")
    counts = dict(node.variable_count) if isinstance(node, sp.Derivative) else {}
    if any(applied.args.count(variable) != 1 or not count.is_Integer for variable, count in counts.items()):
        raise UnsupportedError(f"{node} is no plain derivative")
    orders = tuple(int(counts.get(argument, 0)) for argument in applied.args)
    return applied.func, orders, tuple(argument.subs(replaced) if replaced else argument for argument in applied.args)


def _derivative(compiler: _Compiler, node: Any) -> Code:
    function, orders, arguments = slots(node)
    codes = [compiler.code(argument) for argument in arguments]
    return lambda point: _call(point, function, orders, [code(point) for code in codes])


def _truth(_: _Compiler, node: Any) -> Code:
    value = bool(node)
    return lambda point: value


_BUILDERS: Mapping[Any, Callable[[_Compiler, Any], Code]] = {
    sp.Rational: _constant,
    sp.Float: _constant,
    sp.NumberSymbol: _number_symbol,
    sp.Symbol: _symbol,
    sp.Indexed: _indexed,
    sp.Add: _add,
    sp.Mul: _mul,
    sp.Pow: _pow,
    sp.Piecewise: _piecewise,
    sp.core.relational.Relational: _relational,
    sp.And: _connective(all),
    sp.Or: _connective(any),
    sp.Not: _not,
    sp.Sum: _repeated(True),
    sp.Product: _repeated(False),
    AppliedUndef: _applied,
    sp.Derivative: _derivative,
    sp.Subs: _derivative,
    sp.logic.boolalg.BooleanTrue: _truth,
    sp.logic.boolalg.BooleanFalse: _truth,
    **dict.fromkeys(_FUNCTIONS, _function),
}


def is_valueless(expression: sp.Basic) -> bool:
    """Whether SymPy has found that an expression is infinite, undefined or not real."""
    return bool(expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I, sp.AccumBounds))


def at_bits(bits: int, code: Code, point: Point) -> Any:
    """The value with balls of so many bits."""
    before, ctx.prec = ctx.prec, bits
    point["memory"] = {}
    try:
        return code(point)
    except ZeroDivisionError:
        raise UndefinedValueError from None
    finally:
        ctx.prec = before
