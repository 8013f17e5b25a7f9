"""Update rules that look at a whole tensor: its norm, or the means of its rows and columns."""

import sympy as sp

from torchstone.definitions.core import Convention, Hyper, Reference, State, UpdateRule
from torchstone.definitions.optimizers_common import (
    BETAS,
    DECAY,
    DECOUPLED_DECAY,
    DESCEND,
    GIVEN,
    IGNORES_MAXIMIZE,
    MAXIMIZE,
    NOT_NEGATIVE,
    PLAIN_PARAMETER,
    PLAIN_SLOPE,
    Variants,
    beta1,
    beta2,
    decayed,
    eps,
    lr,
    m,
    p,
    rate,
    signed,
    slope,
    small,
    t,
    v,
    weight_decay,
)
from torchstone.definitions.optimizers_matrices import LBFGS, MUON
from torchstone.definitions.tensors import COUNT, DIMENSIONS, ColumnMean, RowMean, Total, larger, smaller

m_hat, v_hat, r, u, trust = sp.symbols("m_hat v_hat r u trust", real=True)
norm_p, norm_u = sp.symbols("norm_p norm_u", real=True)


def norm(expression: sp.Expr) -> sp.Expr:
    """The Euclidean norm of a tensor."""
    return sp.sqrt(Total(expression**2))


_CORRECTED = ((m_hat, m / (1 - beta1**t)), (v_hat, v / (1 - beta2**t)))
_UNCORRECTED = ((m_hat, m), (v_hat, v))
_NO_RATIO_OF_ZERO = (norm_p > 0) & (norm_u > 0)
_CLIPPED_NORM = (norm_p, smaller(norm(p), 10))
_LAMB_FORMS: Variants = {
    "no bias correction: the paper's appendix": _UNCORRECTED,
    "the parameter's norm clipped at 10": (_CLIPPED_NORM,),
    "no bias correction, and the parameter's norm clipped at 10: pytorch-lamb": (*_UNCORRECTED, _CLIPPED_NORM),
    "the trust ratio clipped at 1: timm's trust_clip": (
        (trust, sp.Piecewise((smaller(norm_p / norm_u, 1), _NO_RATIO_OF_ZERO), (1, True))),
    ),
    "no trust ratio where there is no weight decay: NVIDIA's apex": (
        (trust, sp.Piecewise((norm_p / norm_u, _NO_RATIO_OF_ZERO & (weight_decay > 0)), (1, True))),
    ),
}
_LAMB_SLIPS: Variants = {
    **IGNORES_MAXIMIZE,
    "only the first moment corrected": ((v_hat, v),),
    "only the second moment corrected": ((m_hat, m),),
    "bias correction with t - 1": (
        (m_hat, sp.Piecewise((m, sp.Eq(t, 1)), (m / (1 - beta1 ** (t - 1)), True))),
        (v_hat, sp.Piecewise((v, sp.Eq(t, 1)), (v / (1 - beta2 ** (t - 1)), True))),
    ),
    "eps inside the root": ((r, m_hat / sp.sqrt(v_hat + eps)),),
    "the trust ratio ignored": ((trust, sp.S.One),),
    "the trust ratio upside down": ((trust, sp.Piecewise((norm_u / norm_p, _NO_RATIO_OF_ZERO), (1, True))),),
    "the trust ratio from the gradient's norm": ((norm_u, norm(slope)),),
    "the trust ratio from squared norms": ((norm_p, Total(p**2)), (norm_u, Total(u**2))),
    "the trust ratio of each element by itself": ((norm_p, sp.Abs(p)), (norm_u, sp.Abs(u))),
    "weight decay ignored": ((u, r),),
    "weight decay left out of the trust ratio": ((norm_u, norm(r)),),
    "weight decay decoupled from the update": ((u, r), DECOUPLED_DECAY),
    "weight decay coupled: added to the gradient": ((slope, signed + weight_decay * p), (u, r)),
    "the learning rate ignored": ((p, decayed - trust * u),),
    "the step's sign wrong": ((p, decayed + lr * trust * u),),
}

LAMB = UpdateRule(
    name="lamb",
    title="LAMB",
    **GIVEN,
    state=(State(m, key="exp_avg"), State(v, key="exp_avg_sq")),
    hyper=(
        rate(3),
        *BETAS,
        small(6),
        Hyper(weight_decay, sp.Rational(1, 100), NOT_NEGATIVE),
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        PLAIN_SLOPE,
        (m, beta1 * m + (1 - beta1) * slope),
        (v, beta2 * v + (1 - beta2) * slope**2),
        *_CORRECTED,
        (r, m_hat / (sp.sqrt(v_hat) + eps)),
        (u, r + weight_decay * p),
        (norm_p, norm(p)),
        (norm_u, norm(u)),
        (trust, sp.Piecewise((norm_p / norm_u, _NO_RATIO_OF_ZERO), (1, True))),
        PLAIN_PARAMETER,
        (p, decayed - lr * trust * u),
    ),
    counterpart="",
    conventions=(
        Convention("bias correction", "as in Adam", "none (the paper's appendix, pytorch-lamb)"),
        Convention("the norm of the parameter", "as it is", "clipped at 10 (pytorch-lamb, torch_optimizer)"),
        Convention("the trust ratio", "1 where either norm is 0", "1 without weight decay too (NVIDIA's apex, timm)"),
        Convention("the gradient", "as it is", "clipped by the norm of all gradients first (NVIDIA's apex, timm)"),
        Convention("weight decay", "in the update, and so in the trust ratio", "decoupled from the update"),
    ),
    variants=_LAMB_FORMS | _LAMB_SLIPS,
    accepted=tuple(_LAMB_FORMS),
    references=(
        Reference(
            "Y. You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, ICLR 2020",
            "Algorithm 2",
        ),
    ),
    derivable=False,
)

rho, alpha, weight, squared, estimate, clipped = sp.symbols("rho alpha weight squared estimate clipped", real=True)
R, C, V = sp.symbols("R C V", real=True)
beta2_decay, eps1, eps2, d = sp.symbols("beta2_decay eps1 eps2 d", real=True)


def rms(expression: sp.Expr) -> sp.Expr:
    """The root of the mean square of a tensor."""
    return sp.sqrt(Total(expression**2) / COUNT)


def _of_matrix(matrix: sp.Expr, vector: sp.Expr) -> sp.Expr:
    return sp.Piecewise((matrix, DIMENSIONS > 1), (vector, True))


def _average(state: sp.Symbol, new: sp.Expr) -> sp.Expr:
    return (1 - weight) * state + weight * new


_EPS_IN_SQUARES = (
    (squared, signed**2 + eps1),
    (estimate, _of_matrix(R * C / ColumnMean(R), V)),
    (u, signed / sp.sqrt(estimate)),
)
_DECAY_BY_STEP = (decayed, p - alpha * weight_decay * p)
_RATE_AS_IT_IS = (rho, lr)
_NOT_FACTORED = ((V, _average(V, squared)), (estimate, V))
_ADAFACTOR_FORMS: Variants = {
    "eps added to the squared gradient: the paper, Keras": _EPS_IN_SQUARES,
    "eps added to the squared gradient, and weight decay by the whole step size: transformers, fairseq": (
        *_EPS_IN_SQUARES,
        _DECAY_BY_STEP,
    ),
    "the learning rate as it is: relative_step=False": (_RATE_AS_IT_IS,),
    "eps added to the squared gradient, and the learning rate as it is": (*_EPS_IN_SQUARES, _RATE_AS_IT_IS),
    "the learning rate as it is, in the rest as transformers and fairseq": (
        *_EPS_IN_SQUARES,
        _DECAY_BY_STEP,
        _RATE_AS_IT_IS,
    ),
    "a step that does not scale with the parameter: scale_parameter=False": ((alpha, rho),),
    "a plain learning rate, in the rest as transformers and fairseq: no scale_parameter, no relative_step": (
        *_EPS_IN_SQUARES,
        _DECAY_BY_STEP,
        _RATE_AS_IT_IS,
        (alpha, rho),
    ),
    "matrices not factored: timm and optax where a side is small": _NOT_FACTORED,
    "matrices not factored, in the rest as transformers and fairseq: timm where a side is small": (
        *_EPS_IN_SQUARES,
        *_NOT_FACTORED,
        _DECAY_BY_STEP,
    ),
    "a plain learning rate and matrices not factored, in the rest as transformers and fairseq": (
        *_EPS_IN_SQUARES,
        *_NOT_FACTORED,
        _DECAY_BY_STEP,
        _RATE_AS_IT_IS,
        (alpha, rho),
    ),
}
_ADAFACTOR_SLIPS: Variants = {
    **IGNORES_MAXIMIZE,
    "the update not clipped": ((clipped, u),),
    "the threshold d ignored": ((clipped, u / larger(1, rms(u))),),
    "the update clipped by its norm": ((clipped, u / larger(1, norm(u) / d)),),
    "a step that scales with the parameter's norm": ((alpha, larger(eps2, norm(p)) * rho),),
    "the parameter's RMS taken after the weight decay": ((alpha, larger(eps2, rms(p - lr * weight_decay * p)) * rho),),
    "eps added to the parameter's RMS": ((alpha, (eps2 + rms(p)) * rho),),
    "the factors' product not divided by their mean": ((estimate, _of_matrix(R * C, V)),),
    "the factors of rows alone": ((estimate, _of_matrix(R, V)),),
    "the mean of the factors in place of their product": ((estimate, _of_matrix((R + C) / 2, V)),),
    "the decay of the second moment with t + 1": ((weight, (t + 1) ** beta2_decay),),
    "the decay of the second moment the wrong way round": ((weight, 1 - t**beta2_decay),),
    "no root": ((u, signed / larger(estimate, eps1)),),
    "weight decay ignored": (PLAIN_PARAMETER,),
    "weight decay not multiplied by the learning rate": ((decayed, p - weight_decay * p),),
    "weight decay of the wrong sign": ((decayed, p + lr * weight_decay * p),),
    "the step's sign wrong": ((p, decayed + alpha * clipped),),
}

ADAFACTOR = UpdateRule(
    name="adafactor",
    title="Adafactor",
    **GIVEN,
    state=(State(R, key="row_var"), State(C, key="col_var"), State(V, key="variance")),
    hyper=(
        rate(2),
        Hyper(beta2_decay, sp.Rational(-8, 10), sp.Interval(-sp.oo, 0)),
        Hyper(eps1, sp.Rational(1, 2**52), NOT_NEGATIVE, "eps[0]"),
        Hyper(eps2, sp.Rational(1, 1000), NOT_NEGATIVE, "eps[1]"),
        Hyper(d, sp.S.One, sp.Interval(1, sp.oo)),
        DECAY,
        MAXIMIZE,
    ),
    equations=(
        DESCEND,
        (rho, smaller(lr, 1 / sp.sqrt(t))),
        (alpha, larger(eps2, rms(p)) * rho),
        DECOUPLED_DECAY,
        (weight, t**beta2_decay),
        (squared, signed**2),
        (R, _of_matrix(_average(R, RowMean(squared)), sp.S.Zero)),
        (C, _of_matrix(_average(C, ColumnMean(squared)), sp.S.Zero)),
        (V, _of_matrix(sp.S.Zero, _average(V, squared))),
        (estimate, _of_matrix(R * C / larger(ColumnMean(R), eps1), V)),
        (u, signed / larger(sp.sqrt(estimate), eps1)),
        (clipped, u / larger(1, rms(u) / d)),
        (p, decayed - alpha * clipped),
    ),
    counterpart="torch.optim.Adafactor",
    conventions=(
        Convention("eps", "the least second moment", "added to the squared gradient (the paper, Keras, transformers)"),
        Convention("eps's default", "the spacing of the parameter's dtype at 1; here float64's", "1e-30 (the paper)"),
        Convention("the learning rate", "the most that rho = 1/sqrt(t) can be", "a constant 0.01 (the paper)"),
        Convention("weight decay", "p shrinks by lr * weight_decay", "by alpha * weight_decay (transformers, fairseq)"),
        Convention("what is factored", "every matrix", "not where a side is under 16 (timm) or 128 (optax)"),
        Convention("the factors", "means of rows and columns", "sums (the paper); the second moment is the same"),
        Convention("the first moment", "none", "beta1's moving average of the update (the paper's option)"),
    ),
    variants=_ADAFACTOR_FORMS | _ADAFACTOR_SLIPS,
    accepted=tuple(_ADAFACTOR_FORMS),
    references=(
        Reference(
            "N. Shazeer and M. Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, ICML 2018",
            "Algorithms 4 and 5",
        ),
    ),
    derivable=False,
)

TENSOR_OPTIMIZERS = (LAMB, ADAFACTOR, MUON, LBFGS)
