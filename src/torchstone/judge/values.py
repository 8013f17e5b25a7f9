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

from torchstone.judge.functions import (
    FUNCTIONS,
    UndefinedValueError,
    UnsupportedError,
    exponential,
    positive,
    power,
    sign,
    whole_power,
)

MOST_TERMS = 10_000  # of one sum

Point = dict[Any, Any]  # symbol: number; IndexedBase: {indices: number}; unknown function: (parameters, expression)
Code = Callable[[Point], Any]


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


def _pow(compiler: _Compiler, node: Any) -> Code:
    base, exponent = compiler.code(node.base), compiler.code(node.exp)
    if node.exp.is_Integer and abs(node.exp) < 10**9:
        whole = int(node.exp)
        return lambda point: whole_power(base(point), whole)
    if node.base is sp.E:
        return lambda point: exponential(exponent(point))
    if node.exp.free_symbols and node.base.free_symbols and not node.exp.is_integer:
        # A power with a real variable for exponent is exp(y log x): of positive numbers only, whatever y happens to be.
        return lambda point: power(positive(base(point)), exponent(point))
    return lambda point: power(base(point), exponent(point))


def _function(compiler: _Compiler, node: Any) -> Code:
    rule = next(FUNCTIONS[kind] for kind in type(node).__mro__ if kind in FUNCTIONS)
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
    **dict.fromkeys(FUNCTIONS, _function),
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
