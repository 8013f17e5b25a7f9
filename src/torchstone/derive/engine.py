"""From what was asked for to the derivation of it."""

import difflib
import re
from collections.abc import Callable, Mapping

import sympy as sp
from sympy.core.parameters import distribute

from torchstone import definitions
from torchstone.definitions import Function, UpdateRule
from torchstone.definitions.formula import read_domain, read_formula
from torchstone.derive import activations, formulas, losses, optimizers, textbook
from torchstone.derive.derivation import Derivation
from torchstone.derive.writing import Writing

# The derivations that a course asks for: a title, and the script.
TEXTBOOK: Mapping[str, tuple[str, Callable[[Writing], None]]] = {
    "sigmoid-derivative": ("The derivative of the sigmoid", textbook.sigmoid_derivative),
    "sigmoid-derivative-in-y": (
        "The derivative of the sigmoid, in terms of its value",
        textbook.sigmoid_derivative_in_y,
    ),
    "softmax-two-classes": ("The softmax of two classes is a sigmoid", textbook.softmax_two_classes),
    "logit": ("The logit, the inverse of the sigmoid", textbook.logit),
    "chain-exponential": ("The chain rule: the exponential of 2x + 3", textbook.chain_exponential),
    "chain-sine": ("The chain rule, nested: the sine of (3x - 5)²", textbook.chain_sine),
    "tanh-neuron": ("A neuron with tanh: the gradient by weights, bias and inputs", textbook.tanh_neuron),
}
_TITLES = {"activation": "its derivative", "loss": "its gradient", "optimizer": "what its buffers hold"}


def every_name() -> tuple[str, ...]:
    """The textbook's derivations, then every definition that can be derived."""
    return (*TEXTBOOK, *(entry.name for entry in definitions.every() if entry.derivable))


def run(what: str, wrt: str | None, in_terms_of: str | None, assume: tuple[str, ...]) -> Derivation:
    """See `torchstone.derive`."""
    known = {_plain(name): name for name in TEXTBOOK}
    domains = _assumed(assume)
    # Without it, SymPy writes 2x - 2t for 2 (x - t) at once: a line that nobody asked for.
    with distribute(False):
        if _plain(what) in known:
            writing = _textbook(known[_plain(what)], wrt, in_terms_of)
        elif (definition := _definition(what)) is not None:
            writing = _of_definition(definition, wrt, in_terms_of)
        else:
            writing = formulas.of_formula(_formula(what), what, wrt, in_terms_of)
    symbols = writing.symbols()
    for symbol, domain in domains.items():
        if symbol not in symbols:
            known_names = ", ".join(sorted(str(each) for each in symbols if each.is_real))
            raise ValueError(f"assume: expected one of {known_names}, got {str(symbol)!r}")
        writing.domains[symbol] = domain & writing.domains.get(symbol, sp.S.Reals)
    return writing.done()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _definition(what: str) -> Function | UpdateRule | None:
    try:
        return definitions.get(what) if re.fullmatch(r"[\w\s.-]+", what) else None
    except KeyError:
        return None


def _formula(what: str) -> sp.Expr:
    """The formula; a bare name that is none of ours is a slip."""
    if re.fullmatch(r"\s*[A-Za-z][\w-]*\s*", what):
        near = difflib.get_close_matches(what.strip().lower(), every_name(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "see torchstone.derive.names()"
        raise ValueError(f"what: expected a derivation's name or a formula, got {what.strip()!r}; {hint}")
    return read_formula(what)


def _assumed(texts: tuple[str, ...]) -> dict[sp.Symbol, sp.Set]:
    domains: dict[sp.Symbol, sp.Set] = {}
    for text in texts:
        symbol, domain = read_domain(text)
        domains[symbol] = domain & domains.get(symbol, sp.S.Reals)
        if domains[symbol].is_empty:
            raise ValueError(f"assume: expected numbers that {symbol} may be, got none from {'; '.join(texts)}")
    return domains


def _textbook(name: str, wrt: str | None, in_terms_of: str | None) -> Writing:
    title, script = TEXTBOOK[name]
    writing = Writing(name, title)
    if in_terms_of is not None:
        raise ValueError(f"in_terms_of: expected none for {name}, got {in_terms_of!r}")
    if name == "tanh-neuron" and wrt is not None:
        textbook.tanh_neuron(writing, (formulas.chosen(wrt, textbook.NEURON),))
        return writing
    if wrt is not None:
        raise ValueError(f"wrt: expected none for {name}, got {wrt!r}")
    script(writing)
    return writing


def _of_definition(definition: Function | UpdateRule, wrt: str | None, in_terms_of: str | None) -> Writing:
    if not definition.derivable:
        raise ValueError(f"what: expected one of torchstone.derive.names(), got {definition.name!r}: not derived yet")
    writing = Writing(
        definition.name,
        f"{definition.title}: {_TITLES[definition.kind]}",
        references=[", ".join(filter(None, (each.text, each.where))) for each in definition.references],
    )
    if isinstance(definition, UpdateRule):
        if wrt is not None or in_terms_of is not None:
            raise ValueError(f"wrt, in_terms_of: expected neither for an optimizer, got {wrt or in_terms_of!r}")
        optimizers.SCRIPTS[definition.name](writing, definition)
        return writing
    entry = definition.prediction
    if wrt is not None:
        symbol = formulas.chosen(wrt, tuple(each.symbol for each in definition.inputs))
        entry = definition.by_name[str(symbol)]
    scripts = {**activations.SCRIPTS, **losses.SCRIPTS}
    for each in definition.inputs:
        if each.domain != sp.S.Reals:
            writing.domains[each.symbol] = each.domain
    if in_terms_of is not None:
        formulas.in_terms_of(writing, definition.name, definition, entry, in_terms_of)
    elif entry is definition.prediction and definition.name in scripts:
        scripts[definition.name](writing, definition)
    else:
        formulas.of_input(writing, definition, entry)
    return writing
