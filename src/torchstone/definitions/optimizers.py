"""The optimizers, as recurrences for one parameter."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Reference, State, UpdateRule

p, g, m, v, v_max, b = sp.symbols("p g m v v_max b", real=True)
t = sp.Symbol("t", integer=True, positive=True)
lr, momentum, dampening, weight_decay = sp.symbols("lr momentum dampening weight_decay", real=True)
beta1, beta2, eps = sp.symbols("beta1 beta2 eps", real=True)
nesterov, maximize, amsgrad = sp.symbols("nesterov maximize amsgrad")
signed, slope, decayed, direction, m_hat, v_hat = sp.symbols("signed slope decayed d m_hat v_hat", real=True)

_SWITCH = sp.FiniteSet(sp.true, sp.false)
_NOT_NEGATIVE = sp.Interval(0, sp.oo)
_DECAY_RATE = sp.Interval.Ropen(0, 1)


def _if(switch: sp.Basic, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    return sp.Piecewise((yes, switch), (no, True))


_LR = Hyper(lr, sp.Rational(1, 1000), _NOT_NEGATIVE)
_MAXIMIZE = Hyper(maximize, sp.false, _SWITCH)
_DESCEND = (signed, _if(maximize, -g, g))
_COUPLED_DECAY = (slope, signed + weight_decay * p)
_GIVEN = {"parameter": p, "gradient": g, "step": t}

_BUFFER = sp.Piecewise((slope, sp.Eq(t, 1)), (momentum * b + (1 - dampening) * slope, True))

SGD = UpdateRule(
    name="sgd",
    title="Stochastic gradient descent",
    **_GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(
        _LR,
        Hyper(momentum, sp.S.Zero, _NOT_NEGATIVE),
        Hyper(dampening, sp.S.Zero, sp.S.Reals),
        Hyper(weight_decay, sp.S.Zero, _NOT_NEGATIVE),
        Hyper(nesterov, sp.false, _SWITCH),
        _MAXIMIZE,
    ),
    equations=(
        _DESCEND,
        _COUPLED_DECAY,
        (b, _BUFFER),
        (direction, sp.Piecewise((slope, sp.Eq(momentum, 0)), (_if(nesterov, slope + momentum * b, b), True))),
        (p, p - lr * direction),
    ),
    counterpart="torch.optim.SGD",
    conventions=(
        Convention("the first step", "the buffer starts as the gradient, not dampened", "dampened from the start"),
        Convention("the learning rate", "outside the buffer", "inside the velocity (Sutskever et al. 2013)"),
        Convention(
            "Nesterov's form", "a gradient at the parameter, looking ahead by momentum * b", "looking ahead first"
        ),
        Convention("weight decay", "added to the gradient", "decoupled from it"),
    ),
    variants={
        "dampened first step": ((b, momentum * b + (1 - dampening) * slope),),
        "exponential average": ((b, momentum * b + (1 - momentum) * slope),),
        "learning rate inside the velocity": (
            (b, momentum * b + lr * slope),
            (p, p - sp.Piecewise((lr * slope, sp.Eq(momentum, 0)), (b, True))),
        ),
        "momentum buffer not kept": ((b, slope),),
        "no weight decay": ((slope, signed),),
    },
    references=(
        Reference("H. Robbins and S. Monro, A Stochastic Approximation Method, Ann. Math. Statist. 22 (1951)"),
        Reference("B. Polyak, Some Methods of Speeding up the Convergence of Iteration Methods, 1964"),
        Reference(
            "I. Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning, ICML 2013",
            "eqs. 1-4",
        ),
    ),
    aliases=("stochastic_gradient_descent",),
)

GRADIENT_DESCENT = UpdateRule(
    name="gradient_descent",
    title="Gradient descent",
    **_GIVEN,
    state=(),
    hyper=(_LR, _MAXIMIZE),
    equations=(_DESCEND, (p, p - lr * signed)),
    counterpart="torch.optim.SGD",
    references=(
        Reference("A. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, 1847"),
    ),
    aliases=("gd",),
)

MOMENTUM = UpdateRule(
    name="momentum",
    title="Gradient descent with momentum (the heavy ball)",
    **_GIVEN,
    state=(State(b, key="momentum_buffer"),),
    hyper=(_LR, Hyper(momentum, sp.Rational(9, 10), _NOT_NEGATIVE), _MAXIMIZE),
    equations=(_DESCEND, (b, momentum * b + signed), (p, p - lr * b)),
    counterpart="torch.optim.SGD",
    conventions=SGD.conventions[1:2],
    variants={
        "exponential average": ((b, momentum * b + (1 - momentum) * signed),),
        "learning rate inside the velocity": ((b, momentum * b + lr * signed), (p, p - b)),
    },
    references=SGD.references[1:2],
)

_MOMENTS = ((m, beta1 * m + (1 - beta1) * slope), (v, beta2 * v + (1 - beta2) * slope**2))
_CORRECTED = ((m_hat, m / (1 - beta1**t)), (v_hat, _if(amsgrad, v_max, v) / (1 - beta2**t)))
_LARGEST = (v_max, sp.Max(v_max, v))
_ADAM_STEP = (p, decayed - lr * m_hat / (sp.sqrt(v_hat) + eps))

_ADAM_STATE = (State(m, key="exp_avg"), State(v, key="exp_avg_sq"), State(v_max, key="max_exp_avg_sq"))
_ADAM_HYPER = (
    _LR,
    Hyper(beta1, sp.Rational(9, 10), _DECAY_RATE, "betas[0]"),
    Hyper(beta2, sp.Rational(999, 1000), _DECAY_RATE, "betas[1]"),
    Hyper(eps, sp.Rational(1, 10**8), _NOT_NEGATIVE),
)
_ADAM_CONVENTIONS = (
    Convention(
        "eps",
        "outside the root, after the bias correction",
        "inside the root; added to the uncorrected root (TensorFlow)",
    ),
    Convention("amsgrad", "the largest uncorrected second moment, corrected afterwards", "the largest corrected one"),
)
_ADAM_VARIANTS = {
    "no bias correction": ((m_hat, m), (v_hat, _if(amsgrad, v_max, v))),
    "only the first moment corrected": ((v_hat, _if(amsgrad, v_max, v)),),
    "only the second moment corrected": ((m_hat, m),),
    "eps inside the root": ((p, decayed - lr * m_hat / sp.sqrt(v_hat + eps)),),
    "eps before the correction": (
        (p, decayed - lr * m_hat * sp.sqrt(1 - beta2**t) / (sp.sqrt(_if(amsgrad, v_max, v)) + eps)),
    ),
    "no root": ((p, decayed - lr * m_hat / (v_hat + eps)),),
    "bias correction with t - 1": (
        (m_hat, sp.Piecewise((m, sp.Eq(t, 1)), (m / (1 - beta1 ** (t - 1)), True))),
        (v_hat, sp.Piecewise((v, sp.Eq(t, 1)), (v / (1 - beta2 ** (t - 1)), True))),
    ),
}
_ADAM = Reference("D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015", "Algorithm 1")
_AMSGRAD = Reference("S. Reddi, S. Kale and S. Kumar, On the Convergence of Adam and Beyond, ICLR 2018", "Algorithm 2")

ADAM = UpdateRule(
    name="adam",
    title="Adam",
    **_GIVEN,
    state=_ADAM_STATE,
    hyper=(*_ADAM_HYPER, Hyper(weight_decay, sp.S.Zero, _NOT_NEGATIVE), Hyper(amsgrad, sp.false, _SWITCH), _MAXIMIZE),
    equations=(_DESCEND, _COUPLED_DECAY, (decayed, p), *_MOMENTS, _LARGEST, *_CORRECTED, _ADAM_STEP),
    counterpart="torch.optim.Adam",
    conventions=(*_ADAM_CONVENTIONS, Convention("weight decay", "added to the gradient", "decoupled from it (AdamW)")),
    variants=_ADAM_VARIANTS,
    references=(_ADAM, _AMSGRAD),
)

_DECOUPLED_DECAY = (decayed, p - lr * weight_decay * p)

ADAMW = UpdateRule(
    name="adamw",
    title="Adam with decoupled weight decay",
    **_GIVEN,
    state=_ADAM_STATE,
    hyper=(
        *_ADAM_HYPER,
        Hyper(weight_decay, sp.Rational(1, 100), _NOT_NEGATIVE),
        Hyper(amsgrad, sp.false, _SWITCH),
        _MAXIMIZE,
    ),
    equations=(_DESCEND, (slope, signed), _DECOUPLED_DECAY, *_MOMENTS, _LARGEST, *_CORRECTED, _ADAM_STEP),
    counterpart="torch.optim.AdamW",
    conventions=(
        *_ADAM_CONVENTIONS,
        Convention(
            "weight decay",
            "p shrinks by lr * weight_decay",
            "by weight_decay alone (the paper's own schedule multiplier)",
        ),
    ),
    variants=_ADAM_VARIANTS,
    references=(
        Reference("I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019", "Algorithm 2"),
        _ADAM,
    ),
)

OPTIMIZERS = (GRADIENT_DESCENT, SGD, MOMENTUM, ADAM, ADAMW)
