"""What the update rules share: symbols, hyper-parameters, lines, and the slips that are met in all of them."""

import sympy as sp

from torchstone.definitions.core import Hyper, Lines, Reference

Variants = dict[str, Lines]

p, g = sp.symbols("p g", real=True)
t = sp.Symbol("t", integer=True, positive=True)
GIVEN = {"parameter": p, "gradient": g, "step": t}

# The gradient as it is to be descended, the same with weight decay, and the parameter after its own decay.
signed, slope, decayed = sp.symbols("signed slope decayed", real=True)
m, v, b = sp.symbols("m v b", real=True)

lr, weight_decay, eps, beta1, beta2, momentum = sp.symbols("lr weight_decay eps beta1 beta2 momentum", real=True)
maximize, decoupled = sp.symbols("maximize decoupled_weight_decay")

SWITCH = sp.FiniteSet(sp.true, sp.false)
NOT_NEGATIVE, POSITIVE = sp.Interval(0, sp.oo), sp.Interval.open(0, sp.oo)
DECAY_RATE = sp.Interval.Ropen(0, 1)

MAXIMIZE = Hyper(maximize, sp.false, SWITCH)
DECAY = Hyper(weight_decay, sp.S.Zero, NOT_NEGATIVE)
DECOUPLED = Hyper(decoupled, sp.false, SWITCH)
BETAS = (
    Hyper(beta1, sp.Rational(9, 10), DECAY_RATE, "betas[0]"),
    Hyper(beta2, sp.Rational(999, 1000), DECAY_RATE, "betas[1]"),
)


def choose(switch: sp.Basic, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    """The one where the switch is on, and the other where it is off."""
    return sp.Piecewise((yes, switch), (no, True))


def at_first(first: sp.Expr, later: sp.Expr) -> sp.Expr:
    """An expression of its own at the first step."""
    return sp.Piecewise((first, sp.Eq(t, 1)), (later, True))


def rate(power: int, times: int = 1) -> Hyper:
    """The learning rate, by default `times` over 10 to that power."""
    return Hyper(lr, sp.Rational(times, 10**power), NOT_NEGATIVE)


def small(power: int) -> Hyper:
    """The eps that keeps a denominator from 0, by default 10 to minus that power."""
    return Hyper(eps, sp.Rational(1, 10**power), NOT_NEGATIVE)


def exchanged(lines: Lines, *symbols: sp.Symbol) -> Lines:
    """The lines that hold any of two symbols, with one in the place of the other."""
    one, other = symbols
    swap = {one: other, other: one}
    return tuple((left, right.xreplace(swap)) for left, right in lines if right.has(one, other))


def replaced(lines: Lines, old: sp.Basic, new: sp.Basic) -> Lines:
    """The lines that hold an expression, with another in its place."""
    return tuple((left, right.subs(old, new)) for left, right in lines if right.has(old))


DESCEND = (signed, choose(maximize, -g, g))
L2 = weight_decay * p
SHRINKING = lr * weight_decay * p

PLAIN_SLOPE, PLAIN_PARAMETER = (slope, signed), (decayed, p)
COUPLED_DECAY = (slope, signed + L2)
DECOUPLED_DECAY = (decayed, p - SHRINKING)

IGNORES_MAXIMIZE: Variants = {"maximize ignored": ((signed, g),)}

COUPLED_SLIPS: Variants = {
    **IGNORES_MAXIMIZE,
    "maximize applied after the weight decay": ((slope, choose(maximize, -g - L2, g + L2)),),
    "weight decay ignored": (PLAIN_SLOPE,),
    "weight decay of the wrong sign": ((slope, signed - L2),),
    "weight decay doubled: the derivative of weight_decay * p**2": ((slope, signed + 2 * L2),),
    "weight decay multiplied by the learning rate, and added to the gradient": ((slope, signed + SHRINKING),),
    "weight decay by the sign of the parameter: L1": ((slope, signed + weight_decay * sp.sign(p)),),
}

DECOUPLED_SLIPS: Variants = {
    **IGNORES_MAXIMIZE,
    "weight decay's sign flipped by maximize": ((decayed, p - choose(maximize, -SHRINKING, SHRINKING)),),
    "weight decay ignored": (PLAIN_PARAMETER,),
    "weight decay of the wrong sign": ((decayed, p + SHRINKING),),
    "weight decay not multiplied by the learning rate": ((decayed, p - L2),),
    "weight decay multiplied by the learning rate twice": ((decayed, p - lr * SHRINKING),),
    "weight decay added to the gradient, and decoupled as well": (COUPLED_DECAY,),
}


def _either(coupled: sp.Expr, shrinking: sp.Expr) -> Lines:
    """What is added to the gradient, and what is taken from the parameter where decay is decoupled."""
    added, lost = choose(decoupled, sp.S.Zero, coupled), choose(decoupled, shrinking, sp.S.Zero)
    return (slope, signed + added), (decayed, p - lost)


EITHER_DECAY = _either(L2, SHRINKING)
ALWAYS_DECOUPLED: Lines = (PLAIN_SLOPE, DECOUPLED_DECAY)

EITHER_SLIPS: Variants = {
    **IGNORES_MAXIMIZE,
    "maximize applied after the weight decay": (
        (slope, choose(maximize, -1, 1) * (g + choose(decoupled, sp.S.Zero, L2))),
    ),
    "weight decay ignored": (PLAIN_SLOPE, PLAIN_PARAMETER),
    "weight decay of the wrong sign": _either(-L2, -SHRINKING),
    "weight decay doubled: the derivative of weight_decay * p**2": _either(2 * L2, SHRINKING),
    "weight decay multiplied by the learning rate, and added to the gradient": _either(SHRINKING, SHRINKING),
    "weight decay not multiplied by the learning rate where decoupled": _either(L2, L2),
    "weight decay decoupled, and not multiplied by the learning rate": (PLAIN_SLOPE, (decayed, p - L2)),
    "decoupled_weight_decay ignored: weight decay coupled": (COUPLED_DECAY, PLAIN_PARAMETER),
}


def step_slips(step: sp.Expr, start: sp.Expr = p) -> Variants:
    """What goes wrong in the last line, `p = start - lr * step`."""
    return {
        "the step's sign wrong": ((p, start + lr * step),),
        "the learning rate divided by sqrt(t)": ((p, start - lr * step / sp.sqrt(t)),),
        "the learning rate multiplied in twice": ((p, start - lr**2 * step),),
        "the learning rate ignored": ((p, start - step),),
    }


KINGMA = Reference("D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015", "Algorithm 1")
SUTSKEVER = Reference(
    "I. Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning, ICML 2013", "eqs. 1-4"
)
