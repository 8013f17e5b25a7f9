"""Optimizers that compute what an update rule says, line by line: subjects for every definition and every variant."""

import inspect
from functools import cache

import sympy as sp
import torch
from sympy.logic.boolalg import BooleanAtom

from torchstone.check.optimizers.vocabulary import split, value_of


@cache
def lines_of(rule):
    """Each line as a function of all that is known before it."""
    known = [rule.parameter, rule.gradient, rule.step]
    known += [entry.symbol for entry in rule.state] + [entry.symbol for entry in rule.hyper]
    made = []
    for left, right in rule.equations:
        made.append((left, list(known), sp.lambdify(known, right, modules=[{"sign": sign, "sqrt": sqrt}, "math"])))
        known += [left] if left not in known else []
    initial = [sp.lambdify([e.symbol for e in rule.hyper], entry.initial, modules="math") for entry in rule.state]
    return made, initial


def sign(x):
    return float((x > 0) - (x < 0))


def sqrt(x):
    return abs(x) ** 0.5


def optimizer_of(rule, name):
    """A class of that name, with PyTorch's spellings, whose every number follows the rule in Python's floats."""
    defaults = {}
    for entry in rule.hyper:
        base, place = split(entry.argument or entry.name)
        value = bool(entry.default) if isinstance(entry.default, BooleanAtom) else float(entry.default)
        if place is None:
            defaults[base] = value
        else:
            defaults[base] = (*defaults.get(base, ()), value)

    def step(self, closure=None):
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            hyper = [value_of(entry.argument or entry.name, group) for entry in rule.hyper]
            for p in group["params"]:
                if p.grad is None:
                    continue
                made, initial = lines_of(rule)
                kept = self.state[p]
                if not kept:
                    kept["step"] = 0
                    for entry, first in zip(rule.state, initial, strict=True):
                        kept[str(entry.symbol)] = torch.full_like(p, float(first(*hyper)))
                kept["step"] += 1
                state = [kept[str(entry.symbol)] for entry in rule.state]
                with torch.no_grad():
                    for place in range(p.numel()):
                        values = [p.view(-1)[place].item(), p.grad.reshape(-1)[place].item(), kept["step"]]
                        values += [each.view(-1)[place].item() for each in state] + hyper
                        named = dict(
                            zip(
                                [rule.parameter, rule.gradient, rule.step]
                                + [entry.symbol for entry in rule.state]
                                + [entry.symbol for entry in rule.hyper],
                                values,
                                strict=True,
                            )
                        )
                        for left, known, function in made:
                            named[left] = function(*(named[symbol] for symbol in known))
                        p.view(-1)[place] = named[rule.parameter]
                        for entry, each in zip(rule.state, state, strict=True):
                            each.view(-1)[place] = named[entry.symbol]
        return loss

    def init(self, params, **given):
        torch.optim.Optimizer.__init__(self, params, {**defaults, **given})

    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value) for key, value in defaults.items()),
    ]
    init.__signature__ = inspect.Signature(parameters)
    return type(name, (torch.optim.Optimizer,), {"__init__": init, "step": step, "__module__": __name__})
