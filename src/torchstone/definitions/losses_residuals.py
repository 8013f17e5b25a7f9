"""The losses of a residual x - t, as mathematics."""

import sympy as sp

from torchstone.definitions.core import Convention, Function, Input, Kink, Limit, Reference, Variant
from torchstone.definitions.losses_common import (
    MEAN,
    MIRRORED,
    NOT_NEGATIVE,
    PAIR,
    POSITIVE,
    SHIFTED,
    SYMMETRIC,
    UNIT,
    beta,
    delta,
    eps,
    homogeneous,
    r,
)

quantile = sp.Symbol("quantile", real=True)
_ONE_HALF = Convention(
    "the factor 1/2", "none: the mean of the squares", "textbooks that write half the square, and optax's l2_loss"
)
_EVEN = (SYMMETRIC, MIRRORED, SHIFTED)

L1 = Function(
    name="l1",
    title="Absolute error",
    kind="loss",
    expression=sp.Piecewise((r, r > 0), (-r, True)),
    inputs=PAIR,
    counterpart="torch.nn.L1Loss",
    limits=(Limit(-sp.oo, -r, -sp.S.One), Limit(sp.oo, r, sp.S.One)),
    kinks=(Kink(r, sp.Interval(-1, 1), sp.S.Zero, "a residual of 0"),),
    range=NOT_NEGATIVE,
    identities=(*_EVEN, homogeneous(1)),
    minimum_at_target=True,
    conventions=(MEAN, Convention("the slope at a residual of 0", "0", "")),
    variants=(
        Variant("signed", r, "the absolute value is missing"),
        Variant("squared", r**2, "the square, which is the squared error"),
        Variant("negated", -sp.Abs(r), "the sign is wrong: it grows as the prediction improves"),
    ),
    aliases=("mae", "l1_loss", "mean_absolute_error", "absolute_error"),
)

MSE = Function(
    name="mse",
    title="Squared error",
    kind="loss",
    expression=r**2,
    inputs=PAIR,
    counterpart="torch.nn.MSELoss",
    limits=(Limit(-sp.oo, r**2, 2 * r), Limit(sp.oo, r**2, 2 * r)),
    range=NOT_NEGATIVE,
    identities=(*_EVEN, homogeneous(2)),
    minimum_at_target=True,
    conventions=(MEAN, _ONE_HALF),
    variants=(
        Variant("halved", r**2 / 2, "the textbook's 1/2"),
        Variant("root", sp.sqrt(r**2), "the norm, not its square"),
        Variant("not squared", r, "the square is missing"),
    ),
    aliases=("l2", "l2_loss", "mse_loss", "mean_squared_error", "squared_error"),
)

HUBER = Function(
    name="huber",
    title="Huber's loss",
    kind="loss",
    expression=sp.Piecewise(
        (delta * (r - delta / 2), r > delta), (delta * (-r - delta / 2), r < -delta), (r**2 / 2, True)
    ),
    inputs=(*PAIR, Input(delta, "parameter", POSITIVE, default=sp.S.One)),
    counterpart="torch.nn.HuberLoss",
    limits=(Limit(-sp.oo, delta * (-r - delta / 2), -delta), Limit(sp.oo, delta * (r - delta / 2), delta)),
    range=NOT_NEGATIVE,
    identities=_EVEN,
    minimum_at_target=True,
    conventions=(MEAN, Convention("the scale", "a slope of at most delta", "SmoothL1: this divided by beta")),
    variants=(
        Variant(
            "the 1/2 is missing",
            sp.Piecewise((delta * (r - delta / 2), r > delta), (delta * (-r - delta / 2), r < -delta), (r**2, True)),
            "the square inside delta without its 1/2: the branches do not meet",
        ),
        Variant(
            "the constant is missing",
            sp.Piecewise((delta * r, r > delta), (-delta * r, r < -delta), (r**2 / 2, True)),
            "delta |r| outside, without delta²/2 taken off: the branches do not meet",
        ),
        Variant(
            "divided by delta",
            sp.Piecewise((r - delta / 2, r > delta), (-r - delta / 2, r < -delta), (r**2 / (2 * delta), True)),
            "the scale of SmoothL1",
        ),
    ),
    references=(Reference("P. Huber, Robust Estimation of a Location Parameter, Ann. Math. Statist. 35 (1964)"),),
    aliases=("huber_loss",),
)

SMOOTH_L1 = Function(
    name="smooth_l1",
    title="Smooth absolute error",
    kind="loss",
    expression=sp.Piecewise((r - beta / 2, r >= beta), (-r - beta / 2, r <= -beta), (r**2 / (2 * beta), True)),
    inputs=(*PAIR, Input(beta, "parameter", NOT_NEGATIVE, default=sp.S.One)),
    counterpart="torch.nn.SmoothL1Loss",
    limits=(Limit(-sp.oo, -r - beta / 2, -sp.S.One), Limit(sp.oo, r - beta / 2, sp.S.One)),
    kinks=(Kink(r, sp.Interval(-1, 1), sp.S.Zero, "only where beta is 0: the absolute error"),),
    range=NOT_NEGATIVE,
    identities=_EVEN,
    minimum_at_target=True,
    conventions=(MEAN, Convention("the scale", "a slope of at most 1", "Huber: this times delta")),
    variants=(
        Variant(
            "not divided by beta",
            sp.Piecewise((r - beta / 2, r >= beta), (-r - beta / 2, r <= -beta), (r**2 / 2, True)),
            "the square inside beta is not divided by beta: the branches do not meet",
        ),
        Variant(
            "Huber",
            sp.Piecewise((beta * (r - beta / 2), r >= beta), (beta * (-r - beta / 2), r <= -beta), (r**2 / 2, True)),
            "the scale of Huber's loss",
        ),
    ),
    references=(Reference("R. Girshick, Fast R-CNN, ICCV 2015", "eq. 3"),),
    aliases=("smooth_l1_loss",),
)

LOG_COSH = Function(
    name="log_cosh",
    title="Logarithm of the hyperbolic cosine of the error",
    kind="loss",
    expression=sp.log(sp.cosh(r)),
    inputs=PAIR,
    counterpart="",
    limits=(
        Limit(-sp.oo, -r - sp.log(2), -sp.S.One),
        Limit(sp.oo, r - sp.log(2), sp.S.One),
    ),
    range=NOT_NEGATIVE,
    identities=_EVEN,
    minimum_at_target=True,
    conventions=(MEAN,),
    variants=(
        Variant("log 2 is missing", sp.log(sp.exp(r) + sp.exp(-r)), "log(e^r + e^-r): log 2 too large"),
        Variant("log is missing", sp.cosh(r), "the hyperbolic cosine itself"),
    ),
    aliases=("log_cosh_loss",),
    derivable=False,
)

CHARBONNIER = Function(
    name="charbonnier",
    title="Charbonnier's loss, a smooth absolute error",
    kind="loss",
    expression=sp.sqrt(r**2 + eps**2),
    inputs=(*PAIR, Input(eps, "parameter", POSITIVE, default=sp.Rational(1, 1000))),
    counterpart="",
    limits=(Limit(-sp.oo, -r, -sp.S.One), Limit(sp.oo, r, sp.S.One)),
    range=NOT_NEGATIVE,
    identities=_EVEN,
    minimum_at_target=True,
    conventions=(
        MEAN,
        Convention("what is under the root", "r² + eps²", "r² + eps: then eps is the square of this one"),
        Convention("the constant", "none: eps at a residual of 0", "eps taken off: 0 there"),
    ),
    variants=(
        Variant("eps not squared", sp.sqrt(r**2 + eps), "eps under the root without its square"),
        Variant("eps taken off", sp.sqrt(r**2 + eps**2) - eps, "0 at a residual of 0"),
    ),
    references=(
        Reference("P. Charbonnier et al., Two Deterministic Half-Quadratic Regularization Algorithms, ICIP 1994"),
    ),
    aliases=("charbonnier_loss", "pseudo_l1"),
    derivable=False,
)

QUANTILE = Function(
    name="quantile",
    title="Quantile loss",
    kind="loss",
    expression=sp.Piecewise(((1 - quantile) * r, r > 0), (-quantile * r, True)),
    inputs=(*PAIR, Input(quantile, "parameter", UNIT, default=sp.S.Half)),
    counterpart="",
    limits=(Limit(-sp.oo, -quantile * r, -quantile), Limit(sp.oo, (1 - quantile) * r, 1 - quantile)),
    kinks=(
        Kink(r, sp.Interval(-quantile, 1 - quantile), sp.S.Half - quantile, "a residual of 0: the middle of the two"),
    ),
    range=NOT_NEGATIVE,
    identities=(SHIFTED,),
    conventions=(MEAN, Convention("the scale", "q and 1 - q", "twice that: then the median's is the absolute error")),
    variants=(
        Variant(
            "mirrored",
            sp.Piecewise((quantile * r, r > 0), (-(1 - quantile) * r, True)),
            "q on the wrong side: the quantile 1 - q",
        ),
        Variant("doubled", sp.Piecewise((2 * (1 - quantile) * r, r > 0), (-2 * quantile * r, True)), "twice the loss"),
    ),
    references=(Reference("R. Koenker and G. Bassett, Regression Quantiles, Econometrica 46 (1978)"),),
    aliases=("quantile_loss", "pinball", "pinball_loss", "tilted_loss"),
    derivable=False,
)

RESIDUALS = (L1, MSE, HUBER, SMOOTH_L1, LOG_COSH, CHARBONNIER, QUANTILE)
