"""What the letters of a section are: vectors, indices, sizes, functions. Found before anything is read, from all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from dataclasses import dataclass, field, fields
from typing import TypeGuard

from torchstone.prove import tree
from torchstone.prove.functions import OF_VECTORS, is_known

INDICES = frozenset("ijklmnt")  # as a subscript, such a letter counts; any other may be a label


@dataclass
class Letters:
    """How each name is used, in one section and those it inherits from."""

    vectors: set[str] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    sizes: dict[str, tree.Node] = field(default_factory=dict)  # a vector: up to where sums over it run
    bounds: list[tree.Node] = field(default_factory=list)  # the upper ends of all sums
    components: dict[str, set[int]] = field(default_factory=dict)  # a name: the numbers that it carries as subscripts
    called: dict[str, list[tuple[tree.Node, ...]]] = field(default_factory=dict)  # a name: what stands in its brackets
    bare: set[str] = field(default_factory=set)  # names that stand for a value of their own
    of_vectors: set[str] = field(default_factory=set)  # names that an equation S(z)_i = ... defines
    defined: set[str] = field(default_factory=set)  # names that an equation f(x) = ... defines
    lettered: set[str] = field(default_factory=set)  # vectors with a letter for a subscript
    primed: set[str] = field(default_factory=set)
    random: set[str] = field(default_factory=set)  # names that an expectation is taken of
    slopes: dict[str, set[str]] = field(default_factory=dict)  # a name: what it is differentiated by

    def copy(self) -> Letters:
        """The same, to be added to under the next heading; what is called or bare is seen afresh there."""
        return Letters(
            set(self.vectors),
            set(self.indices),
            dict(self.sizes),
            list(self.bounds),
            {name: set(numbers) for name, numbers in self.components.items()},
            of_vectors=set(self.of_vectors),
            defined=set(self.defined),
            lettered=set(self.lettered),
            random=set(self.random),
            slopes={name: set(by) for name, by in self.slopes.items()},
        )

    def add(self, statements: Iterable[tree.Statement]) -> None:
        """Take in what a section says."""
        listed = list(statements)
        for statement in listed:
            self._see_definition(statement)
            self._see_list(statement)
            self._see(statement)
        for statement in listed:
            self._see_sizes(statement)

    def is_function(self, name: str) -> bool:
        """Whether a name that nothing is known of is called: f(x), and never a factor by itself."""
        if name in self.defined or name in self.of_vectors:
            return True
        calls = self.called.get(name, [])
        plainly = any(all(is_symbol(part) or _is_plain_call(part) for part in parts) for parts in calls)
        return (plainly or (bool(calls) and name in self.primed)) and name not in self.bare

    def is_applied(self, name: str) -> bool:
        """Whether brackets or a prime stand behind a name that is a function elsewhere."""
        return bool(self.called.get(name)) or name in self.primed

    def counts(self, node: tree.Scripted) -> bool:
        """Whether a subscript is an index, not a label."""
        return all(
            isinstance(part, tree.Number)
            or any(name in INDICES or name in self.indices for name in _names(part))
            or any(isinstance(bound, tree.Name) and bound.name in _names(part) for bound in self.bounds)
            for part in index_parts(node)
        )

    def size_names(self) -> set[str]:
        """The letters that sums run up to."""
        return {node.name for node in (*self.bounds, *self.sizes.values()) if isinstance(node, tree.Name)}

    def is_called_plainly(self, name: str) -> bool:
        """Whether brackets stand behind a name that hold its argument, not a factor."""
        return any(not holds_bare(name, part) for parts in self.called.get(name, []) for part in parts)

    def start_of(self, name: str) -> int:
        """The number with which a sequence begins."""
        return min(self.components.get(name, {0}))

    def argument_of(self, name: str) -> tree.Node | None:
        """What a function is called with wherever it is called; None where that differs."""
        calls = [parts for parts in self.called.get(name, []) if len(parts) == 1 and not holds_bare(name, parts[0])]
        calls = [parts for parts in calls if is_symbol(parts[0])] or calls
        shown = {repr(_without_places(parts)) for parts in calls}
        return calls[0][0] if len(shown) == 1 else None

    def _see(self, node: tree.Node | None) -> None:
        match node:
            case tree.Scripted(base=tree.Name() as base):
                self._see_scripted(node, base)
            case tree.Name(name=name, style=style):
                if style == "bold":
                    self.vectors.add(name)
                elif style not in ("function", "word"):
                    self.bare.add(name)
            case tree.Row(items=items):
                self._see_row(items)
            case tree.Fraction(top=top, bottom=bottom) if is_derivative(node):
                top_names = list(_names(top))
                for variable in _names(bottom):
                    for name in top_names:
                        self.slopes.setdefault(name, set()).add(variable)
                self._see_inside(top, skip_names=True)
                self._see_inside(bottom, skip_names=True)
            case tree.Big(lower=lower) if lower is not None:
                variable = bound_variable(node) if node.kind in ("sum", "prod", "max", "min") else None
                if variable:
                    self.indices.add(variable)
                if node.upper is not None:
                    self.bounds.append(node.upper)
                for child in children(node):
                    self._see(child)
            case tree.Sum(terms=terms) if any(isinstance(term, tree.Name) and term.name == "dots" for _, term in terms):
                self._see_dots(terms)
            case None:
                pass
            case _:
                for child in children(node):
                    self._see(child)

    def _see_list(self, statement: tree.Statement) -> None:
        """The z of z = (z_1, z_2)."""
        match statement.sides:
            case (tree.Name(name=name), tree.Group(bracket="(" | "[", parts=(_, _, *_) as parts)):
                self.vectors.add(name)
                last = parts[-1]
                if isinstance(last, tree.Scripted) and isinstance(last.subscript, tree.Name):
                    self.bounds.append(last.subscript)
            case (tree.Name(name=name), tree.Scripted(base=tree.Group(parts=(_, _, *_)), superscript=tree.Name())):
                self.vectors.add(name)

    def _see_definition(self, statement: tree.Statement) -> None:
        """The f of f(x) = ..., unless f is a factor on the other side."""
        match statement.sides[0], statement.relations[:1]:
            case tree.Row(items=(tree.Name(name=name), tree.Scripted(base=tree.Group(), subscript=tree.Node()))), (
                "=",
            ):
                self.of_vectors.add(name)
            case tree.Row(items=(tree.Name(name=name, style=style), tree.Group(bracket="(", parts=parts))), ("=",):
                others = [each for side in statement.sides[1:] if side is not None for each in walk(side)]
                if style != "function" and all(is_symbol(part) for part in parts):
                    if not any(isinstance(each, tree.Name) and each.name == name for each in others):
                        self.defined.add(name)

    def _see_dots(self, terms: tuple[tuple[str, tree.Node], ...]) -> None:
        """1 + q + ... + q^n: what only the last term holds counts the terms."""
        *others, (_, last) = terms
        known = {each.name for _, term in others for each in walk(term) if isinstance(each, tree.Name)}
        for each in walk(last):
            if isinstance(each, tree.Name) and each.name not in known:
                self.bounds.append(each)
            if isinstance(each, tree.Scripted) and isinstance(each.base, tree.Name):
                for index in index_parts(each):
                    if isinstance(index, tree.Name) and index.name not in known:
                        self.vectors.add(each.base.name)
        for _, term in terms:
            self._see(term)

    def _see_inside(self, node: tree.Node, skip_names: bool) -> None:
        """Within a derivative's fraction, a name by itself is no factor."""
        for child in [node] if not isinstance(node, tree.Row) else node.items:
            if not (skip_names and isinstance(child, tree.Name)):
                self._see(child)
        if isinstance(node, tree.Row):
            self._see_calls(node.items)

    def _see_scripted(self, node: tree.Scripted, base: tree.Name) -> None:
        if node.primes:
            self.primed.add(base.name)
        if base.style == "bold":
            self.vectors.add(base.name)
        for index in index_parts(node):
            match index:
                case tree.Name(name=name, style="letter") if name in INDICES or name in self.indices:
                    self.vectors.add(base.name)
                    self.lettered.add(base.name)
                    self.indices.add(name)
                case tree.Number(text=text) if text.isdigit():
                    self.components.setdefault(base.name, set()).add(int(text))
                case tree.Sum() | tree.Row():
                    letters = [name for name in _names(index) if name in INDICES or name in self.indices]
                    if letters:
                        self.vectors.add(base.name)
                        self.lettered.add(base.name)
                        self.indices.update(letters)
        plainly = node.subscript is None and not node.primes and base.style != "function"
        if plainly and not is_label(node.superscript) and not isinstance(node.superscript, tree.Group):
            self._see(base)
        self._see(node.superscript)

    def _see_row(self, items: tuple[tree.Node, ...]) -> None:
        transposed = False
        self._see_calls(items)
        for position, item in enumerate(items):
            follows = position + 1 < len(items) and brackets_of(items[position + 1]) is not None
            before = items[position - 1] if position else None
            if transposed and isinstance(item, tree.Name):
                self.vectors.add(item.name)
                transposed = False
            elif (left := _transposed(item)) is not None and position + 1 < len(items):
                self.vectors.add(left.name)
                transposed = True
            elif isinstance(item, tree.Name) and follows:
                if item.style == "bold":
                    self.vectors.add(item.name)
            elif isinstance(before, tree.Name | tree.Scripted) and (group := brackets_of(item)) is not None:
                # What is only handed to a function, as z is in softmax(z), may be a vector.
                for part in group.parts:
                    if not isinstance(part, tree.Name) or part.style == "bold":
                        self._see(part)
                if isinstance(item, tree.Scripted):
                    self._see(item.superscript)
            else:
                self._see(item)

    def _see_calls(self, items: tuple[tree.Node, ...]) -> None:
        for item, after in pairwise(items):
            group = brackets_of(after)
            if group is not None and isinstance(item, tree.Name) and item.name == "E" and item.style == "blackboard":
                self._see_expectation(group)
                continue
            name = item.base if isinstance(item, tree.Scripted) and item.subscript is None else item
            if group is None or not isinstance(name, tree.Name) or name.style == "function":
                continue
            self.called.setdefault(name.name, []).append(group.parts)
            if (name.name in OF_VECTORS or name.name in self.of_vectors) and len(group.parts) == 1:
                match group.parts[0]:
                    case tree.Name(name=vector):
                        self.vectors.add(vector)

    def _see_expectation(self, group: tree.Group) -> None:
        match group.parts:
            case (tree.Name(name=name) | tree.Scripted(base=tree.Name(name=name)),):
                self.random.add(name)

    def _see_sizes(self, node: tree.Node) -> None:
        uppers: dict[str, tree.Node] = {}
        for each in walk(node):
            if isinstance(each, tree.Big) and each.upper is not None:
                variable = bound_variable(each)
                if variable:
                    uppers[variable] = each.upper
        for each in walk(node):
            if isinstance(each, tree.Scripted) and isinstance(each.base, tree.Name) and each.base.name in self.vectors:
                for index in index_parts(each):
                    if isinstance(index, tree.Name) and index.name in uppers:
                        self.sizes.setdefault(each.base.name, uppers[index.name])


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The pieces that a node is made of."""
    for entry in fields(node):
        value = getattr(node, entry.name)
        yield from _nodes_in(value)


def _nodes_in(value: object) -> Iterator[tree.Node]:
    if isinstance(value, tree.Node):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _nodes_in(each)


def walk(node: tree.Node) -> Iterator[tree.Node]:
    """A node and everything in it."""
    yield node
    for child in children(node):
        yield from walk(child)


def brackets_of(node: tree.Node) -> tree.Group | None:
    """The round or square brackets that a function's arguments may stand in, with or without scripts."""
    group = node.base if isinstance(node, tree.Scripted) else node
    return group if isinstance(group, tree.Group) and group.bracket in ("(", "[", "{") else None


def index_parts(node: tree.Scripted) -> list[tree.Node]:
    """The indices that a symbol carries: of x_i, x_{ij}, x_{i,j}, x^{(i)}."""
    parts: list[tree.Node] = []
    match node.subscript:
        case tree.Row(items=items) if all(isinstance(item, tree.Name | tree.Number) for item in items):
            parts += items
        case tree.Group(bracket=bracket, parts=listed) if bracket != "|":
            parts += listed
        case None:
            pass
        case other:
            parts.append(other)
    match node.superscript:
        case tree.Group(bracket="(" | "[", parts=(tree.Name() | tree.Number() | tree.Sum() as sample,)):
            parts.append(sample)
    return parts


def bound_variable(big: tree.Big) -> str | None:
    """The letter that a sum runs over."""
    lower = big.lower
    if isinstance(lower, tree.Group) and lower.parts:
        lower = lower.parts[0]
    if isinstance(lower, tree.Statement):
        lower = lower.sides[0]
    return lower.name if isinstance(lower, tree.Name) else None


def _names(node: tree.Node) -> Iterator[str]:
    """The symbols of a derivative's numerator or denominator, without its d's."""
    for each in [node] if not isinstance(node, tree.Row) else node.items:
        match each:
            case tree.Name(name="d" | "partial"):
                pass
            case tree.Name(name=name):
                yield name
            case tree.Scripted(base=tree.Name(name=name)) if name not in ("d", "partial"):
                yield plain_name(each)
            case tree.Sum() | tree.Row():
                for child in children(each):
                    yield from _names(child)


def plain_name(node: tree.Node) -> str:
    """x, w_1, y_hat: the name of a symbol with its label."""
    match node:
        case tree.Name(name=name):
            return name
        case tree.Number(text=text):
            return text
        case tree.Scripted(base=base, subscript=subscript, superscript=superscript):
            label = "" if subscript is None else "_" + plain_name(subscript)
            sample = ""
            if isinstance(superscript, tree.Group) and len(superscript.parts) == 1:
                sample = f"^({plain_name(superscript.parts[0])})"
            elif is_label(superscript):
                sample = f"^{superscript.name}"
            return plain_name(base) + label + sample
        case tree.Row(items=items):
            return "".join(plain_name(item) for item in items)
        case tree.Group(parts=parts):
            return ",".join(plain_name(part) for part in parts)
        case tree.Sum(terms=terms):
            return "".join(("" if not n and sign == "+" else sign) + plain_name(x) for n, (sign, x) in enumerate(terms))
    raise tree.LatexError("this subscript is not read", node.at)


def is_label(superscript: tree.Node | None) -> TypeGuard[tree.Name]:
    """Whether a superscript only tells one symbol from another: w^*, w^{new}, x^+."""
    return isinstance(superscript, tree.Name) and (
        superscript.style == "word" or superscript.name in ("star", "+", "-")
    )


def is_derivative(fraction: tree.Fraction) -> bool:
    """Whether a fraction is d/dx, dy/dx, or one with round d's."""
    return begins_with_d(fraction.top) and isinstance(fraction.bottom, tree.Row) and begins_with_d(fraction.bottom)


def begins_with_d(node: tree.Node) -> bool:
    """d, d^2, d y: what stands above or below in a derivative."""
    first = node.items[0] if isinstance(node, tree.Row) else node
    if isinstance(first, tree.Scripted) and first.subscript is None and not first.primes:
        first = first.base
    return isinstance(first, tree.Name) and first.name in ("d", "partial")


def said_plainly(node: tree.Node) -> str:
    """What stands in the brackets of a probability: y = 1 | x."""
    match node:
        case tree.Given(parts=parts, conditions=conditions):
            return ", ".join(map(said_plainly, parts)) + " | " + ", ".join(map(said_plainly, conditions))
        case tree.Statement(sides=(tree.Node() as left, tree.Node() as right), relations=(relation,)):
            return f"{plain_name(left)} {relation} {plain_name(right)}"
    return plain_name(node)


def _transposed(node: tree.Node) -> tree.Name | None:
    """The w of w^T."""
    match node:
        case tree.Scripted(base=tree.Name() as base, subscript=None, superscript=tree.Name(name="top" | "T")):
            return base
    return None


def _is_plain_call(node: tree.Node) -> bool:
    """g(x), as the argument of f(g(x))."""
    match node:
        case tree.Row(items=(tree.Name(), tree.Group(bracket="(", parts=parts))):
            return all(is_symbol(part) or _is_plain_call(part) for part in parts)
    return False


def holds_bare(name: str, node: tree.Node) -> bool:
    """Whether a name occurs without brackets behind it."""
    if isinstance(node, tree.Row):
        for position, item in enumerate(node.items):
            called = position + 1 < len(node.items) and brackets_of(node.items[position + 1]) is not None
            if not (called and isinstance(item, tree.Name)) and holds_bare(name, item):
                return True
        return False
    if isinstance(node, tree.Name):
        return node.name == name
    return any(holds_bare(name, child) for child in children(node))


def is_symbol(node: tree.Node) -> bool:
    """Whether a node is a plain symbol: x, w_1."""
    match node:
        case tree.Name(name=name, style=style):
            return style != "function" and not (style == "word" and is_known(name))
        case tree.Scripted(base=tree.Name(style=style), superscript=superscript, primes=0) if style != "function":
            return superscript is None or is_label(superscript)
    return False


def _without_places(node: object) -> object:
    if isinstance(node, tree.Node):
        return type(node).__name__, [_without_places(getattr(node, f.name)) for f in fields(node) if f.name != "at"]
    if isinstance(node, tuple):
        return [_without_places(each) for each in node]
    return node
