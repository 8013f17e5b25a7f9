"""What is known at a place in a document, and what the next formula is there: a definition, a claim, something given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import targets, tree
from torchstone.prove.expansion import Expansion, put
from torchstone.prove.functions import KNOWN, OF_VECTORS, is_known
from torchstone.prove.letters import Letters, index_parts, is_symbol, plain_name
from torchstone.prove.meaning import RELATIONS, Reader, Reading
from torchstone.prove.written import Component, Inverse, Prime, Slope, plain


@dataclass(frozen=True)
class Definition:
    """What a name stands for: y = ..., f(x) = ..., p_i = ..., softmax(z)_i = ..."""

    name: str
    body: sp.Expr  # as written
    line: int
    parameters: tuple[sp.Expr, ...] = ()
    index: tuple[sp.Expr, ...] = ()
    special: bool = False  # a number for a symbol, K = 2: another number may follow


class Scope:
    """What is known: definitions, domains, relations that are given, and what each letter is."""

    def __init__(self) -> None:
        self.letters = Letters()
        self.definitions: dict[str, Definition] = {}
        self.slopes: dict[tuple[str, str, int], sp.Expr] = {}  # of what has no definition: du/dx = 2
        self.domains: dict[sp.Basic, sp.Set] = {}
        self.given: tuple[sp.Basic, ...] = ()
        self.previous: sp.Expr | None = None
        self.lost = False  # whether the line before could not be read
        self._inherited: set[str] = set()
        self._used: set[str] = set()
        self._values: dict[sp.Basic, sp.Expr] = {}  # of one statement's conditions: i = k

    def child(self) -> Scope:
        """The scope of a new heading. What it inherits may be defined anew until it is used."""
        scope = self._copy()
        scope.letters = self.letters.copy()
        scope.previous, scope.lost = None, False
        scope._inherited, scope._used = set(self.definitions), set()
        return scope

    def _copy(self) -> Scope:
        scope = Scope()
        scope.letters, scope.previous, scope.given = self.letters, self.previous, self.given
        scope.definitions, scope.slopes, scope.domains = dict(self.definitions), dict(self.slopes), dict(self.domains)
        scope._inherited, scope._used, scope._values = self._inherited, self._used, dict(self._values)
        return scope

    def announce(self, statements: Iterable[tree.Statement]) -> None:
        """Look through a section before it is read: what its letters are doesn't depend on the order."""
        self.letters.add(statements)

    def read(self, statement: tree.Statement, line: int) -> list[Reading]:
        """The statement's steps. Raises `LatexError` where it has no meaning."""
        try:
            readings = self._read(statement, line)
        except tree.LatexError:
            self.previous, self.lost = None, True
            raise
        except RecursionError:
            self.previous, self.lost = None, True
            raise tree.LatexError("this formula is nested too deeply", statement.at) from None
        except (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError, KeyError, IndexError):
            # SymPy refuses in many ways; whoever wrote the formula should learn only that it was refused.
            self.previous, self.lost = None, True
            raise tree.LatexError("this formula has no meaning that can be worked with", statement.at) from None
        self.lost = False
        return readings

    def _read(self, statement: tree.Statement, line: int) -> list[Reading]:
        if not any(statement.sides):
            raise tree.LatexError("there is no formula here", statement.at)
        if not statement.relations:
            return [self._lone(statement)]
        scope = self._under(statement.conditions)
        if statement.sides[0] is not None and targets.is_given(self, statement):
            return self._take_as_given(statement)
        reader = Reader(scope)
        left = self._first(reader, statement)
        readings = []
        at = statement.at if statement.sides[0] is None else statement.sides[0].at
        for number, (relation, node) in enumerate(zip(statement.relations, statement.sides[1:])):
            assert node is not None
            if relation in ("~", "to"):
                raise tree.LatexError("only =, <, > and the like are judged", node.at)
            if relation == "in":
                readings += scope._membership(left, node)
                continue
            right = reader.value(node)
            reading = None
            if relation == "=" and number == 0 and not statement.conditions:
                reading = self._definition(statement, left, right, line)
            if reading is None:
                reading = scope._claim(left, right, relation, at)
            readings.append(reading)
            left, at = right, node.at
        self.previous = left
        for reading in readings:
            self._used |= self._reach(reading.left, deep=False) | self._reach(reading.right, deep=False)
        return readings

    def _lone(self, statement: tree.Statement) -> Reading:
        node = statement.sides[0]
        assert node is not None
        expression = Reader(self).value(node)
        self.previous = expression
        self._used |= self._reach(expression, deep=False)
        return Reading(
            "expression", expression, expression, "", plain(expression), node.at, None, None, {}, self._rebuild("=")
        )

    def _first(self, reader: Reader, statement: tree.Statement) -> sp.Expr:
        node = statement.sides[0]
        if node is not None:
            reader.wrt = targets.argument(self, node)
            return reader.value(node)
        if self.previous is None:
            reason = "what stands before it could not be read" if self.lost else "nothing stands before it"
            raise tree.LatexError(f"this begins with a relation, and {reason}", statement.at)
        reader.wrt = self.variable_of(self.previous)
        return self.previous

    # Definitions

    def _definition(self, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int) -> Reading | None:
        """The reading of an equation that defines its left side; None where it does not."""
        first = statement.sides[0]
        if first is None:
            return None
        definition = targets.defined_by(self, first, left, right, line)
        if definition is None and isinstance(left, Slope) and self._defines_a_slope(left, right):
            self.slopes[plain(left.args[0]), plain(left.args[1]), int(left.args[2])] = right
            return self._defining(left, right, first.at)
        if definition is None or not (statement.defines or self._may_define(definition)):
            return None
        if definition.name in self._reach(definition.body):
            return None
        before = self.definitions.get(targets.key(definition))
        note = f"in place of line {before.line}" if before and targets.key(definition) not in self._inherited else ""
        if not isinstance(right, sp.IndexedBase) and not definition.index:
            self.settled(right, first.at)
        self.definitions[targets.key(definition)] = definition
        self._inherited.discard(targets.key(definition))
        return self._defining(left, right, first.at, note)

    def _may_define(self, definition: Definition) -> bool:
        key = targets.key(definition)
        known = self.definitions.get(key) or self.definitions.get(definition.name)
        if known is None:
            if is_known(definition.name):
                usual = KNOWN.get(definition.name)
                return not (usual and usual.fixed) and definition.name not in self._used
            return True
        if known.special:
            return definition.special or not known.body.is_Number
        return definition.name in self._inherited and definition.name not in self._used

    def _defines_a_slope(self, left: Slope, right: sp.Expr) -> bool:
        body, variable, order = left.args
        if not isinstance(body, sp.Symbol) or body.name in self.definitions or order != 1:
            return False
        known = (plain(body), plain(variable), 1) in self.slopes
        return not known and variable in self.roots(body.name) and body.name not in self._reach(right)

    def _defining(self, left: sp.Expr, right: sp.Expr, at: int, note: str = "") -> Reading:
        text = f"definition: {plain(left)} = {plain(right)}"
        return Reading("definition", left, right, "=", text, at, None, None, {}, self._rebuild("="), note)

    # What is given

    def _under(self, conditions: tuple[tree.Statement, ...]) -> Scope:
        """This scope with a statement's conditions taken in."""
        if not conditions:
            return self
        scope = self._copy()
        for condition in conditions:
            scope._take_as_given(condition)
        return scope

    def _take_as_given(self, statement: tree.Statement) -> list[Reading]:
        reader = Reader(self)
        readings = []
        for left, sign, right in zip(statement.sides, statement.relations, statement.sides[1:]):
            if left is None or right is None:
                raise tree.LatexError("expected a condition such as x > 0", statement.at)
            if sign == "in":
                symbols = left.parts if isinstance(left, tree.Group) else (left,)
                domain, text = targets.domain(reader, right)
                for each in symbols:
                    self._narrow(reader.value(each), domain)
                a, b, shown = reader.value(symbols[0]), sp.S.Zero, text
                readings.append(self._given_reading(a, b, sign, f"{plain(a)} in {shown}", left.at))
                continue
            if sign not in RELATIONS:
                raise tree.LatexError("only =, <, > and the like are judged", statement.at)
            a, b = reader.read(left), reader.read(right)
            self._relate(a, sign, b)
            readings.append(self._given_reading(a, b, sign, f"{plain(a)} {sign} {plain(b)}", left.at))
        return readings

    def _given_reading(self, a: sp.Expr, b: sp.Expr, sign: str, text: str, at: int) -> Reading:
        return Reading("given", a, b, sign, f"given: {text}", at, None, None, {}, self._rebuild("="))

    def _relate(self, a: sp.Expr, sign: str, b: sp.Expr) -> None:
        """Take a relation for granted: as a domain where it bounds one symbol by a number."""
        if b.is_Symbol and not a.free_symbols:
            mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
            a, sign, b = b, mirrored.get(sign, sign), a
        is_place = isinstance(a, sp.Symbol | sp.Indexed)
        if sign == "=" and isinstance(a, sp.Symbol) and (b.is_number or isinstance(b, sp.Symbol)):
            self._values[a] = b
        elif is_place and b.is_number and sign in _HALF_LINES and not self.has_meaning(a):
            self._narrow(a, _HALF_LINES[sign](b))
        else:
            left, right = self.settled(a), self.settled(b)
            self.given = (*self.given, RELATIONS[sign](left, right))

    def _narrow(self, symbol: sp.Expr, domain: sp.Set) -> None:
        place = symbol.base if isinstance(symbol, sp.Indexed) else symbol
        if domain != sp.S.Reals:
            self.domains[place] = self.domains.get(place, sp.S.Reals).intersect(domain)

    def _membership(self, left: sp.Expr, node: tree.Node) -> list[Reading]:
        """y in (0, 1) for a y that is defined: two inequalities to show."""
        domain, _ = targets.domain(Reader(self), node)
        if not isinstance(domain, sp.Interval):
            raise tree.LatexError("whether this lies in the set is not judged", node.at)
        readings = []
        if domain.start.is_finite:
            readings.append(self._claim(left, domain.start, ">" if domain.left_open else ">=", node.at))
        if domain.end.is_finite:
            readings.append(self._claim(left, domain.end, "<" if domain.right_open else "<=", node.at))
        return readings

    # Claims

    def _claim(self, left: sp.Expr, right: sp.Expr, relation: str, at: int) -> Reading:
        scope = self._copy()
        claim, note = scope._judged(left, right, relation, at, {})
        names = sorted(self._reach(left, deep=False) | self._reach(right, deep=False))
        used = {name: self.definitions[name].body for name in names if name in self.definitions}
        if isinstance(left, sp.Symbol) and left.name in self.definitions:
            before = self.definitions[left.name]
            note = note or f"{plain(left)} was defined on line {before.line}"
        text = f"{plain(left)} {relation} {plain(right)}"
        loose = scope._loose(left, right, relation, claim)
        return Reading("claim", left, right, relation, text, at, claim, loose, used, scope._rebuild(relation, at), note)

    def _rebuild(self, relation: str, at: int = 0):  # noqa: ANN202
        def rebuild(left: sp.Expr, right: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
            return self._judged(left, right, relation, at, changed)[0]

        return rebuild

    def _judged(
        self, left: sp.Expr, right: sp.Expr, relation: str, at: int, changed: Mapping[str, sp.Expr]
    ) -> tuple[Claim, str]:
        """The claim with everything put in."""
        expansion = Expansion(self, at, changed)
        if isinstance(left, Inverse) and left.args[0].func.__name__ in self.definitions:
            # f^-1(y) = r says that f(r) = y.
            call = left.args[0]
            left, right = call.func(right), call.args[0]
        a, b = expansion.of(left), expansion.of(right)
        if self._values:
            a, b = put(a, self._values), put(b, self._values)
        a, b, note = self._with_sizes(a, b)
        for side in (a, b):
            if side.has(sp.nan, sp.zoo):
                raise tree.LatexError("division by zero", at)
        return self._make_claim(a, b, relation, expansion.kinks), note

    def _make_claim(self, a: sp.Expr, b: sp.Expr, relation: str, kinks: Iterable[sp.Basic]) -> Claim:
        free = a.free_symbols | b.free_symbols
        labels = {str(symbol) for symbol in free}
        domains = {place: domain for place, domain in self.domains.items() if str(place) in labels}
        given = []
        for relation_given in (*self.given, *kinks):
            known = put(relation_given, self._values) if self._values else relation_given
            if known not in (sp.true, sp.false) and known.free_symbols & free:
                given.append(known)
        return Claim(a, b, relation, domains, tuple(given))  # type: ignore[arg-type]

    def _loose(self, left: sp.Expr, right: sp.Expr, relation: str, claim: Claim) -> Claim:
        """The claim with defined symbols left free."""
        symbols = frozenset(name for name, known in self.definitions.items() if not known.parameters)
        expansion = Expansion(self)
        try:
            return self._make_claim(
                expansion.of(left, symbols), expansion.of(right, symbols), relation, expansion.kinks
            )
        except (tree.LatexError, ValueError, TypeError, AttributeError):
            return claim

    def _with_sizes(self, a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr, str]:
        """Where one side has a sum over z of any size and the other z_1 and z_2 by themselves: a sum over those."""
        sums = a.atoms(sp.Sum) | b.atoms(sp.Sum)
        uppers = {each.limits[0][2] for each in sums if each.limits[0][2].is_Symbol}
        if len(uppers) != 1 or (a.has(sp.Sum) and b.has(sp.Sum)):
            return a, b, ""
        plain_side = b if a.has(sp.Sum) else a
        numbers = {int(i) for each in plain_side.atoms(sp.Indexed) for i in each.indices if i.is_Integer}
        most = max(numbers, default=0)
        if most < 2 or numbers != set(range(1, most + 1)):
            return a, b, ""
        upper = uppers.pop()
        values = {upper: sp.Integer(most)}
        return put(a, values), put(b, values), f"with {upper} = {most}, as written out"

    # What a reader asks

    def symbol(self, name: str) -> sp.Symbol:
        """The symbol of a name: an index, a size, or a real number."""
        if name in self._size_names():
            return sp.Symbol(name, integer=True, positive=True)
        if name in self.letters.indices:
            return sp.Symbol(name, integer=True)
        return sp.Symbol(name, real=True)

    def _size_names(self) -> set[str]:
        nodes = [*self.letters.bounds, *self.letters.sizes.values()]
        return {node.name for node in nodes if isinstance(node, tree.Name)}

    def is_function(self, name: str) -> bool:
        """Whether a name is a function here."""
        definition = self.definitions.get(name)
        if definition is not None:
            return bool(definition.parameters)
        return self.letters.is_function(name) or (is_known(name) and self.letters.is_applied(name))

    def is_value_of(self, name: str, group: tree.Group) -> bool:
        """Whether u(x) is just u: a symbol defined in terms of x."""
        definition = self.definitions.get(name)
        if definition is None or not all(is_symbol(part) for part in group.parts):
            return False
        return {plain_name(part) for part in group.parts} <= self._reach(definition.body)

    def gives_vector(self, call: sp.Expr) -> bool:
        """Whether a function was defined by its components."""
        definition = self.definitions.get(call.func.__name__)
        return definition is not None and bool(definition.index)

    def has_meaning(self, variable: sp.Expr) -> bool:
        """Whether a symbol, or a component, has a definition."""
        name = str(variable.base) if isinstance(variable, sp.Indexed) else str(variable)
        return name in self.definitions or plain(variable) in self.definitions

    def range_of(self, vector: str) -> tuple[sp.Expr, sp.Expr]:
        """From where to where a vector's components are numbered."""
        node = self.letters.sizes.get(vector)
        if node is None and self.letters.bounds:
            node = self.letters.bounds[0]
        if node is not None:
            return sp.S.One, Reader(self).read(node)
        numbers = self.letters.components.get(vector, set())
        if len(numbers) > 1 and not self.letters.is_counted(vector):
            return sp.Integer(min(numbers)), sp.Integer(max(numbers))
        return sp.S.One, sp.Symbol("K", integer=True, positive=True)

    def size_for(self, body: sp.Expr, index: sp.Symbol) -> sp.Expr:
        """Where a sum without an end ends."""
        vectors = sorted(str(each.base) for each in body.atoms(sp.Indexed) if index in each.free_symbols)
        known = [vector for vector in vectors if vector in self.letters.sizes]
        return self.range_of((known or vectors or [""])[0])[1]

    def variable_of(self, body: sp.Expr) -> sp.Expr | None:
        """The one symbol that an expression depends on, by itself or through definitions."""
        if isinstance(body, Slope):
            return body.args[1]
        if isinstance(body, Prime):
            call = body.args[0]
            return call.args[0] if call.args[0].is_Symbol else None
        if isinstance(body, sp.Symbol) and (known := self.definitions.get(body.name)) and len(known.parameters) == 1:
            return known.parameters[0]
        symbols = {s for s in self.settled(body).free_symbols if isinstance(s, sp.Symbol) and not s.is_integer}
        return symbols.pop() if len(symbols) == 1 else None

    def roots(self, name: str) -> tuple[sp.Expr, ...]:
        """What a symbol without a definition depends on, as far as it is differentiated: without the detours."""
        if name in self.definitions or name not in self.letters.slopes or self.is_function(name):
            return ()
        listed = [self.symbol(each) for each in sorted(self.letters.slopes[name]) if each != name]
        further = {each: self._dependents(each.name, {name}) for each in listed}
        return tuple(
            each for each in listed if not any(each.name in further[other] for other in listed if other != each)
        )

    def _dependents(self, name: str, seen: set[str]) -> set[str]:
        if name in seen:
            return set()
        seen = seen | {name}
        if name in self.definitions:
            return self._reach(self.definitions[name].body)
        below = self.letters.slopes.get(name, set()) - seen
        return below.union(*(self._dependents(each, seen) for each in below))

    def settled(self, e: sp.Expr, at: int = 0) -> sp.Expr:
        """An expression's meaning."""
        value = Expansion(self, at).of(e)
        if value.has(sp.nan, sp.zoo):
            raise tree.LatexError("division by zero", at)
        return value

    def _reach(self, e: sp.Basic, deep: bool = True) -> set[str]:
        """The names that an expression holds; deep: and those that their definitions hold."""
        found = {symbol.name for symbol in e.atoms(sp.Symbol)}
        found |= {call.func.__name__ for call in e.atoms(sp.core.function.AppliedUndef)}
        found |= {plain(each) for each in e.atoms(sp.Indexed)}
        if not deep:
            return found
        todo, seen = list(found), set(found)
        while todo:
            definition = self.definitions.get(todo.pop())
            if definition is not None:
                new = self._reach(definition.body, deep=False) - {str(p) for p in definition.parameters} - seen
                seen |= new
                todo += new
        return seen


_HALF_LINES = {
    ">": lambda b: sp.Interval.open(b, sp.oo),
    ">=": lambda b: sp.Interval(b, sp.oo),
    "<": lambda b: sp.Interval.open(-sp.oo, b),
    "<=": lambda b: sp.Interval(-sp.oo, b),
}
__all__ = ["Component", "Definition", "OF_VECTORS", "Scope", "index_parts", "replace"]
