"""Adam and its forms: a step along an average of gradients, scaled by an average of their squares."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Lines, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    ALWAYS_DECOUPLED,
    BETAS,
    COUPLED_DECAY,
    DECAY,
    DECOUPLED,
    DECOUPLED_DECAY,
    DECOUPLED_SLIPS,
    DESCEND,
    EITHER_DECAY,
    EITHER_SLIPS,
    GIVEN,
    IGNORES_MAXIMIZE,
    KINGMA,
    L2,
    MAXIMIZE,
    NOT_NEGATIVE,
    PLAIN_PARAMETER,
    PLAIN_SLOPE,
    POSITIVE,
    SHRINKING,
    SWITCH,
    Variants,
    beta1,
    beta2,
    choose,
    decayed,
    eps,
    exchanged,
    lr,
    m,
    p,
    rate,
    replaced,
    signed,
    slope,
    small,
    v,
    weight_decay,
)
from torchstone.definitions.optimizers_moments import (
    CORRECTION_SLIPS,
    CORRECTIONS,
    DECAY_IN_ONE_MOMENT,
    EXP_AVG,
    EXP_AVG_SQ,
    FIRST_MOMENT,
    MOMENT_SLIPS,
    SECOND_MOMENT,
    correction1,
    correction2,
    m_hat,
    other_steps,
    scale,
    v_hat,
)

v_max = sp.Symbol("v_max", real=True)
amsgrad = sp.Symbol("amsgrad")

_LARGEST = choose(amsgrad, v_max, v)
_CORE: Lines = (
    *CORRECTIONS,
    FIRST_MOMENT,
    SECOND_MOMENT,
    (v_max, sp.Max(v_max, v)),
    (m_hat, m / correction1),
    (v_hat, _LARGEST / correction2),
    (scale, sp.sqrt(v_hat) + eps),
    (p, decayed - lr * m_hat / scale),
)
_EARLY_EPS = (scale, sp.sqrt(v_hat) + eps / sp.sqrt(correction2))
_AS_TENSORFLOW = "eps before the correction, as in TensorFlow"

_ADAM_VARIANTS: Variants = {
    **CORRECTION_SLIPS,
    **other_steps(_LARGEST, decayed),
    _AS_TENSORFLOW: (_EARLY_EPS,),
    "the second bias correction without its root, and of eps, too": ((scale, (sp.sqrt(_LARGEST) + eps) / correction2),),
    "no bias correction, and eps inside the root": (
        (correction1, sp.S.One),
        (correction2, sp.S.One),
        (scale, sp.sqrt(v_hat + eps)),
    ),
    "all state lost between steps": ((m_hat, slope), (v_hat, slope**2)),
    "the betas exchanged": exchanged(_CORE, beta1, beta2),
    "beta1 for both moments": replaced(_CORE, beta2, beta1),
    "beta2 for both moments": replaced(_CORE, beta1, beta2),
    **MOMENT_SLIPS,
}
_AMSGRAD_VARIANTS: Variants = {
    "amsgrad ignored": ((v_hat, v / correction2),),
    "amsgrad always": ((v_hat, v_max / correction2),),
    "amsgrad on the corrected moment": (
        (v_max, sp.Max(v_max, v / correction2)),
        (v_hat, choose(amsgrad, v_max, v / correction2)),
    ),
    "amsgrad's maximum not corrected": ((v_hat, choose(amsgrad, v_max, v / correction2)),),
    "amsgrad's maximum taken into the average": ((v, sp.Max(SECOND_MOMENT[1], choose(amsgrad, v, 0))),),
}

_ADAM_STATE = (EXP_AVG, EXP_AVG_SQ, State(v_max, key="max_exp_avg_sq"))
_ADAM_HYPER = (rate(3), *BETAS, small(8))
_AMSGRAD = Hyper(amsgrad, sp.false, SWITCH)
_EPS = Convention(
    "eps",
    "outside the root, after the bias correction",
    "added to the uncorrected root (section 2 of the paper, TensorFlow, Keras); inside the root",
)
_ADAM_CONVENTIONS = (
    _EPS,
    Convention(
        "amsgrad",
        "the largest uncorrected second moment, corrected afterwards",
        "the largest corrected one (Optax); no bias correction at all (Reddi et al.)",
    ),
)
_REDDI = Reference("S. Reddi, S. Kale and S. Kumar, On the Convergence of Adam and Beyond, ICLR 2018", "Algorithm 2")
_LOSHCHILOV = Reference("I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019", "Algorithm 2")

ADAM = UpdateRule(
    name="adam",
    title="Adam",
    **GIVEN,
    state=_ADAM_STATE,
    hyper=(*_ADAM_HYPER, DECAY, _AMSGRAD, MAXIMIZE, DECOUPLED),
    equations=(DESCEND, *EITHER_DECAY, *_CORE),
    counterpart="torch.optim.Adam",
    conventions=(*_ADAM_CONVENTIONS, Convention("weight decay", "added to the gradient", "decoupled from it (AdamW)")),
    variants={
        **_ADAM_VARIANTS,
        **_AMSGRAD_VARIANTS,
        **EITHER_SLIPS,
        "weight decay decoupled: AdamW, not Adam": ALWAYS_DECOUPLED,
        **DECAY_IN_ONE_MOMENT,
    },
    accepted=(_AS_TENSORFLOW,),
    references=(KINGMA, _REDDI),
)

ADAMW = UpdateRule(
    name="adamw",
    title="Adam with decoupled weight decay",
    **GIVEN,
    state=_ADAM_STATE,
    hyper=(*_ADAM_HYPER, Hyper(weight_decay, sp.Rational(1, 100), NOT_NEGATIVE), _AMSGRAD, MAXIMIZE),
    equations=(DESCEND, PLAIN_SLOPE, DECOUPLED_DECAY, *_CORE),
    counterpart="torch.optim.AdamW",
    conventions=(
        *_ADAM_CONVENTIONS,
        Convention(
            "weight decay",
            "p shrinks by lr * weight_decay",
            "by weight_decay alone (the paper's own schedule multiplier)",
        ),
    ),
    variants={
        **_ADAM_VARIANTS,
        **_AMSGRAD_VARIANTS,
        **DECOUPLED_SLIPS,
        "weight decay coupled: Adam with L2, not AdamW": (COUPLED_DECAY, PLAIN_PARAMETER),
        "weight decay after the step": (
            PLAIN_PARAMETER,
            (p, (p - lr * m_hat / scale) * (1 - lr * weight_decay)),
        ),
        "weight decay after the step, and not multiplied by the learning rate": (
            PLAIN_PARAMETER,
            (p, (p - lr * m_hat / scale) * (1 - weight_decay)),
        ),
        "eps before the correction and weight decay after the step, as once in Hugging Face's": (
            PLAIN_PARAMETER,
            _EARLY_EPS,
            (p, (p - lr * m_hat / scale) * (1 - lr * weight_decay)),
        ),
        "weight decay multiplied by the corrected learning rate": (
            PLAIN_PARAMETER,
            (p, p - SHRINKING / correction1 - lr * m_hat / scale),
        ),
        "weight decay scaled like the gradient: divided by the root": (
            PLAIN_PARAMETER,
            (p, p - lr * (m_hat + L2) / scale),
        ),
        "weight decay in the second moment, and decoupled as well": ((v, SECOND_MOMENT[1].subs(slope, signed + L2)),),
    },
    accepted=(_AS_TENSORFLOW,),
    references=(_LOSHCHILOV, KINGMA),
)


_SPARSE: Lines = (
    PLAIN_SLOPE,
    *CORRECTIONS,
    FIRST_MOMENT,
    SECOND_MOMENT,
    (m_hat, m / correction1),
    (v_hat, v / correction2),
    (scale, (sp.sqrt(v) + eps) / sp.sqrt(correction2)),
    (p, p - lr * m_hat / scale),
)
_AS_ADAM = "eps after the correction, as in Adam"

SPARSE_ADAM = UpdateRule(
    name="sparse_adam",
    title="Adam of the elements that have a gradient",
    **GIVEN,
    state=(EXP_AVG, EXP_AVG_SQ),
    hyper=(
        Hyper(lr, sp.Rational(1, 1000), POSITIVE),
        *BETAS,
        Hyper(eps, sp.Rational(1, 10**8), POSITIVE),
        MAXIMIZE,
    ),
    equations=(DESCEND, *_SPARSE),
    counterpart="torch.optim.SparseAdam",
    conventions=(
        Convention("an element without gradient", "it and its state stay as they are", "its moments shrink"),
        Convention("the step count", "the parameter's: it counts for elements without gradient, too", "one per row"),
        Convention("eps", "added to the uncorrected root", "added after the bias correction (Adam)"),
    ),
    variants={
        **CORRECTION_SLIPS,
        **other_steps(v, p),
        _AS_ADAM: ((scale, sp.sqrt(v_hat) + eps),),
        "the betas exchanged": exchanged(_SPARSE, beta1, beta2),
        "beta1 for both moments": replaced(_SPARSE, beta2, beta1),
        "beta2 for both moments": replaced(_SPARSE, beta1, beta2),
        **MOMENT_SLIPS,
        **IGNORES_MAXIMIZE,
    },
    accepted=(_AS_ADAM,),
    references=(KINGMA,),
    derivable=False,
)

ADAM_OPTIMIZERS = (ADAM, ADAMW, SPARSE_ADAM)
