r"""Statements find their conditions and lists: "for x > 0", "i = 1, \ldots, K", "x, y \in (0, 1)"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torchstone.prove import tree
from torchstone.prove.tree import LatexError, Node, Statement

DOMAIN = {"in", "<", "<=", ">", ">=", "!="}
_INDICATORS = {"chi", "delta", "theta", "dots"}


@dataclass
class Entry:
    """A statement (or an expression alone) with the word before it."""

    link: str
    statement: Statement

    @property
    def lone(self) -> Node | None:
        """The expression, where there is no relation."""
        return self.statement.sides[0] if not self.statement.relations else None


def is_domain(statement: Statement) -> bool:
    """Whether it says where something lies."""
    return bool(statement.relations) and set(statement.relations) <= DOMAIN and None not in statement.sides


def listed(entries: list[Entry]) -> list[Entry]:
    r"""Lists find their statement: i = 1, \ldots, K is one, and x, y > 0 are two."""
    found: list[Entry] = []
    members: list[Node] = []
    waiting: list[Node] = []
    shared = _shared(entries)
    for number, entry in enumerate(entries):
        lone = entry.lone
        goes_on = not waiting and entry.link == "comma" and bool(found) and _listable(found[-1].statement, members)
        ranges = isinstance(lone, tree.Number) or _is_dots(lone) or _is_dots(members[-1] if members else None)
        if lone is not None and goes_on and (ranges or not shared[number]):
            members.append(lone)
        elif lone is not None and shared[number]:
            waiting.append(lone)
        else:
            found, members = _closed(found, members, last=False), []
            if not _is_dots(lone):
                found += _distributed(waiting, entry)
            waiting = []
    return _closed(found, members, last=True)


def conditioned(entries: list[Entry], before: list[Statement]) -> list[Statement]:
    """The statements, each with its conditions; `before` are those of the lines above, the last may get one too."""
    found = list(before)
    leading: list[Statement] = []
    last_was_condition = False
    own = [entry for entry in entries if entry.link != "cond" and not is_domain(entry.statement)]
    for entry in entries:
        spread = _spread([entry.statement] if entry.link == "row" else unbracketed(entry))
        target = found[-1] if found else None
        follows = entry.link in ("soft", "comma", "where", "remark") and all(map(is_domain, spread))
        joins = target is not None and not is_domain(target) and len(found) > len(before)
        condition = entry.link == "cond" or (follows and (last_was_condition or joins))
        if not condition:
            found.append(replace(_trailing(spread[0]), conditions=(*_trailing(spread[0]).conditions, *leading)))
            found += spread[1:]
            leading = []
        elif target is None or (len(found) == len(before) and own):
            leading += [statement for statement in spread if statement.relations]
        else:
            kept = tuple(statement for statement in spread if statement.relations)
            found[-1] = replace(found[-1], conditions=(*found[-1].conditions, *kept))
        last_was_condition = condition
    return found + leading


def _shared(entries: list[Entry]) -> list[bool]:
    """For each entry: whether only names, parted by commas, stand from it up to a statement like x > 0."""
    found = [False] * len(entries)
    for number in reversed(range(len(entries))):
        entry = entries[number]
        if entry.lone is None:
            named = isinstance(_plain(entry.statement.sides[0]), tree.Name)
            found[number] = named and is_domain(entry.statement)
        elif number + 1 < len(entries) and entries[number + 1].link == "comma":
            found[number] = found[number + 1] and isinstance(_plain(entry.lone), tree.Name)
    return found


def _plain(node: Node | None) -> Node | None:
    return node.base if isinstance(node, tree.Scripted) else node


def _is_dots(node: Node | None) -> bool:
    return isinstance(node, tree.Name) and node.name == "dots"


def _listable(statement: Statement, members: list[Node]) -> bool:
    return bool(members) or (len(statement.relations) == 1 and statement.relations[0] in ("=", "in"))


def _distributed(waiting: list[Node], entry: Entry) -> list[Entry]:
    sides = entry.statement.sides
    shared = [
        Entry(entry.link, replace(entry.statement, at=node.at, sides=(node, *sides[1:])))
        for node in waiting
        if not _is_dots(node)
    ]
    return [*shared, Entry("comma" if shared else entry.link, entry.statement)]


def _closed(found: list[Entry], members: list[Node], last: bool) -> list[Entry]:
    """The list after the last statement becomes its set."""
    if not members:
        return found
    entry = found[-1]
    side, first = entry.statement.sides
    assert first is not None
    every = (first, *members)
    if _is_dots(members[-1]) and len(members) == 1 and not last:
        return found
    if len(every) == 2 and isinstance(first, tree.Number) and isinstance(members[0], tree.Number):
        text, after = first.text, members[0]
        if after.at == first.at + len(text) + 1:
            told = f"write {text}.{after.text} or a space"
            raise LatexError(f"{text},{after.text} can be read in two ways: {told}", first.at)
    simple = all(isinstance(node, (tree.Number, tree.Name)) for node in every)
    if isinstance(first, tree.Interval) or not (simple or any(map(_is_dots, every))):
        raise LatexError("an expression stands alone after a comma: a relation is missing", members[0].at)
    values = tree.Interval(first.at, "{", every, "}")
    statement = replace(entry.statement, sides=(side, values), relations=("in",), defines=False)
    return [*found[:-1], Entry(entry.link, statement)]


def unbracketed(entry: Entry) -> list[Statement]:
    r"""(x > 0) and (i = 1, \ldots, K) after a statement."""
    lone = entry.lone
    if not (isinstance(lone, tree.Group) and lone.bracket in ("(", "[")):
        return [entry.statement]
    if not any(isinstance(part, Statement) for part in lone.parts):
        return [entry.statement]
    return [inner.statement for inner in listed([Entry("comma", stated(part)) for part in lone.parts])]


def stated(node: Node) -> Statement:
    """An expression alone as a statement."""
    return node if isinstance(node, Statement) else Statement(node.at, (node,), ())


def _spread(statements: list[Statement]) -> list[Statement]:
    r"""x \in \mathbb{R} \setminus \{0\} says two things."""
    found = []
    for statement in statements:
        right = statement.sides[-1]
        if not (statement.relations[-1:] == ("in",) and isinstance(right, tree.Product) and "\\" in right.signs):
            found.append(statement)
            continue
        whole, *removed = right.factors
        found.append(replace(statement, sides=(*statement.sides[:-1], whole)))
        for gap in removed:
            if not isinstance(gap, tree.Interval) or gap.opening != "{":
                raise LatexError("after \\setminus, numbers are expected in \\{ \\}", gap.at)
            found += [Statement(statement.at, (statement.sides[0], end), ("!=",)) for end in gap.ends]
    for statement in found:
        _no_sets(statement)
    return found


def _no_sets(statement: Statement) -> None:
    for side in statement.sides:
        if isinstance(side, tree.Product) and "\\" in side.signs:
            raise LatexError("\\setminus is read after \\in only", side.at)


def _trailing(statement: Statement) -> Statement:
    r"""f(x) = \log x (x > 0): the bracket is a condition, unless what stands before it takes it, as 1(x > 0) does."""
    last = statement.sides[-1]
    if not isinstance(last, tree.Row) or not statement.relations:
        return statement
    group, before = last.items[-1], last.items[-2]
    name = _plain(before)
    takes = isinstance(name, tree.Name) and (
        name.style != "letter" or name.name in _INDICATORS or name.name[0].isupper()
    )
    one = isinstance(before, tree.Number) and before.text == "1"
    if not (isinstance(group, tree.Group) and group.bracket == "(") or takes or one:
        return statement
    parts = [part for part in group.parts if isinstance(part, Statement) and is_domain(part)]
    if not parts or len(parts) < len(group.parts):
        return statement
    items = last.items[:-1]
    kept = items[0] if len(items) == 1 else replace(last, items=items)
    return replace(statement, sides=(*statement.sides[:-1], kept), conditions=tuple(parts))
