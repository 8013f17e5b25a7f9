"""Adam's kin: with a maximum, with Nesterov momentum, with a rectified variance."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Lines, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    ALWAYS_DECOUPLED,
    BETAS,
    COUPLED_DECAY,
    COUPLED_SLIPS,
    DECAY,
    DECOUPLED,
    DESCEND,
    EITHER_DECAY,
    EITHER_SLIPS,
    GIVEN,
    L2,
    MAXIMIZE,
    NOT_NEGATIVE,
    PLAIN_SLOPE,
    at_first,
    beta1,
    beta2,
    decayed,
    eps,
    exchanged,
    lr,
    m,
    p,
    rate,
    slope,
    small,
    step_slips,
    t,
    v,
)
from torchstone.definitions.optimizers_moments import (
    BIAS1,
    BIAS2,
    CORRECTION_SLIPS,
    CORRECTIONS,
    DECAY_IN_ONE_MOMENT,
    EXP_AVG,
    EXP_AVG_SQ,
    FIRST_MOMENT,
    FIRST_MOMENT_SLIPS,
    MOMENT_SLIPS,
    SECOND_MOMENT,
    correction1,
    correction2,
    m_hat,
    scale,
    v_hat,
)

u = sp.Symbol("u", real=True)
_NORM = sp.Max(beta2 * u, sp.Abs(slope) + eps)
_ADAMAX: Lines = (
    COUPLED_DECAY,
    (correction1, BIAS1),
    FIRST_MOMENT,
    (u, _NORM),
    (m_hat, m / correction1),
    (scale, u),
    (p, p - lr * m_hat / scale),
)
_AS_KERAS = "eps added to the norm, as in Keras"
_AS_PAPER = "eps left out, as in the paper"
_BARE_NORM = sp.Max(beta2 * u, sp.Abs(slope))

ADAMAX = UpdateRule(
    name="adamax",
    title="Adam with the largest gradient in place of the second moment",
    **GIVEN,
    state=(EXP_AVG, State(u, key="exp_inf")),
    hyper=(rate(3, 2), *BETAS, small(8), DECAY, MAXIMIZE),
    equations=(DESCEND, *_ADAMAX),
    counterpart="torch.optim.Adamax",
    conventions=(
        Convention("eps", "added to the gradient's size within the maximum", "to the norm (Keras); none (the paper)"),
        Convention("weight decay", "added to the gradient", "decoupled from it"),
    ),
    variants={
        **COUPLED_SLIPS,
        **step_slips(m_hat / scale),
        **FIRST_MOMENT_SLIPS,
        _AS_KERAS: ((u, _BARE_NORM), (scale, u + eps)),
        _AS_PAPER: ((u, _BARE_NORM), (scale, sp.Piecewise((1, sp.Eq(u, 0)), (u, True)))),
        "eps within the maximum and outside": ((scale, u + eps),),
        "eps as the least norm": ((u, sp.Max(_BARE_NORM, eps)),),
        "no bias correction": ((correction1, sp.S.One),),
        "bias correction with t - 1": ((correction1, at_first(sp.S.One, BIAS1.subs(t, t - 1))),),
        "bias correction with t + 1": ((correction1, BIAS1.subs(t, t + 1)),),
        "the norm corrected, too": ((scale, u / (1 - beta2**t)),),
        "the root of the norm": ((scale, sp.sqrt(u)),),
        "the norm without beta2: never forgotten": ((u, sp.Max(u, sp.Abs(slope) + eps)),),
        "the norm lost between steps": ((u, sp.Abs(slope) + eps),),
        "an average in place of the maximum": ((u, beta2 * u + (1 - beta2) * (sp.Abs(slope) + eps)),),
        "the largest square in place of the largest size": ((u, sp.Max(beta2 * u, slope**2 + eps)),),
        "the betas exchanged": exchanged(_ADAMAX, beta1, beta2),
        "weight decay decoupled": (PLAIN_SLOPE, (p, p - lr * m_hat / scale - lr * L2)),
    },
    accepted=(_AS_KERAS, _AS_PAPER),
    references=(
        Reference("D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015", "Algorithm 2"),
    ),
    derivable=False,
)

momentum_decay, mu, mu_next, mu_product, ahead = sp.symbols("momentum_decay mu mu_next mu_product ahead", real=True)


def _scheduled(count: sp.Expr, decay: sp.Expr = momentum_decay) -> sp.Expr:
    return beta1 * (1 - sp.Rational(96, 100) ** (count * decay) / 2)


def _ahead(gradient: sp.Expr, moment: sp.Expr) -> tuple[sp.Symbol, sp.Expr]:
    return ahead, gradient * slope + moment * m


_OWN, _NEXT = (1 - mu) / (1 - mu_product), mu_next / (1 - mu_product * mu_next)
_NADAM: Lines = (
    (mu, _scheduled(t)),
    (mu_next, _scheduled(t + 1)),
    (mu_product, mu_product * mu),
    CORRECTIONS[1],
    FIRST_MOMENT,
    SECOND_MOMENT,
    (v_hat, v / correction2),
    (scale, sp.sqrt(v_hat) + eps),
    _ahead(_OWN, _NEXT),
    (p, decayed - lr * ahead / scale),
)
_KERAS_SCHEDULE = "the schedule 0.96**t, as in Keras: momentum_decay 1"
_NO_SCHEDULE = "beta1 at every step, as in Optax"
_SCHEDULED_AVERAGE = "the first moment averaged with the schedule, as in the paper"

NADAM = UpdateRule(
    name="nadam",
    title="Adam with Nesterov momentum",
    **GIVEN,
    state=(State(mu_product, sp.S.One, key="mu_product"), EXP_AVG, EXP_AVG_SQ),
    hyper=(
        rate(3, 2),
        *BETAS,
        small(8),
        DECAY,
        Hyper(momentum_decay, sp.Rational(4, 1000), NOT_NEGATIVE),
        DECOUPLED,
        MAXIMIZE,
    ),
    equations=(DESCEND, *EITHER_DECAY, *_NADAM),
    counterpart="torch.optim.NAdam",
    conventions=(
        Convention(
            "the momentum's schedule",
            "beta1 (1 - 0.96**(t * momentum_decay) / 2), in the step only",
            "in the average, too (the paper); 0.96**t (Keras); no schedule (Optax)",
        ),
        Convention("eps", "outside the root, after the bias correction", "inside the root"),
        Convention("weight decay", "added to the gradient, or decoupled on request", ""),
    ),
    variants={
        **EITHER_SLIPS,
        "weight decay decoupled": ALWAYS_DECOUPLED,
        **step_slips(ahead / scale, decayed),
        **MOMENT_SLIPS,
        **DECAY_IN_ONE_MOMENT,
        _KERAS_SCHEDULE: ((mu, _scheduled(t, sp.S.One)), (mu_next, _scheduled(t + 1, sp.S.One))),
        _NO_SCHEDULE: ((mu, beta1), (mu_next, beta1)),
        _SCHEDULED_AVERAGE: ((m, mu * m + (1 - mu) * slope),),
        "the schedule with t - 1": ((mu, _scheduled(t - 1)), (mu_next, _scheduled(t))),
        "the schedule's half left out": ((mu, 2 * _scheduled(t) - beta1), (mu_next, 2 * _scheduled(t + 1) - beta1)),
        "the momentum of this step in place of the next": ((mu_next, mu),),
        "the schedule's product not kept": ((mu_product, mu),),
        "the schedule's product taken as mu**t": (_ahead((1 - mu) / (1 - mu**t), mu_next / (1 - mu_next ** (t + 1))),),
        "the product of this step for both corrections": (_ahead(_OWN, mu_next / (1 - mu_product)),),
        "the first moment not corrected": (_ahead(1 - mu, mu_next),),
        "bias correction with beta1**t for both": (_ahead((1 - mu) / BIAS1, mu_next / BIAS1),),
        "the weights of gradient and moment exchanged": (
            _ahead(mu_next / (1 - mu_product * mu_next), (1 - mu) / (1 - mu_product)),
        ),
        "the gradient's own weight left out": (_ahead(sp.S.Zero, _NEXT),),
        "no look-ahead: Adam": (_ahead(sp.S.Zero, 1 / BIAS1),),
        "the second moment not corrected": ((correction2, sp.S.One),),
        "eps inside the root": ((scale, sp.sqrt(v_hat + eps)),),
        "eps before the correction": ((scale, sp.sqrt(v_hat) + eps / sp.sqrt(correction2)),),
        "no root": ((scale, v_hat + eps),),
        "the betas exchanged": exchanged(_NADAM, beta1, beta2),
    },
    accepted=(_KERAS_SCHEDULE, _NO_SCHEDULE, _SCHEDULED_AVERAGE),
    references=(
        Reference("T. Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016", "Algorithm 2"),
        Reference("I. Sutskever, Training Recurrent Neural Networks, 2013", "the schedule of the momentum"),
    ),
    derivable=False,
)

rho, rho_inf, rectification, adapted, step = sp.symbols("rho rho_inf rectification adapted step", real=True)


def _length(count: sp.Expr) -> sp.Expr:
    return rho_inf - 2 * count * beta2**count / (1 - beta2**count)


def _rectified(least: int, otherwise: sp.Expr) -> tuple[sp.Symbol, sp.Expr]:
    return step, sp.Piecewise((adapted, rho > least), (otherwise, True))


_RATIO = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
_RADAM: Lines = (
    *CORRECTIONS,
    FIRST_MOMENT,
    SECOND_MOMENT,
    (m_hat, m / correction1),
    (v_hat, v / correction2),
    (scale, (sp.sqrt(v) + eps) / sp.sqrt(correction2)),
    (rho_inf, 2 / (1 - beta2) - 1),
    (rho, _length(t)),
    (rectification, sp.sqrt(_RATIO)),
    (adapted, rectification * m_hat / scale),
    _rectified(5, m_hat),
    (p, decayed - lr * step),
)
_RECTIFIED_FROM_4 = "rectification from rho_t > 4 on, as in the paper"
_EPS_AFTER = "eps after the correction, as in Optax"
_AS_AUTHORS = "weight decay decoupled, as in the authors' code"

RADAM = UpdateRule(
    name="radam",
    title="Rectified Adam",
    **GIVEN,
    state=(EXP_AVG, EXP_AVG_SQ),
    hyper=(rate(3), *BETAS, small(8), DECAY, DECOUPLED, MAXIMIZE),
    equations=(DESCEND, *EITHER_DECAY, *_RADAM),
    counterpart="torch.optim.RAdam",
    conventions=(
        Convention("where the step is adapted", "rho_t > 5 (the authors' code)", "rho_t > 4 (the paper)"),
        Convention(
            "before that", "the corrected first moment alone", "no step at all (an option of the authors' code)"
        ),
        Convention("eps", "added to the uncorrected root", "after the correction (Optax); none (the paper)"),
        Convention("weight decay", "added to the gradient, or decoupled on request", "decoupled (the authors' code)"),
    ),
    variants={
        **EITHER_SLIPS,
        _AS_AUTHORS: ALWAYS_DECOUPLED,
        **step_slips(step, decayed),
        **CORRECTION_SLIPS,
        **MOMENT_SLIPS,
        **DECAY_IN_ONE_MOMENT,
        _RECTIFIED_FROM_4: (_rectified(4, m_hat),),
        _EPS_AFTER: ((scale, sp.sqrt(v_hat) + eps),),
        "rectification from rho_t > 6 on": (_rectified(6, m_hat),),
        "no rectification": ((rectification, sp.S.One),),
        "no rectification at any step: Adam with eps before the correction": ((step, m_hat / scale),),
        "the rectification without its root": ((rectification, _RATIO),),
        "the rectification divided by, not multiplied in": ((rectification, 1 / sp.sqrt(_RATIO)),),
        "the rectification upside down in rho_inf": (
            (rectification, sp.sqrt((rho - 4) * (rho - 2) / ((rho_inf - 4) * (rho_inf - 2)))),
        ),
        "the un-adapted step without bias correction": (_rectified(5, m),),
        "the un-adapted step left out": (_rectified(5, sp.S.Zero),),
        "the un-adapted step adapted, but not rectified": (_rectified(5, m_hat / scale),),
        "the un-adapted step along the gradient": (_rectified(5, slope),),
        "never adapted": ((step, m_hat),),
        "rho_t with t - 1": ((rho, at_first(sp.S.Zero, _length(t - 1))),),
        "rho_t without the bias correction": ((rho, rho_inf - 2 * t * beta2**t),),
        "rho_t without the factor 2": ((rho, rho_inf - t * beta2**t / BIAS2),),
        "rho_inf without - 1": ((rho_inf, 2 / (1 - beta2)),),
        "rho of beta1": ((rho_inf, 2 / (1 - beta1) - 1), (rho, _length(t).subs(beta2, beta1))),
        "eps inside the root": ((scale, sp.sqrt(v_hat + eps)),),
        "no root": ((scale, (v + eps) / correction2),),
        "the betas exchanged": exchanged(_RADAM, beta1, beta2),
    },
    accepted=(_RECTIFIED_FROM_4, _EPS_AFTER, _AS_AUTHORS),
    references=(
        Reference("L. Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020", "Algorithm 2"),
    ),
    derivable=False,
)

ADAM_KIN = (ADAMAX, NADAM, RADAM)
