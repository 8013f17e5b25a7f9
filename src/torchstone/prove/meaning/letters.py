"""What the letters of a section are: vectors, indices, sizes, functions. All of it is looked through beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from torchstone.prove import tree
from torchstone.prove.meaning.functions import OF_VECTORS
from torchstone.prove.meaning.shapes import (
    bound_variable,
    brackets_of,
    children,
    holds_bare,
    index_parts,
    is_derivative,
    is_dots,
    is_label,
    is_plain_call,
    is_symbol,
    label_of,
    names_in,
    transposed_name,
    walk,
    without_places,
)

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
            self._see_bound(statement)
        for statement in listed:
            self._see_definition(statement)
            self._see_list(statement)
            self._see(statement)
        for statement in listed:
            self._see_sizes(statement)
            self._see_indices(statement)

    def is_function(self, name: str) -> bool:
        """Whether a name that nothing is known of is called: f(x), and never a factor by itself."""
        if name in self.defined or name in self.of_vectors:
            return True
        calls = self.called.get(name, [])
        plainly = any(all(is_symbol(part) or is_plain_call(part) for part in parts) for parts in calls)
        primed = name in self.primed
        return (plainly and primed) or ((plainly or (bool(calls) and primed)) and name not in self.bare)

    def is_applied(self, name: str) -> bool:
        """Whether brackets or a prime stand behind a name that is a function elsewhere."""
        return bool(self.called.get(name)) or name in self.primed

    def counts(self, node: tree.Scripted) -> bool:
        """Whether a subscript is an index, not a label."""
        return all(
            isinstance(part, tree.Number)
            or any(name in INDICES or name in self.indices for name in names_in(part))
            or any(isinstance(bound, tree.Name) and bound.name in names_in(part) for bound in self.bounds)
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
        shown = {repr(without_places(parts)) for parts in calls}
        return calls[0][0] if len(shown) == 1 else None

    def _see(self, node: tree.Node | None) -> None:
        look = _LOOKS.get(type(node), Letters._see_parts)
        if node is not None:
            look(self, node)

    def _see_group(self, node: tree.Group) -> None:
        match node:
            case tree.Group(bracket="||", parts=(tree.Name(name=name),)):
                self.vectors.add(name)
            case _:
                self._see_parts(node)

    def _see_parts(self, node: tree.Node) -> None:
        for child in children(node):
            self._see(child)

    def _see_name(self, node: tree.Name) -> None:
        if node.style == "bold":
            self.vectors.add(node.name)
        elif node.style not in ("function", "word"):
            self.bare.add(node.name)

    def _see_fraction(self, node: tree.Fraction) -> None:
        if not is_derivative(node):
            self._see_parts(node)
            return
        for variable in names_in(node.bottom):
            for name in names_in(node.top):
                self.slopes.setdefault(name, set()).add(variable)
        self._see_inside(node.top)
        self._see_inside(node.bottom)

    def _see_big(self, node: tree.Big) -> None:
        variable = bound_variable(node) if node.kind in ("sum", "prod", "max", "min") else None
        if variable:
            self.indices.add(variable)
        if variable and node.upper is not None:
            self.bounds.append(node.upper)
        self._see_parts(node)

    def _see_bound(self, statement: tree.Statement) -> None:
        """The c that a sum runs over: it is an index in the lines above that sum too."""
        for each in walk(statement):
            if isinstance(each, tree.Big) and each.kind in ("sum", "prod") and (index := bound_variable(each)):
                self.indices.add(index)

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
        """The f of f(x) = ..., unless f is a factor on the other side; the S of S(z)_i = ..."""
        left, *others = statement.sides
        if statement.relations[:1] != ("=",) or not isinstance(left, tree.Row) or len(left.items) != 2:
            return
        name, brackets = left.items
        if isinstance(name, tree.Scripted) and is_symbol(name):
            name = tree.Name(name.at, label_of(name) or "")
        if not isinstance(name, tree.Name) or name.style == "function":
            return
        if isinstance(brackets, tree.Scripted) and isinstance(brackets.base, tree.Group) and brackets.subscript:
            self.of_vectors.add(name.name)
            return
        plainly = isinstance(brackets, tree.Group) and all(map(is_symbol, brackets.parts))
        if plainly and not any(side is not None and holds_bare(name.name, side) for side in others):
            self.defined.add(name.name)

    def _see_sum(self, node: tree.Sum) -> None:
        """1 + q + ... + q^n: what only the last term holds counts the terms."""
        self._see_parts(node)
        *others, (_, last) = node.terms
        if not any(is_dots(term) for _, term in others):
            return
        known = {each.name for _, term in others for each in walk(term) if isinstance(each, tree.Name)}
        for each in walk(last):
            if isinstance(each, tree.Name) and each.name not in known:
                self.bounds.append(each)
            if isinstance(each, tree.Scripted) and isinstance(each.base, tree.Name):
                for index in index_parts(each):
                    if isinstance(index, tree.Name) and index.name not in known:
                        self.vectors.add(each.base.name)

    def _see_inside(self, node: tree.Node) -> None:
        """Within a derivative's fraction, a name by itself is no factor."""
        for child in [node] if not isinstance(node, tree.Row) else node.items:
            if not isinstance(child, tree.Name):
                self._see(child)
        if isinstance(node, tree.Row):
            self._see_calls(node.items)

    def _see_scripted(self, node: tree.Scripted) -> None:
        base = node.base
        if not isinstance(base, tree.Name):
            self._see_parts(node)
            return
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
                    letters = [name for name in names_in(index) if name in INDICES or name in self.indices]
                    if letters:
                        self.vectors.add(base.name)
                        self.lettered.add(base.name)
                        self.indices.update(letters)
        plainly = node.subscript is None and not node.primes and base.style != "function"
        if plainly and not is_label(node.superscript) and not isinstance(node.superscript, tree.Group):
            self._see(base)
        self._see(node.superscript)

    def _see_row(self, node: tree.Row) -> None:
        items = node.items
        transposed = False
        self._see_calls(items)
        for position, item in enumerate(items):
            follows = position + 1 < len(items) and brackets_of(items[position + 1]) is not None
            before = items[position - 1] if position else None
            if transposed and isinstance(item, tree.Name):
                self.vectors.add(item.name)
                transposed = False
            elif (left := transposed_name(item)) is not None and position + 1 < len(items):
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
            if isinstance(item, tree.Scripted) and isinstance(item.base, tree.Name) and item.subscript is not None:
                # f_1 is a name of its own.
                name = tree.Name(item.at, label_of(item) or "", item.base.style)
            if group is None or not isinstance(name, tree.Name) or name.style == "function" or not name.name:
                continue
            if isinstance(item, tree.Scripted) and item.primes:
                self.primed.add(name.name)
            self.called.setdefault(name.name, []).append(group.parts)
            if (name.name in OF_VECTORS or name.name in self.of_vectors) and len(group.parts) == 1:
                match group.parts[0]:
                    case tree.Name(name=vector):
                        self.vectors.add(vector)

    def _see_expectation(self, group: tree.Group) -> None:
        match group.parts:
            case (tree.Name(name=name) | tree.Scripted(base=tree.Name(name=name)),):
                self.random.add(name)

    def _see_indices(self, statement: tree.Statement) -> None:
        """The c of z_c, where z is a vector and c no label."""
        for each in walk(statement):
            match each:
                case tree.Scripted(base=tree.Name(name=name), subscript=tree.Name(name=index, style="letter")):
                    if name in self.vectors and name not in self.bare and len(index) == 1:
                        self.indices.add(index)

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


_LOOKS: Mapping[type, Callable[[Letters, Any], None]] = {
    tree.Scripted: Letters._see_scripted,
    tree.Name: Letters._see_name,
    tree.Row: Letters._see_row,
    tree.Group: Letters._see_group,
    tree.Fraction: Letters._see_fraction,
    tree.Big: Letters._see_big,
    tree.Sum: Letters._see_sum,
}
