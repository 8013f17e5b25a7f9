"""Descent along the gradient or its sign, with and without momentum."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    BETAS,
    COUPLED_DECAY,
    COUPLED_SLIPS,
    DECAY,
    DECAY_RATE,
    DECOUPLED_DECAY,
    DECOUPLED_SLIPS,
    DESCEND,
    GIVEN,
    IGNORES_MAXIMIZE,
    L2,
    MAXIMIZE,
    NOT_NEGATIVE,
    PLAIN_PARAMETER,
    PLAIN_SLOPE,
    SHRINKING,
    SUTSKEVER,
    SWITCH,
    at_first,
    b,
    beta1,
    beta2,
    choose,
    decayed,
    exchanged,
    lr,
    m,
    momentum,
    p,
    rate,
    signed,
    slope,
    step_slips,
    t,
    weight_decay,
)

dampening = sp.Symbol("dampening", real=True)
nesterov = sp.Symbol("nesterov")
velocity, direction = sp.symbols("velocity d", real=True)

_OUTSIDE = Convention(
    "the learning rate",
    "outside the buffer",
    "inside the velocity (Sutskever et al. 2013; Keras); the same while fixed",
)

GRADIENT_DESCENT = UpdateRule(
    name="gradient_descent",
    title="Gradient descent",
    **GIVEN,
    state=(),
    hyper=(rate(3), MAXIMIZE),
    equations=(DESCEND, (p, p - lr * signed)),
    counterpart="torch.optim.SGD",
    variants={
        **IGNORES_MAXIMIZE,
        **step_slips(signed),
        "the sign of the gradient only": ((p, p - lr * sp.sign(signed)),),
    },
    references=(
        Reference("A. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, 1847"),
    ),
    aliases=("gd",),
)


def _sgd_direction(slope: sp.Expr, velocity: sp.Expr) -> sp.Expr:
    with_momentum = choose(nesterov, slope + momentum * velocity, velocity)
    return sp.Piecewise((slope, sp.Eq(momentum, 0)), (with_momentum, True))


_KEPT = (1 - dampening) * slope
_DIRECTION = _sgd_direction(slope, velocity)

SGD = UpdateRule(
    name="sgd",
    title="Stochastic gradient descent",
    **GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(
        rate(3),
        Hyper(momentum, sp.S.Zero, NOT_NEGATIVE),
        Hyper(dampening, sp.S.Zero, sp.S.Reals),
        DECAY,
        Hyper(nesterov, sp.false, SWITCH),
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (velocity, at_first(slope, momentum * b + _KEPT)),
        (direction, _DIRECTION),
        (b, velocity),
        (p, p - lr * direction),
    ),
    counterpart="torch.optim.SGD",
    conventions=(
        Convention("the first step", "the buffer starts as the gradient, not dampened", "dampened from the start"),
        _OUTSIDE,
        Convention(
            "Nesterov's form", "a gradient at the parameter, looking ahead by momentum * b", "looking ahead first"
        ),
        Convention("weight decay", "added to the gradient", "decoupled from it"),
        Convention(
            "dampening", "1 - dampening on the gradient, none by default", "1 - momentum: an exponential average"
        ),
    ),
    variants={
        **COUPLED_SLIPS,
        **step_slips(direction),
        "weight decay decoupled: added after the momentum": (PLAIN_SLOPE, (p, p - lr * (direction + L2))),
        "weight decay decoupled, and not multiplied by the learning rate": (PLAIN_SLOPE, (p, p - lr * direction - L2)),
        "dampened first step": ((velocity, momentum * b + _KEPT),),
        "dampening ignored": ((velocity, at_first(slope, momentum * b + slope)),),
        "dampening on the buffer, not on the gradient": (
            (velocity, at_first(slope, (1 - dampening) * momentum * b + slope)),
        ),
        "dampening itself in place of 1 - dampening": ((velocity, at_first(slope, momentum * b + dampening * slope)),),
        "exponential average": ((velocity, momentum * b + (1 - momentum) * slope),),
        "exponential average that starts from the gradient": (
            (velocity, at_first(slope, momentum * b + (1 - momentum) * slope)),
        ),
        "momentum on the new gradient, too": ((velocity, at_first(slope, momentum * (b + slope))),),
        "learning rate inside the velocity": (
            (velocity, at_first(lr * slope, momentum * b + lr * _KEPT)),
            (direction, _sgd_direction(lr * slope, velocity)),
            (p, p - direction),
        ),
        "learning rate inside the velocity and outside": (
            (velocity, at_first(lr * slope, momentum * b + lr * _KEPT)),
            (direction, _sgd_direction(lr * slope, velocity)),
        ),
        "momentum buffer not kept": ((velocity, slope),),
        "momentum ignored": ((direction, slope),),
        "the first gradient lost from the buffer": (
            (velocity, at_first(sp.S.Zero, momentum * b + _KEPT)),
            (direction, at_first(slope, _DIRECTION)),
        ),
        "the buffer of the step before": ((direction, _sgd_direction(slope, b)),),
        "Nesterov's step ignored": ((direction, sp.Piecewise((slope, sp.Eq(momentum, 0)), (velocity, True))),),
        "Nesterov's step always": (
            (direction, sp.Piecewise((slope, sp.Eq(momentum, 0)), (slope + momentum * velocity, True))),
        ),
        "Nesterov's step the wrong way round: buffer + momentum * gradient": (
            (direction, choose(nesterov, velocity + momentum * slope, _DIRECTION)),
        ),
        "Nesterov's step without the factor momentum": ((direction, choose(nesterov, slope + velocity, _DIRECTION)),),
        "Nesterov's step looking ahead twice": (
            (direction, choose(nesterov, slope + momentum * (slope + momentum * velocity), _DIRECTION)),
        ),
    },
    references=(
        Reference("H. Robbins and S. Monro, A Stochastic Approximation Method, Ann. Math. Statist. 22 (1951)"),
        Reference("B. Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964"),
        SUTSKEVER,
    ),
    aliases=("stochastic_gradient_descent",),
)

MOMENTUM = UpdateRule(
    name="momentum",
    title="Gradient descent with momentum (the heavy ball)",
    **GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(rate(3), Hyper(momentum, sp.Rational(9, 10), NOT_NEGATIVE), MAXIMIZE),
    equations=(
        DESCEND,
        (velocity, momentum * b + signed),
        (direction, velocity),
        (b, velocity),
        (p, p - lr * direction),
    ),
    counterpart="torch.optim.SGD",
    conventions=(_OUTSIDE,),
    variants={
        **IGNORES_MAXIMIZE,
        **step_slips(direction),
        "exponential average": ((velocity, momentum * b + (1 - momentum) * signed),),
        "exponential average that starts from the gradient": (
            (velocity, at_first(signed, momentum * b + (1 - momentum) * signed)),
        ),
        "momentum on the new gradient, too": ((velocity, momentum * (b + signed)),),
        "learning rate inside the velocity": ((velocity, momentum * b + lr * signed), (p, p - direction)),
        "learning rate inside the velocity and outside": ((velocity, momentum * b + lr * signed),),
        "momentum ignored": ((direction, signed),),
        "the first gradient lost from the buffer": (
            (velocity, at_first(sp.S.Zero, momentum * b + signed)),
            (direction, at_first(signed, velocity)),
        ),
        "the buffer of the step before": ((direction, b),),
        "Nesterov's step": ((direction, signed + momentum * velocity),),
    },
    accepted=("learning rate inside the velocity",),
    references=SGD.references[1:],
)

_MIXED = beta1 * m + (1 - beta1) * slope
_AFTER = beta2 * m + (1 - beta2) * slope
mixed = sp.Symbol("c", real=True)
_LION = (
    DESCEND,
    PLAIN_SLOPE,
    DECOUPLED_DECAY,
    (mixed, _MIXED),
    (m, _AFTER),
    (p, decayed - lr * sp.sign(mixed)),
)

LION = UpdateRule(
    name="lion",
    title="Lion: evolved sign momentum",
    **GIVEN,
    state=(State(m, key="exp_avg"),),
    hyper=(rate(4), BETAS[0], Hyper(beta2, sp.Rational(99, 100), DECAY_RATE, "betas[1]"), DECAY, MAXIMIZE),
    equations=_LION,
    counterpart="",
    conventions=(
        Convention("weight decay", "p shrinks by lr * weight_decay before the step", "inside the step: the same"),
        Convention("the sign of 0", "0: no step", "1"),
        Convention("the names of the betas", "beta1 of the step, beta2 of what is kept", ""),
    ),
    variants={
        **DECOUPLED_SLIPS,
        **step_slips(sp.sign(mixed), decayed),
        "weight decay coupled: added to the gradient": (COUPLED_DECAY, PLAIN_PARAMETER),
        "weight decay inside the sign": (PLAIN_PARAMETER, (p, p - lr * sp.sign(mixed + L2))),
        "weight decay after the step": (
            PLAIN_PARAMETER,
            (p, (p - lr * sp.sign(mixed)) * (1 - lr * weight_decay)),
        ),
        "the betas exchanged": exchanged(_LION, beta1, beta2),
        "the momentum updated before the sign": ((mixed, beta1 * _AFTER + (1 - beta1) * slope),),
        "the sign of the momentum: beta2 for both averages": ((mixed, _AFTER),),
        "the interpolation kept as the momentum: beta1 for both averages": ((m, _MIXED),),
        "the averages weighted the wrong way round": (
            (mixed, (1 - beta1) * m + beta1 * slope),
            (m, (1 - beta2) * m + beta2 * slope),
        ),
        "the momentum without (1 - beta2)": ((m, beta2 * m + slope),),
        "the sign left out": ((p, decayed - lr * mixed),),
        "the sign of the gradient kept": ((m, beta2 * m + (1 - beta2) * sp.sign(slope)),),
        "the momentum lost: the sign of the gradient": ((mixed, slope),),
    },
    references=(
        Reference("X. Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023", "Algorithm 2"),
    ),
    derivable=False,
)

SIGNSGD = UpdateRule(
    name="signsgd",
    title="Sign descent, with momentum Signum",
    **GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(rate(3), Hyper(momentum, sp.S.Zero, DECAY_RATE), DECAY, MAXIMIZE),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (b, momentum * b + (1 - momentum) * slope),
        (p, p - lr * sp.sign(b)),
    ),
    counterpart="",
    conventions=(
        Convention("the buffer", "an exponential average", "a sum: the signs are the same"),
        Convention("weight decay", "added to the gradient", "decoupled from it (both in MXNet's Signum)"),
        Convention("the sign of 0", "0: no step", "1"),
    ),
    variants={
        **COUPLED_SLIPS,
        **step_slips(sp.sign(b)),
        "weight decay decoupled": (PLAIN_SLOPE, (p, p - SHRINKING - lr * sp.sign(b))),
        "the sign left out": ((p, p - lr * b),),
        "the average of signs, without a sign": (
            (b, momentum * b + (1 - momentum) * sp.sign(slope)),
            (p, p - lr * b),
        ),
        "the sign of the average of signs": ((b, momentum * b + (1 - momentum) * sp.sign(slope)),),
        "momentum ignored: the sign of the gradient": ((p, p - lr * sp.sign(slope)),),
        "momentum and 1 - momentum exchanged": ((b, (1 - momentum) * b + momentum * slope),),
        "weight decay left out of the average": (
            (b, momentum * b + (1 - momentum) * signed),
            (p, p - lr * sp.sign(b + L2)),
        ),
    },
    accepted=("weight decay decoupled",),
    references=(Reference("J. Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, ICML 2018"),),
    aliases=("signum",),
    derivable=False,
)

eta_minus, eta_plus, least, most = sp.symbols("eta_minus eta_plus step_size_min step_size_max", real=True)
before, size, agreement, new_size, taken = sp.symbols("before size agreement new_size taken", real=True)


def _bounded(value: sp.Expr) -> sp.Expr:
    return sp.Min(sp.Max(value, least), most)


def _grown(value: sp.Expr, shrinks: sp.Basic = agreement < 0, grows: sp.Basic = agreement > 0) -> sp.Expr:
    return value * sp.Piecewise((eta_minus, shrinks), (eta_plus, grows), (1, True))


RPROP = UpdateRule(
    name="rprop",
    title="Resilient backpropagation (without a step back)",
    **GIVEN,
    state=(State(before, key="prev"), State(size, lr, key="step_size")),
    hyper=(
        rate(2),
        Hyper(eta_minus, sp.Rational(1, 2), sp.Interval.open(0, 1), "etas[0]"),
        Hyper(eta_plus, sp.Rational(6, 5), sp.Interval.open(1, sp.oo), "etas[1]"),
        Hyper(least, sp.Rational(1, 10**6), NOT_NEGATIVE, "step_sizes[0]"),
        Hyper(most, sp.Integer(50), NOT_NEGATIVE, "step_sizes[1]"),
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        (agreement, signed * before),
        (new_size, _bounded(_grown(size))),
        (taken, sp.Piecewise((0, agreement < 0), (signed, True))),
        (p, p - new_size * sp.sign(taken)),
        (size, new_size),
        (before, taken),
    ),
    counterpart="torch.optim.Rprop",
    conventions=(
        Convention("the learning rate", "the first step size; later changes of it do nothing", ""),
        Convention(
            "a change of sign",
            "no step, and the next gradient counts as the first (iRprop-)",
            "the last step is taken back (Rprop+, the original); the smaller step is taken (Rprop-)",
        ),
    ),
    variants={
        **IGNORES_MAXIMIZE,
        "the step's sign wrong": ((p, p + new_size * sp.sign(taken)),),
        "the last step taken back where the sign changes: Rprop+": (
            (p, p - sp.Piecewise((-size * sp.sign(before), agreement < 0), (new_size * sp.sign(taken), True))),
        ),
        "a smaller step taken where the sign changes: Rprop-": ((taken, signed),),
        "no step where the sign changes, but the gradient kept for the next": ((before, signed),),
        "a step where the sign changes, but no gradient kept for the next": ((p, p - new_size * sp.sign(signed)),),
        "the etas exchanged": ((new_size, _bounded(_grown(size, agreement > 0, agreement < 0))),),
        "a product of 0 counting as a change of sign": ((new_size, _bounded(_grown(size, agreement <= 0))),),
        "a product of 0 counting as agreement": ((new_size, _bounded(_grown(size, grows=agreement >= 0))),),
        "step sizes without bounds": ((new_size, _grown(size)),),
        "step sizes without a lower bound": ((new_size, sp.Min(_grown(size), most)),),
        "step sizes without an upper bound": ((new_size, sp.Max(_grown(size), least)),),
        "step sizes not kept": ((new_size, _bounded(_grown(lr))),),
        "the step size of the step before": ((p, p - size * sp.sign(taken)),),
        "the gradient itself in place of its sign": ((p, p - new_size * taken),),
        "the step multiplied by the learning rate": ((p, p - lr * new_size * sp.sign(taken)),),
    },
    accepted=(
        "the last step taken back where the sign changes: Rprop+",
        "a smaller step taken where the sign changes: Rprop-",
    ),
    references=(
        Reference(
            "M. Riedmiller and H. Braun, A Direct Adaptive Method for Faster Backpropagation Learning, ICNN 1993"
        ),
        Reference("C. Igel and M. Hüsken, Improving the Rprop Learning Algorithm, NC 2000", "Algorithm 4, iRprop-"),
    ),
    derivable=False,
)

lambd, alpha, t0, eta, mu, average = sp.symbols("lambd alpha t0 eta mu ax", real=True)


def _eta(count: sp.Expr) -> sp.Expr:
    return lr / (1 + lambd * lr * count) ** alpha


_ASGD_STEP = p * (1 - lambd * eta) - eta * slope

ASGD = UpdateRule(
    name="asgd",
    title="Averaged stochastic gradient descent",
    **GIVEN,
    state=(State(eta, lr, key="eta"), State(mu, sp.S.One, key="mu"), State(average, key="ax")),
    hyper=(
        rate(2),
        Hyper(lambd, sp.Rational(1, 10**4), NOT_NEGATIVE),
        Hyper(alpha, sp.Rational(3, 4), NOT_NEGATIVE),
        Hyper(t0, sp.Integer(10**6), NOT_NEGATIVE),
        DECAY,
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        COUPLED_DECAY,
        (p, _ASGD_STEP),
        (average, average + mu * (p - average)),
        (eta, _eta(t)),
        (mu, 1 / sp.Max(1, t - t0)),
    ),
    counterpart="torch.optim.ASGD",
    conventions=(
        Convention("a new learning rate", "acts one step late, through eta", "acts at once"),
        Convention("the parameter", "the last iterate; the average is state only, from step t0 on", "the average"),
        Convention("lambd", "a decay of its own, besides weight_decay", ""),
    ),
    variants={
        **COUPLED_SLIPS,
        "a new learning rate acting at once": ((p, _ASGD_STEP.subs(eta, _eta(t - 1))),),
        "eta ahead by one step": ((p, _ASGD_STEP.subs(eta, _eta(t))),),
        "eta constant: the learning rate": ((eta, lr),),
        "eta without the power alpha": ((eta, _eta(t).subs(alpha, 1)),),
        "eta without lambd: lr / t**alpha": ((eta, lr / t**alpha),),
        "the decay lambd ignored": ((p, p - eta * slope),),
        "the decay lambd not multiplied by eta": ((p, p * (1 - lambd) - eta * slope),),
        "the decay lambd after the step": ((p, (p - eta * slope) * (1 - lambd * eta)),),
        "the step's sign wrong": ((p, p * (1 - lambd * eta) + eta * slope),),
        "averaging from the first step": ((mu, 1 / t),),
        "no averaging": ((mu, sp.S.One),),
        "the average weighted the wrong way round": ((average, p + mu * (average - p)),),
    },
    accepted=("a new learning rate acting at once",),
    references=(
        Reference("B. Polyak and A. Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992"),
        Reference("L. Bottou, Stochastic Gradient Descent Tricks, 2012", "the schedule of eta"),
    ),
    derivable=False,
)

MOMENTUM_OPTIMIZERS = (SGD, GRADIENT_DESCENT, MOMENTUM, SIGNSGD, LION, RPROP, ASGD)
