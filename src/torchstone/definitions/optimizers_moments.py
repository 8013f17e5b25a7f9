"""What Adam and its kin share: the two moments, their bias corrections, and what goes wrong with them."""

import sympy as sp

from torchstone.definitions.core import Lines, State
from torchstone.definitions.optimizers_common import (
    Variants,
    at_first,
    beta1,
    beta2,
    eps,
    lr,
    m,
    p,
    signed,
    slope,
    step_slips,
    t,
    v,
)

m_hat, v_hat, scale = sp.symbols("m_hat v_hat scale", real=True)
correction1, correction2 = sp.symbols("correction1 correction2", real=True)

BIAS1, BIAS2 = 1 - beta1**t, 1 - beta2**t
CORRECTIONS: Lines = ((correction1, BIAS1), (correction2, BIAS2))
FIRST_MOMENT = (m, beta1 * m + (1 - beta1) * slope)
SECOND_MOMENT = (v, beta2 * v + (1 - beta2) * slope**2)
EXP_AVG, EXP_AVG_SQ = State(m, key="exp_avg"), State(v, key="exp_avg_sq")

FIRST_MOMENT_SLIPS: Variants = {
    "the first moment without (1 - beta1)": ((m, beta1 * m + slope),),
    "the first moment lost between steps": ((m, (1 - beta1) * slope),),
}
SECOND_MOMENT_SLIPS: Variants = {
    "the second moment without (1 - beta2)": ((v, beta2 * v + slope**2),),
    "the second moment lost between steps": ((v, (1 - beta2) * slope**2),),
    "the size of the gradient in place of its square": ((v, beta2 * v + (1 - beta2) * sp.Abs(slope)),),
    "the second moment of m, not of the gradient": ((v, beta2 * v + (1 - beta2) * m**2),),
    "the second moment of gradient - m: AdaBelief": ((v, beta2 * v + (1 - beta2) * (slope - m) ** 2),),
    "eps added to the second moment at every step": ((v, beta2 * v + (1 - beta2) * slope**2 + eps),),
}
MOMENT_SLIPS: Variants = {
    **FIRST_MOMENT_SLIPS,
    **SECOND_MOMENT_SLIPS,
    "both moments without (1 - beta)": ((m, beta1 * m + slope), (v, beta2 * v + slope**2)),
    "both moments lost between steps": ((m, (1 - beta1) * slope), (v, (1 - beta2) * slope**2)),
    "the moments weighted the wrong way round": (
        (m, (1 - beta1) * m + beta1 * slope),
        (v, (1 - beta2) * v + beta2 * slope**2),
    ),
}
DECAY_IN_ONE_MOMENT: Variants = {
    "weight decay in the first moment only": ((v, SECOND_MOMENT[1].subs(slope, signed)),),
    "weight decay in the second moment only": ((m, FIRST_MOMENT[1].subs(slope, signed)),),
}
CORRECTION_SLIPS: Variants = {
    "no bias correction": ((correction1, sp.S.One), (correction2, sp.S.One)),
    "only the first moment corrected": ((correction2, sp.S.One),),
    "only the second moment corrected": ((correction1, sp.S.One),),
    "bias correction with t - 1": (
        (correction1, at_first(sp.S.One, BIAS1.subs(t, t - 1))),
        (correction2, at_first(sp.S.One, BIAS2.subs(t, t - 1))),
    ),
    "bias correction with t - 1, and 1 at the first step": (
        (correction1, at_first(BIAS1, BIAS1.subs(t, t - 1))),
        (correction2, at_first(BIAS2, BIAS2.subs(t, t - 1))),
    ),
    "bias correction with t + 1": ((correction1, BIAS1.subs(t, t + 1)), (correction2, BIAS2.subs(t, t + 1))),
    "bias correction with 1 - beta at every step": ((correction1, 1 - beta1), (correction2, 1 - beta2)),
    "bias corrections squared": ((correction1, BIAS1**2), (correction2, BIAS2**2)),
    "bias corrections exchanged": ((correction1, BIAS2), (correction2, BIAS1)),
    "both bias corrections with beta1": ((correction2, BIAS1),),
    "both bias corrections with beta2": ((correction1, BIAS2),),
    "bias corrections multiplied in, not divided by": ((correction1, 1 / BIAS1), (correction2, 1 / BIAS2)),
    "the second bias correction without its root": ((correction2, BIAS2**2),),
    "the corrected first moment kept": ((m, FIRST_MOMENT[1] / BIAS1), (correction1, sp.S.One)),
    "both corrected moments kept": (
        (m, FIRST_MOMENT[1] / BIAS1),
        (v, SECOND_MOMENT[1] / BIAS2),
        (correction1, sp.S.One),
        (correction2, sp.S.One),
    ),
}


def other_steps(largest: sp.Expr, start: sp.Expr) -> Variants:
    """What people divide by, and what they divide, in place of m_hat / (sqrt(v_hat) + eps)."""
    return {
        **step_slips(m_hat / scale, start),
        "eps inside the root": ((scale, sp.sqrt(v_hat + eps)),),
        "eps inside the root, before the correction": ((scale, sp.sqrt((largest + eps) / correction2)),),
        "the square of eps inside the root": ((scale, sp.sqrt(v_hat + eps**2)),),
        "eps inside the root and outside": ((scale, sp.sqrt(v_hat + eps) + eps),),
        "eps scaled by sqrt(1 - beta2**t)": ((scale, sp.sqrt(v_hat) + eps * sp.sqrt(correction2)),),
        "eps left out": ((scale, sp.Piecewise((1, sp.Eq(v_hat, 0)), (sp.sqrt(v_hat), True))),),
        "eps as the least denominator": ((scale, sp.Max(sp.sqrt(v_hat), eps)),),
        "no root": ((scale, v_hat + eps),),
        "the second moment left out": ((p, start - lr * m_hat),),
        "the gradient in place of the first moment": ((m_hat, slope),),
        "the gradient in place of the first moment, corrected": ((m_hat, slope / correction1),),
        "Nesterov's look-ahead": ((m_hat, (beta1 * m + (1 - beta1) * slope) / correction1),),
    }
