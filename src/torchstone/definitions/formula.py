"""Formulas as people type them, read without running anything.

>>> read_formula("tanh(w1*x1 + b)")
tanh(b + w1*x1)
>>> read_domain("y in (0, 1)")
(y, Interval.open(0, 1))
"""

import ast
import difflib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, NoReturn

import sympy as sp

from torchstone.definitions.core import Function

LONGEST = 2000  # characters: what a person types is shorter, and a deep nest would take Python's stack
_MOST_DIGITS = 400

CONSTANTS = {"pi": sp.pi, "E": sp.E, "True": sp.true, "False": sp.false}
# Names that would be read as something else than was meant.
_TELL = {
    "e": "E, or exp(x) for a power of it",
    "I": "real numbers",
    "inf": "finite numbers",
    "oo": "finite numbers",
    "nan": "numbers",
}
ELEMENTARY: Mapping[str, Callable[..., sp.Expr]] = {
    **{
        name: getattr(sp, name)
        for name in (
            *("exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "erf", "erfc", "sign", "Abs"),
            *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "Max", "Min"),
        )
    },
    "ln": sp.log,
    "abs": sp.Abs,
    "max": sp.Max,
    "min": sp.Min,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "logit": lambda p: sp.log(p / (1 - p)),
    "phi": lambda x: sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi),  # the normal density, and its integral
    "Phi": lambda x: (1 + sp.erf(x / sp.sqrt(2))) / 2,
}


@cache
def _catalogue() -> Mapping[str, Function]:
    """The library's functions of numbers, by each of their names."""
    from torchstone.definitions.registry import every

    functions = [entry for entry in every() if isinstance(entry, Function) and not entry.is_vector]
    return {name: entry for entry in functions for name in (entry.name, *entry.aliases)}


def _call(function: Function, *arguments: sp.Expr, **options: sp.Expr) -> sp.Expr:
    """A definition's expression, at these arguments; parameters may be given by name."""
    needed = [entry for entry in function.inputs if entry.default is None]
    names = [entry.name for entry in function.parameters]
    if len(arguments) != len(needed):
        raise TypeError(f"{function.name}: expected {len(needed)} arguments, got {len(arguments)}")
    for option in options:
        if option not in names:
            raise TypeError(f"{function.name}: expected options among {', '.join(names) or 'none'}, got {option}")
    values = {entry.symbol: options.get(entry.name, entry.default) for entry in function.parameters}
    values |= {entry.symbol: value for entry, value in zip(needed, arguments, strict=True)}
    return function.expression.subs(values, simultaneous=True)


_OPERATORS: Mapping[type, Callable[[Any, Any], sp.Basic]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Lt: sp.Lt,
    ast.LtE: sp.Le,
    ast.Gt: sp.Gt,
    ast.GtE: sp.Ge,
    ast.Eq: sp.Eq,
    ast.NotEq: sp.Ne,
}


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


class _Reader:
    """Turns a tree that Python's parser made into an expression; nothing but what is named here passes."""

    def __init__(self, text: str, known: Mapping[str, sp.Basic]) -> None:
        self.text, self.known = text, known

    def fail(self, node: ast.AST, wanted: str, got: str | None = None) -> NoReturn:
        """Say what was expected, and where."""
        column = getattr(node, "col_offset", 0)
        got = got or _shown(ast.get_source_segment(self.text, node) or self.text)
        raise ValueError(f"formula: expected {wanted}, got {got} at character {column + 1} of {_shown(self.text)}")

    def read(self, node: ast.AST) -> Any:
        """The expression of a node."""
        method = getattr(self, f"read_{type(node).__name__}", None)
        if method is None:
            self.fail(node, "numbers, names, + - * / **, comparisons and calls of known functions")
        return method(node)

    def number(self, node: ast.AST) -> sp.Expr:
        """An expression that is a number, not a condition."""
        value = self.read(node)
        if not isinstance(value, sp.Expr):
            self.fail(node, "a number")
        return value

    def condition(self, node: ast.AST) -> sp.Basic:
        """An expression that is true or false."""
        value = self.read(node)
        if not isinstance(value, sp.logic.boolalg.Boolean) or isinstance(value, sp.Symbol):  # SymPy's may be either
            self.fail(node, "a condition, such as x > 0")
        return value

    def read_Constant(self, node: ast.Constant) -> sp.Basic:
        """A whole number, or a decimal as the fraction that its digits say."""
        if isinstance(node.value, bool):
            return sp.true if node.value else sp.false
        if not isinstance(node.value, int | float):
            self.fail(node, "a number")
        digits = (ast.get_source_segment(self.text, node) or "").replace("_", "")
        exponent = re.search(r"[eE]([+-]?\d+)$", digits)
        if len(digits) > _MOST_DIGITS or (exponent and abs(int(exponent[1])) > _MOST_DIGITS):
            self.fail(node, f"a number of at most {_MOST_DIGITS} digits")
        return sp.Rational(digits) if isinstance(node.value, float) else sp.Integer(node.value)

    def read_Name(self, node: ast.Name) -> sp.Basic:
        """A symbol; real, unless it was known before."""
        if node.id in self.known:
            return self.known[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id in _TELL:
            self.fail(node, _TELL[node.id])
        return sp.Symbol(node.id, real=True)

    def read_Subscript(self, node: ast.Subscript) -> sp.Basic:
        """A component of a known vector."""
        base = self.read(node.value)
        if not isinstance(base, sp.IndexedBase):
            self.fail(node, "a number", "a component")
        return base[self.number(node.slice)]

    def read_UnaryOp(self, node: ast.UnaryOp) -> sp.Expr:
        """A sign."""
        if not isinstance(node.op, ast.USub | ast.UAdd):
            self.fail(node, "a sign")
        value = self.number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value

    def read_BinOp(self, node: ast.BinOp) -> sp.Expr:
        """A sum, difference, product, quotient or power."""
        if isinstance(node.op, ast.BitXor):
            self.fail(node, "** for a power", "^")
        left, right = self.number(node.left), self.number(node.right)
        if isinstance(node.op, ast.Pow):
            return self._power(node, left, right)
        if type(node.op) not in _OPERATORS:
            self.fail(node, "one of + - * / **")
        if isinstance(node.op, ast.Div) and right.is_zero:
            self.fail(node.right, "a denominator other than 0")
        return _OPERATORS[type(node.op)](left, right)

    def _power(self, node: ast.BinOp, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if base.is_zero and exponent.is_negative:
            self.fail(node, "a base other than 0")
        # A tower of numbers would be computed to the last digit.
        size = max((part.p.bit_length() + part.q.bit_length() for part in base.atoms(sp.Rational)), default=1)
        if exponent.is_Rational and abs(exponent) * size > 4 * _MOST_DIGITS:
            self.fail(node, "a smaller power")
        value = base**exponent
        if value.is_number and value.is_extended_real is False:
            self.fail(node, "a real number")
        return value

    def read_Compare(self, node: ast.Compare) -> sp.Basic:
        """A comparison, or a chain of them."""
        sides = [self.number(each) for each in (node.left, *node.comparators)]
        if not all(type(each) in _OPERATORS for each in node.ops):
            self.fail(node, "one of < <= > >= == !=")
        return sp.And(*(_OPERATORS[type(op)](*sides[n : n + 2]) for n, op in enumerate(node.ops)))

    def read_BoolOp(self, node: ast.BoolOp) -> sp.Basic:
        """Conditions joined by and, or."""
        join = sp.And if isinstance(node.op, ast.And) else sp.Or
        return join(*(self.condition(each) for each in node.values))

    def read_IfExp(self, node: ast.IfExp) -> sp.Expr:
        """`a if x > 0 else b`."""
        return sp.Piecewise((self.number(node.body), self.condition(node.test)), (self.number(node.orelse), True))

    def _piecewise(self, node: ast.Call) -> sp.Expr:
        """`Piecewise((x, x > 0), (0, True))`."""
        branches = []
        for each in node.args:
            if not isinstance(each, ast.Tuple) or len(each.elts) != 2:
                self.fail(each, "pairs (expression, condition)")
            branches.append((self.number(each.elts[0]), self.condition(each.elts[1])))
        return sp.Piecewise(*branches)

    def read_Call(self, node: ast.Call) -> sp.Expr:
        """A function of the table, or of the library."""
        if not isinstance(node.func, ast.Name):
            self.fail(node.func, "a function's name")
        name = node.func.id
        if name == "Piecewise":
            return self._piecewise(node)
        function = ELEMENTARY.get(name)
        if function is None and name in _catalogue():
            function = partial(_call, _catalogue()[name])
        if function is None:
            near = difflib.get_close_matches(name, [*ELEMENTARY, *_catalogue()], n=3)
            self.fail(node, f"a known function{f', such as {near[0]}' if near else ''}", name)
        if any(keyword.arg is None for keyword in node.keywords):
            self.fail(node, "plain arguments")
        arguments = [self.number(each) for each in node.args]
        options = {str(each.arg): self.number(each.value) for each in node.keywords}
        try:
            value = function(*arguments, **options)
        except TypeError as error:
            self.fail(node, f"arguments that fit {name} ({error})")
        if value.is_extended_real is False or value.has(sp.zoo, sp.nan, sp.oo, -sp.oo):
            self.fail(node, "a real number")
        return value


def _parse(text: str) -> ast.expr:
    if not text.strip():
        raise ValueError("formula: expected an expression, got nothing")
    if len(text) > LONGEST:
        raise ValueError(f"formula: expected at most {LONGEST} characters, got {len(text)}")
    juxtaposed = re.search(r"(?<![\w.])(\d+\.?\d*)(?![eE][+-]?\d)([A-Za-z_(])|\)\s*([\w(])", text)
    if juxtaposed:
        raise ValueError(
            f"formula: expected an operator such as * at character {juxtaposed.end()} of {_shown(text)}, "
            f"got {text[juxtaposed.end() - 1]!r}"
        )
    try:
        with warnings.catch_warnings():  # "1if x" is bad style to Python
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        reserved = re.search(r"\b(lambda|in|is|not|as|def|class|return|yield|await)\b", text)
        hint = f"; {reserved[0]} is a word of Python's" if reserved else ""
        where = f" at character {error.offset}" if error.offset else ""
        raise ValueError(f"formula: expected an expression, got {_shown(text)} ({error.msg}{where}{hint})") from None
    except (RecursionError, MemoryError, ValueError):
        raise ValueError("formula: expected an expression of ordinary depth, got one too deeply nested") from None


def read_formula(text: str, known: Iterable[sp.Basic] = ()) -> sp.Expr:
    """A formula in SymPy's syntax, as an expression. Nothing in it is executed.

    Names are real symbols, or those of `known`. Whole numbers and decimals are exact (`0.1` is 1/10). Functions: the
    elementary ones, and the library's by name (`silu(x)`, `leaky_relu(x, negative_slope=0.2)`). Branches:
    `Piecewise((x, x > 0), (0, True))` or `x if x > 0 else 0`.

    Raises:
        ValueError: for anything else, with the place.

    >>> read_formula("x*sigmoid(0.5*x)")
    x/(1 + exp(-x/2))
    >>> read_formula("2x")
    Traceback (most recent call last):
    ValueError: formula: expected an operator such as * at character 2 of '2x', got 'x'
    """
    text = text.strip()
    reader = _Reader(text, {str(each): each for each in known})
    try:
        return reader.number(_parse(text))
    except RecursionError:
        raise ValueError("formula: expected an expression of ordinary depth, got one too deeply nested") from None


_MEMBER = re.compile(r"^\s*(\w+)\s+in\s+([\[({])(.*)([\])}])\s*$")
_ENDS = {"oo": sp.oo, "inf": sp.oo, "-oo": -sp.oo, "-inf": -sp.oo}


def read_domain(text: str) -> tuple[sp.Symbol, sp.Set]:
    """What is assumed of a symbol: `y in (0, 1)`, `y in [0, 1)`, `n in {1, 2}`, `x > 0`, `0 < y < 1`, `x != 0`.

    Raises `ValueError` for another shape, or where nothing is left of the numbers.

    >>> read_domain("x > 0")
    (x, Interval.open(0, oo))
    """
    member = _MEMBER.match(text)
    symbol, domain = _membership(*member.groups()) if member else _relation(text)
    if domain.is_empty:
        raise ValueError(f"assume: expected numbers that {symbol} may be, got none from {text!r}")
    return symbol, domain


def _membership(name: str, opening: str, inside: str, closing: str) -> tuple[sp.Symbol, sp.Set]:
    ends = [_ENDS[part] if (part := each.strip()) in _ENDS else read_formula(part) for each in inside.split(",")]
    symbol = sp.Symbol(name, real=True)
    if any(not each.is_number for each in ends):
        raise ValueError(f"assume: expected numbers, got {inside!r}")
    if (opening, closing) == ("{", "}"):
        return symbol, sp.FiniteSet(*ends)
    if len(ends) != 2 or "{" in (opening, closing) or "}" in (opening, closing):
        raise ValueError(f"assume: expected an interval such as (0, 1), got {opening}{inside}{closing}")
    return symbol, sp.Interval(*ends, opening == "(", closing == ")")


def _relation(text: str) -> tuple[sp.Symbol, sp.Set]:
    wanted = "a symbol and its numbers, such as 'y in (0, 1)' or 'x > 0'"
    try:
        condition = _Reader(text.strip(), {}).condition(_parse(text.strip()))
    except ValueError as error:
        raise ValueError(f"assume: expected {wanted}, got {text!r} ({error})") from None
    if len(condition.free_symbols) != 1:
        raise ValueError(f"assume: expected {wanted}, got {text!r}")
    (symbol,) = condition.free_symbols
    plain = all(symbol in part.args for part in condition.atoms(sp.core.relational.Relational))
    if not plain:
        raise ValueError(f"assume: expected {wanted}, got {text!r}")
    return symbol, condition.as_set()
