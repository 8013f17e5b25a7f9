"""Sums and their indices: values put in, few terms written out, Kronecker deltas taken in."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning.written import plain

_MOST_TERMS = 64
Values = Mapping[sp.Basic, sp.Basic]


def opened(e: sp.Sum) -> tuple[sp.Expr, sp.Symbol, sp.Expr, sp.Expr]:
    """A sum's body, index, beginning and end; of a sum of sums, which SymPy keeps as one, those of the outer one."""
    index, first, last = e.limits[-1]
    return (e.function if len(e.limits) == 1 else type(e)(e.function, *e.limits[:-1])), index, first, last


def put(e: sp.Basic, values: Values) -> sp.Basic:
    """Values for symbols, all at once. A sum's index that a value holds too gets another name.

    >>> import sympy as sp
    >>> z, i, j = sp.IndexedBase("z"), sp.Symbol("i", integer=True), sp.Symbol("j", integer=True)
    >>> put(sp.Sum(z[j] - z[i], (j, 1, sp.Symbol("n"))), {i: j})
    Sum(-z[j] + z[j_], (j_, 1, n))
    """
    if e in values or not e.args:
        return values.get(e, e)
    for kind, rule in _PUT.items():
        if isinstance(e, kind):
            return rule(e, values)
    return e.func(*(put(argument, values) for argument in e.args))


def _put_in_sum(e: sp.Sum, values: Values) -> sp.Expr:
    body, index, first, last = opened(e)
    inner = {symbol: value for symbol, value in values.items() if symbol != index}
    taken = {symbol for value in inner.values() for symbol in value.free_symbols}
    while index in taken:
        fresh = sp.Symbol(f"{index.name}_", integer=True)
        body, index = put(body, {index: fresh}), fresh
    return finite(type(e)(put(body, inner), (index, put(first, values), put(last, values))))


def _put_in_slope(e: sp.Derivative | sp.Subs, values: Values) -> sp.Expr:
    return e.subs(list(values.items()), simultaneous=True)


def _put_in_component(e: sp.Indexed, values: Values) -> sp.Expr:
    return component(values.get(e.base, e.base), tuple(put(index, values) for index in e.indices))


_PUT = {
    (sp.Sum, sp.Product): _put_in_sum,
    (sp.Subs, sp.Derivative): _put_in_slope,
    sp.Indexed: _put_in_component,
}


def component(vector: sp.Expr, indices: tuple[sp.Expr, ...]) -> sp.Expr:
    """A component of a vector, or of what is done to each: of z + c it is z_i + c."""
    bases = vector.atoms(sp.IndexedBase)
    if not bases:
        raise tree.LatexError(f"{plain(vector)} stands where a vector is expected")
    return vector.xreplace({base: base[indices] for base in bases})


def finite(e: sp.Sum) -> sp.Expr:
    """A sum or product with few terms, written out."""
    body, index, first, last = opened(e)
    if not (first.is_Integer and last.is_Integer and last - first < _MOST_TERMS):
        return e
    terms = [put(body, {index: sp.Integer(n)}) for n in range(int(first), int(last) + 1)]
    return sp.Add(*terms) if isinstance(e, sp.Sum) else sp.Mul(*terms)


def with_other_bounds(e: sp.Expr, taken: set[sp.Symbol]) -> sp.Expr:
    """Sums over indices that are none of those taken: in d/dz_j of a sum over j, the two j's are not the same."""

    def renamed(each: sp.Sum) -> sp.Expr:
        body, index, first, last = opened(each)
        if index in taken:
            fresh = sp.Symbol(f"{index.name}_", integer=True)
            body, index = put(body, {index: fresh}), fresh
        return type(each)(with_other_bounds(body, taken), (index, first, last))

    return e.replace(lambda each: isinstance(each, sp.Sum | sp.Product), renamed)


def collapsed(e: sp.Expr) -> sp.Expr:
    """Sums of what holds a Kronecker delta in their index: one term each. An index lies in its range."""
    if not e.has(sp.KroneckerDelta) or not e.has(sp.Sum):
        return e
    if not isinstance(e, sp.Sum):
        return e.func(*map(collapsed, e.args))
    body, index, first, last = opened(e)
    found: list[sp.Expr] = []
    for term in sp.Add.make_args(sp.expand_mul(collapsed(body))):
        deltas = [factor for factor in sp.Mul.make_args(term) if isinstance(factor, sp.KroneckerDelta)]
        own = next((delta for delta in deltas if index in delta.args), None)
        if own is not None:
            other = own.args[0] if own.args[1] == index else own.args[1]
            found.append(put(term / own, {index: other}))
        else:
            # Those of other indices go in front, where a sum around this one finds them.
            outside = sp.Mul(*deltas)
            found.append(outside * sp.Sum(term / outside, (index, first, last)))
    return sp.Add(*found)


def with_plain_bounds(a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The same sums with the same indices on both sides: j, in a sum over a sum k, and so on."""
    taken = {str(symbol) for symbol in a.free_symbols | b.free_symbols}
    names = [name for name in ("j", "k", "l", "m", "r", "s", "j1", "j2", "j3", "j4") if name not in taken]
    return _renamed(a, names), _renamed(b, names)


def _renamed(e: sp.Basic, names: list[str]) -> sp.Basic:
    if not e.args or not e.has(sp.Sum, sp.Product):
        return e
    if not isinstance(e, sp.Sum | sp.Product):
        return e.func(*(_renamed(argument, names) for argument in e.args))
    body, index, first, last = opened(e)
    body, height = _renamed(body, names), _height(body)
    if height < len(names):
        fresh = sp.Symbol(names[height], integer=True)
        body, index = put(body, {index: fresh}), fresh
    return type(e)(body, (index, _renamed(first, names), _renamed(last, names)))


def _height(e: sp.Basic) -> int:
    """How deep sums stand in sums."""
    deepest = max(map(_height, e.args), default=0)
    return deepest + len(e.limits) if isinstance(e, sp.Sum | sp.Product) else deepest
