"""Sums, products and limits with what they work on; sums written with dots, products of vectors, indicators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning.indices import put
from torchstone.prove.meaning.shapes import bound_variable, is_dots
from torchstone.prove.meaning.written import Lim, Mean, plus, times

if TYPE_CHECKING:
    from torchstone.prove.meaning.reader import Reader

_FIRST_NUMBERS = range(-3, 6)  # with which a sum written with dots may begin


def read_big(reader: Reader, big: tree.Big, body: tree.Node) -> sp.Expr:
    """A sum, product or limit of a body."""
    if big.kind == "lim":
        return _limit(reader, big, body)
    if big.kind not in ("sum", "prod"):
        raise tree.LatexError(
            f"{'an integral' if big.kind == 'int' else big.kind + ' over an index'} is not read", big.at
        )
    index, first, last, excluded = _range(reader, big)
    e = reader.read(body)
    if last is None:
        last = reader.scope.size_for(e, index)
    for other in excluded:
        e = times(e, plus([sp.S.One, -sp.KroneckerDelta(index, other)]))
    return (sp.Sum if big.kind == "sum" else sp.Product)(e, (index, first, last))


def _range(reader: Reader, big: tree.Big) -> tuple[sp.Symbol, sp.Expr, sp.Expr | None, list[sp.Expr]]:
    """What a sum runs over, from where to where (None: not said), and what it leaves out."""
    name = bound_variable(big)
    if name is None:
        raise tree.LatexError("expected an index under the sum, such as i = 1", big.at)
    lower = big.lower
    parts = lower.parts if isinstance(lower, tree.Group) else (lower,)
    index, first, excluded = sp.Symbol(name, integer=True), sp.S.One, []
    for part in parts:
        match part:
            case tree.Statement(relations=("=",), sides=(_, tree.Node() as value)):
                first = reader.read(value)
            case tree.Statement(relations=("!=",), sides=(_, tree.Node() as value)):
                excluded.append(reader.read(value))
            case tree.Name():
                pass
            case _:
                raise tree.LatexError("expected an index under the sum, such as i = 1", big.at)
    return index, first, None if big.upper is None else reader.read(big.upper), excluded


def _limit(reader: Reader, big: tree.Big, body: tree.Node) -> sp.Expr:
    match big.lower:
        case tree.Statement(relations=("to",), sides=(tree.Node() as variable, tree.Node() as place)):
            side = "+-"
            if isinstance(place, tree.Scripted) and isinstance(place.superscript, tree.Name):
                side = place.superscript.name
                place = place.base
            symbol = reader.read(variable)
            if isinstance(symbol, sp.Symbol) and side in ("+", "-", "+-"):
                return Lim(reader.read(body), symbol, reader.read(place), sp.Symbol(side))
    raise tree.LatexError("expected a place under the limit, such as h \\to 0", big.at)


def read_dots(reader: Reader, node: tree.Sum) -> sp.Expr:
    """1 + q + ... + q^n: the sum whose general term is the last one's, where the first ones agree with it."""
    places = [n for n, (_, term) in enumerate(node.terms) if is_dots(term)]
    signs = {sign for sign, _ in node.terms}
    refused = tree.LatexError("what do the dots stand for? Write the sum with \\sum", node.terms[places[0]][1].at)
    if len(places) != 1 or signs != {"+"} or places[0] == 0 or places[0] != len(node.terms) - 2:
        raise refused
    first = [reader.read(term) for _, term in node.terms[: places[0]]]
    last = reader.read(node.terms[-1][1])
    known = {symbol for term in first for symbol in term.free_symbols}
    for letter in sorted(last.free_symbols - known, key=str):
        if not letter.is_integer:
            continue
        index = sp.Symbol("k" if letter.name != "k" else "l", integer=True)
        general = put(last, {letter: index})
        for begin in _FIRST_NUMBERS:
            if all(_alike(term, put(general, {index: sp.Integer(begin + n)})) for n, term in enumerate(first)):
                return sp.Sum(general, (index, sp.Integer(begin), letter))
    raise refused


def has_dots(node: tree.Sum) -> bool:
    """Whether some terms are left out."""
    return any(is_dots(term) for _, term in node.terms)


def _alike(a: sp.Expr, b: sp.Expr) -> bool:
    return bool(sp.simplify(a.doit() - b.doit()) == 0)


def inner_product(reader: Reader, left: sp.IndexedBase, right: sp.IndexedBase) -> sp.Expr:
    """w^T x: the sum of the products of the components."""
    taken = reader.scope.letters.indices
    index = sp.Symbol(next(name for name in ("l", "m", "r", "s", "l_") if name not in taken), integer=True)
    body = times(left[index], right[index])
    return sp.Sum(body, (index, sp.S.One, reader.scope.size_for(body, index)))


def indicator(reader: Reader, condition: tree.Node) -> sp.Expr:
    """1 where a condition is met, else 0."""
    said = reader.condition(condition)
    if isinstance(said, sp.Eq) and all(side.is_integer for side in said.args):
        return sp.KroneckerDelta(*said.args, evaluate=False)
    return sp.Piecewise((sp.S.One, said), (sp.S.Zero, sp.true), evaluate=False)


def expectation(reader: Reader, group: tree.Group) -> sp.Expr:
    """E[...]."""
    if len(group.parts) != 1 or isinstance(group.parts[0], tree.Given | tree.Statement):
        raise tree.LatexError("a conditional expectation is not read", group.at)
    value = reader.value(group.parts[0])
    return Mean(reader.scope.symbol(str(value)) if isinstance(value, sp.IndexedBase) else value)
