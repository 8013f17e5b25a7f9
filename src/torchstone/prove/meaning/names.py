"""Names of several letters that nobody wrote as a word: KL = ..., MSE = ..., out = ..., and the change Delta w."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from torchstone.prove import tree
from torchstone.prove.meaning.shapes import walk

Run = tuple[str, ...]
Piece = TypeVar("Piece", bound=object)


def runs(statements: Sequence[tree.Statement], before: Iterable[Run] = ()) -> frozenset[Run]:
    """Rows of letters that are one name each: the whole left side of an equation, with no letter used by itself.

    `before`: those of the headings above.
    """
    found = set(before) | {run for statement in statements if (run := _on_the_left(statement))}
    rest = [joined(statement, found) for statement in statements]
    alone = {each.name for statement in rest for each in walk(statement) if isinstance(each, tree.Name)}
    return frozenset(run for run in found if not alone & set(run))


def joined(node: Piece, known: Iterable[Run]) -> Piece:
    """A tree with every such row as one name."""
    listed = sorted(known, key=len, reverse=True)
    return _joined(node, listed)  # type: ignore[return-value]


def _on_the_left(statement: tree.Statement) -> Run | None:
    left = statement.sides[0]
    if not isinstance(left, tree.Row) or statement.relations[:1] != ("=",):
        return None
    *first, last = left.items
    if isinstance(last, tree.Scripted) and last.superscript is None and not last.primes and len(first) > 1:
        last = last.base  # out_1
    called = isinstance(last, tree.Group) and last.bracket == "("
    letters = first if called else [*first, last]
    if len(letters) < 2 or not all(isinstance(each, tree.Name) and _is_letter(each) for each in letters):
        return None
    run = tuple(each.name for each in letters if isinstance(each, tree.Name))
    return run if not called or "".join(run).isupper() else None


def _is_letter(name: tree.Name) -> bool:
    return name.style == "letter" and len(name.name) == 1 and name.name.isascii() and name.name.isalpha()


def _joined(node: object, known: Sequence[Run]) -> object:
    if isinstance(node, tuple):
        return tuple(_joined(each, known) for each in node)
    if isinstance(node, tree.Row):
        items = _in_row(node.items, known)
        return items[0] if len(items) == 1 else replace(node, items=items)
    if isinstance(node, tree.Node):
        pieces: dict[str, Any] = {each.name: _joined(getattr(node, each.name), known) for each in fields(node)}
        return replace(node, **pieces)
    return node


def _in_row(items: tuple[tree.Node, ...], known: Sequence[Run]) -> tuple[tree.Node, ...]:
    found: list[tree.Node] = []
    position = 0
    while position < len(items):
        if (change := _change(items[position : position + 2])) is not None:
            found.append(change)
            position += 2
            continue
        run = next((run for run in known if _letters(items[position : position + len(run)]) == run), None)
        if run is None:
            found.append(_joined(items[position], known))  # type: ignore[arg-type]
            position += 1
            continue
        name, last = tree.Name(items[position].at, "".join(run)), items[position + len(run) - 1]
        found.append(replace(last, at=name.at, base=name) if isinstance(last, tree.Scripted) else name)
        position += len(run)
    return tuple(found)


def _change(items: tuple[tree.Node, ...]) -> tree.Node | None:
    """Delta before a letter: by how much it changes, one name."""
    match items:
        case (tree.Name(name="Delta") as sign, tree.Name() as letter) if _is_letter(letter):
            return replace(letter, at=sign.at, name=f"Delta_{letter.name}")
        case (tree.Name(name="Delta") as sign, tree.Scripted(base=tree.Name() as letter) as symbol) if _is_letter(
            letter
        ):
            return replace(symbol, at=sign.at, base=replace(letter, at=sign.at, name=f"Delta_{letter.name}"))
    return None


def _letters(items: tuple[tree.Node, ...]) -> Run:
    """The letters side by side; the last one may carry scripts."""
    *first, last = items or (None,)
    bases = [*first, last.base if isinstance(last, tree.Scripted) else last]
    return tuple(each.name if isinstance(each, tree.Name) and _is_letter(each) else "" for each in bases)
