"""What is known at a place in a document: definitions, domains, what is given, and what each letter is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning import names, targets
from torchstone.prove.meaning.expansion import Expansion
from torchstone.prove.meaning.functions import NUMBERS_OF_VECTORS, OF_VECTORS, is_known
from torchstone.prove.meaning.letters import Letters
from torchstone.prove.meaning.reader import RELATIONS, Reader, Reading
from torchstone.prove.meaning.shapes import is_symbol, plain_name
from torchstone.prove.meaning.solving import Zeros
from torchstone.prove.meaning.statements import hear, read_statement
from torchstone.prove.meaning.written import Prime, Slope, plain


@dataclass(frozen=True)
class Definition:
    """What a name stands for: y = ..., f(x) = ..., p_i = ..., softmax(z)_i = ..., m_t = (... m_{t-1} ...)."""

    name: str
    body: sp.Expr  # as written
    line: int
    parameters: tuple[sp.Expr, ...] = ()
    index: tuple[sp.Expr, ...] = ()
    partial: bool = False  # by cases: f(x) = x for x > 0, and more to come
    special: bool = False  # a number for a symbol, K = 2: another number may follow
    recursive: bool = False

    @property
    def key(self) -> str:
        """Under what it is kept: its name; of one component, with its number."""
        if self.index and all(index.is_Integer for index in self.index):
            return f"{self.name}[{', '.join(map(str, self.index))}]"
        return self.name


@contextmanager
def refusals(at: int) -> Iterator[None]:
    """SymPy refuses in many ways; whoever wrote the formula should learn only that it was refused."""
    try:
        yield
    except tree.LatexError:
        raise
    except RecursionError:
        raise tree.LatexError("this formula is nested too deeply", at) from None
    except OverflowError:
        raise tree.LatexError("a number here is too large", at) from None
    except (ArithmeticError, NotImplementedError, TypeError, ValueError, sp.SympifyError):
        raise tree.LatexError("this formula has no meaning that can be worked with", at) from None


class Scope:
    """What is known. `child` gives the scope of a new heading."""

    def __init__(self) -> None:
        self.letters = Letters()
        self.definitions: dict[str, Definition] = {}
        self.slopes: dict[tuple[str, str], sp.Expr] = {}  # of what has no definition: du/dx = 2
        self.domains: dict[sp.Basic, sp.Set] = {}
        self.given: tuple[sp.Basic, ...] = ()
        self.solved: dict[sp.Basic, sp.Expr] = {}  # what an equation to be solved gives for its symbol
        self.zeros: dict[sp.Basic, Zeros] = {}  # an equation to be solved, by the symbol it is solved for
        self.slope_of: dict[sp.Expr, sp.Symbol] = {}  # what was said to be a derivative, and by which symbol
        self.weights: dict[str, sp.Basic] = {}  # a vector that weighs logarithms, and that its components sum to 1
        self.values: dict[sp.Basic, sp.Expr] = {}  # of one statement's conditions: i = k
        self.under: tuple[tree.Statement, ...] = ()  # for what the sentence before says that a formula holds
        self.previous: sp.Expr | None = None
        self.sizes: dict[str, sp.Expr] = {}  # of vectors whose components were listed
        self.runs: frozenset[names.Run] = frozenset()  # letters side by side that are one name
        self.shown: list[tree.Statement] = []  # all of this section
        self.later: list[tree.Statement] = []  # equations of this section that may define a symbol
        self.unread: dict[str, int] = {}  # names that a line would define, had it been read
        self.lost = False  # whether the line before could not be read
        self.inherited: set[str] = set()
        self.used: set[str] = set()  # under this heading

    def child(self) -> Scope:
        """The scope of a new heading. What it inherits may be defined anew until it is used."""
        scope = self.copy()
        scope.letters = self.letters.copy()
        scope.previous, scope.lost, scope.under = None, False, ()
        scope.solved, scope.zeros, scope.slope_of = {}, {}, {}
        scope.inherited, scope.used = set(self.definitions), set()
        return scope

    def renew(self, names: bool) -> None:
        """Let functions be defined anew from here on, as under a new heading; and all other names too."""
        free = {key for key, known in self.definitions.items() if names or (known.parameters and not known.partial)}
        self.inherited |= free
        self.used -= {self.definitions[key].name for key in free}
        if names:
            self.solved, self.zeros, self.slope_of = {}, {}, {}

    def forget(self, name: str) -> None:
        """Let a function be another from here on."""
        known = self.definitions.get(name)
        if known is not None and known.parameters:
            del self.definitions[name]
            self.used.discard(name)

    def copy(self) -> Scope:
        """The same, to be changed without a trace."""
        scope = Scope()
        scope.__dict__.update(self.__dict__)
        scope.definitions, scope.slopes = dict(self.definitions), dict(self.slopes)
        scope.domains, scope.values = dict(self.domains), dict(self.values)
        scope.unread, scope.sizes = dict(self.unread), dict(self.sizes)
        scope.solved, scope.zeros = dict(self.solved), dict(self.zeros)
        scope.slope_of, scope.weights = dict(self.slope_of), dict(self.weights)
        scope.inherited, scope.used = set(self.inherited), set(self.used)
        return scope

    def announce(self, statements: Iterable[tree.Statement]) -> None:
        """Look through a section before it is read: what its letters are doesn't depend on the order."""
        listed = list(statements)
        self.runs = names.runs(listed, self.runs)
        listed = [names.joined(each, self.runs) for each in listed]
        self.letters.add(listed)
        self.shown = listed
        self.later = [each for each in listed if targets.is_plain_equation(each)]

    def read(self, statement: tree.Statement, line: int) -> list[Reading]:
        """The statement's steps. Raises `LatexError` where it has no meaning."""
        statement = names.joined(statement, self.runs)
        try:
            with refusals(statement.at):
                readings = read_statement(self, statement, line)
        except tree.LatexError:
            self.previous, self.lost = None, True
            name = targets.name_on_the_left(statement)
            if name is not None and name not in self.definitions:
                self.unread[name] = line
            raise
        self.lost = False
        return readings

    def hear(self, statement: tree.Statement, line: int) -> None:
        """Take in a formula of a sentence: "let y = sigma(x)". What can't be read is passed over."""
        statement = names.joined(statement, self.runs)
        previous, lost = self.previous, self.lost
        if statement.relations == ("=",):
            self.letters.add([statement])
        try:
            with refusals(statement.at):
                hear(self, statement, line)
        except tree.LatexError:
            pass
        self.previous, self.lost = previous, lost

    # What is learnt

    def learn(self, definition: Definition) -> None:
        """Know a definition from here on."""
        self.definitions[definition.key] = definition
        self.inherited.discard(definition.key)
        self.unread.pop(definition.name, None)

    def use(self, *expressions: sp.Expr) -> None:
        """Remember what names occurred: they can't be defined anew under this heading."""
        for e in expressions:
            self.used |= self.reach(e, deep=False)

    def relate(self, a: sp.Expr, sign: str, b: sp.Expr) -> None:
        """Take a relation for granted: as a domain where it bounds one symbol by a number."""
        if b.is_Symbol and not a.free_symbols:
            mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
            a, sign, b = b, mirrored.get(sign, sign), a
        is_place = isinstance(a, sp.Symbol | sp.Indexed)
        if sign == "=" and isinstance(a, sp.Symbol) and (b.is_number or isinstance(b, sp.Symbol)):
            self.values[a] = b
        elif is_place and b.is_number and sign in _HALF_LINES and not self.has_meaning(a):
            self.narrow(a, _HALF_LINES[sign](b))
        else:
            self.given = (*self.given, RELATIONS[sign](self.settled(a), self.settled(b)))

    def narrow(self, symbol: sp.Expr, domain: sp.Set) -> None:
        """Take for granted where a symbol, or a vector's components, lie."""
        place = symbol.base if isinstance(symbol, sp.Indexed) else symbol
        if domain != sp.S.Reals:
            self.domains[place] = self.domains.get(place, sp.S.Reals).intersect(domain)

    # What a reader asks

    def symbol(self, name: str) -> sp.Symbol:
        """The symbol of a name: an index, a size, or a real number."""
        if name in self.letters.size_names():
            return sp.Symbol(name, integer=True, positive=True)
        if name in self.letters.indices:
            return sp.Symbol(name, integer=True)
        return sp.Symbol(name, real=True)

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
        return {plain_name(part) for part in group.parts} <= self.reach(definition.body)

    def takes_vector(self, name: str) -> bool:
        """Whether a function's argument is a vector."""
        definition = self.definitions.get(name)
        if definition is not None:
            return any(isinstance(parameter, sp.IndexedBase) for parameter in definition.parameters)
        return name in OF_VECTORS or name in NUMBERS_OF_VECTORS or name in self.letters.of_vectors

    def gives_vector(self, call: sp.Expr) -> bool:
        """Whether a function's value is a vector."""
        name = call.func.__name__
        definition = self.definitions.get(name)
        if definition is not None:
            return bool(definition.index)
        return name in OF_VECTORS or name in self.letters.of_vectors

    def has_meaning(self, variable: sp.Expr) -> bool:
        """Whether a symbol, or a component, has a definition."""
        name = str(variable.base) if isinstance(variable, sp.Indexed) else str(variable)
        return name in self.definitions or plain(variable) in self.definitions

    def range_of(self, vector: str) -> tuple[sp.Expr, sp.Expr]:
        """From where to where a vector's components are numbered."""
        if vector in self.sizes:
            return sp.S.One, self.sizes[vector]
        node = self.letters.sizes.get(vector)
        if node is None and self.letters.bounds:
            node = self.letters.bounds[0]
        if node is not None:
            return sp.S.One, Reader(self).read(node)
        numbers = self.letters.components.get(vector, set())
        if len(numbers) > 1 and vector not in self.letters.lettered:
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
            argument = body.args[0].args[0]
            return argument if argument.is_Symbol else None
        if isinstance(body, sp.Symbol) and (known := self.definitions.get(body.name)) and len(known.parameters) == 1:
            return known.parameters[0]
        symbols = {s for s in self.settled(body).free_symbols if isinstance(s, sp.Symbol) and not s.is_integer}
        return symbols.pop() if len(symbols) == 1 else None

    def roots(self, name: str) -> tuple[sp.Expr, ...]:
        """What a symbol without a definition depends on, as far as it is differentiated: without the detours."""
        if name in self.definitions or self.is_function(name):
            return ()
        if name not in self.letters.slopes:
            usual = self.symbol("x")
            return (usual,) if name in self.letters.primed and name not in self.reach(usual) else ()
        listed = [self.symbol(each) for each in sorted(self.letters.slopes[name]) if each != name]
        further = {each: self._dependents(each.name, set()) for each in listed}
        if any(name in below for below in further.values()):
            return ()
        return tuple(
            each for each in listed if not any(each.name in further[other] for other in listed if other != each)
        )

    def _dependents(self, name: str, seen: set[str]) -> set[str]:
        if name in seen:
            return set()
        if name in self.definitions:
            return self.reach(self.definitions[name].body)
        seen = seen | {name}
        below = self.letters.slopes.get(name, set()) - seen
        return below.union(*(self._dependents(each, seen) for each in below))

    def settled(self, e: sp.Expr, at: int = 0) -> sp.Expr:
        """An expression's meaning."""
        value = Expansion(self, at).of(e)
        if value.has(sp.nan, sp.zoo):
            raise tree.LatexError("division by zero", at)
        return value

    def reach(self, e: sp.Basic, deep: bool = True) -> set[str]:
        """The names that an expression holds; deep: and those that their definitions hold."""
        found = {symbol.name for symbol in e.atoms(sp.Symbol)}
        found |= {call.func.__name__ for call in e.atoms(sp.core.function.AppliedUndef)}
        found |= {plain(each) for each in e.atoms(sp.Indexed)}
        todo = list(found) if deep else []
        while todo:
            definition = self.definitions.get(todo.pop())
            if definition is not None:
                new = self.reach(definition.body, deep=False) - {str(p) for p in definition.parameters} - found
                found |= new
                todo += new
        return found


_HALF_LINES = {
    ">": lambda b: sp.Interval.open(b, sp.oo),
    ">=": lambda b: sp.Interval(b, sp.oo),
    "<": lambda b: sp.Interval.open(-sp.oo, b),
    "<=": lambda b: sp.Interval(-sp.oo, b),
}
