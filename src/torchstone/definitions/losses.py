"""The losses, as mathematics: each is the loss of one element, or of one row of classes."""

import sympy as sp

from torchstone.definitions.core import Convention, Function, Input, Kink, Limit, Reference, Variant

x, t = sp.symbols("x t", real=True)
p = sp.Symbol("p", real=True)
delta, beta, w, pos_weight, epsilon = sp.symbols("delta beta weight pos_weight label_smoothing", real=True)
row, target, weights = sp.IndexedBase("x"), sp.IndexedBase("t"), sp.IndexedBase("weight")
c, j = sp.symbols("c j", integer=True, nonnegative=True)
C = sp.Symbol("C", integer=True, positive=True)
r = x - t

_UNIT = sp.Interval(0, 1)
_POSITIVE = sp.Interval.open(0, sp.oo)
_PAIR = (Input(x, "prediction"), Input(t, "target"))
_ONE_HALF = Convention(
    "the factor 1/2", "none: the mean of the squares", "textbooks that write half the square, and optax's l2_loss"
)
_MEAN = Convention("what the mean divides by", "the number of elements", "the number of rows ('batchmean')")

L1 = Function(
    name="l1",
    title="Absolute error",
    kind="loss",
    expression=sp.Piecewise((r, r > 0), (-r, True)),
    inputs=_PAIR,
    counterpart="torch.nn.L1Loss",
    limits=(Limit(-sp.oo, -r, -sp.S.One), Limit(sp.oo, r, sp.S.One)),
    kinks=(Kink(r, sp.Interval(-1, 1), sp.S.Zero, "a residual of 0"),),
    range=sp.Interval(0, sp.oo),
    conventions=(_MEAN, Convention("the slope at a residual of 0", "0", "")),
    variants=(Variant("signed", r, "the absolute value is missing"),),
    aliases=("mae", "l1_loss", "mean_absolute_error"),
)

MSE = Function(
    name="mse",
    title="Squared error",
    kind="loss",
    expression=r**2,
    inputs=_PAIR,
    counterpart="torch.nn.MSELoss",
    limits=(Limit(-sp.oo, r**2, 2 * r), Limit(sp.oo, r**2, 2 * r)),
    range=sp.Interval(0, sp.oo),
    conventions=(_MEAN, _ONE_HALF),
    variants=(
        Variant("halved", r**2 / 2, "the textbook's 1/2"),
        Variant("root", sp.sqrt(r**2), "the norm, not its square"),
    ),
    aliases=("l2", "l2_loss", "mse_loss", "mean_squared_error"),
)

HUBER = Function(
    name="huber",
    title="Huber's loss",
    kind="loss",
    expression=sp.Piecewise(
        (delta * (r - delta / 2), r > delta), (delta * (-r - delta / 2), r < -delta), (r**2 / 2, True)
    ),
    inputs=(*_PAIR, Input(delta, "parameter", _POSITIVE, default=sp.S.One)),
    counterpart="torch.nn.HuberLoss",
    limits=(Limit(-sp.oo, delta * (-r - delta / 2), -delta), Limit(sp.oo, delta * (r - delta / 2), delta)),
    range=sp.Interval(0, sp.oo),
    conventions=(_MEAN, Convention("the scale", "a slope of at most delta", "SmoothL1: this divided by beta")),
    references=(Reference("P. Huber, Robust Estimation of a Location Parameter, Ann. Math. Statist. 35 (1964)"),),
    aliases=("huber_loss",),
)

SMOOTH_L1 = Function(
    name="smooth_l1",
    title="Smooth absolute error",
    kind="loss",
    expression=sp.Piecewise((r - beta / 2, r >= beta), (-r - beta / 2, r <= -beta), (r**2 / (2 * beta), True)),
    inputs=(*_PAIR, Input(beta, "parameter", sp.Interval(0, sp.oo), default=sp.S.One)),
    counterpart="torch.nn.SmoothL1Loss",
    limits=(Limit(-sp.oo, -r - beta / 2, -sp.S.One), Limit(sp.oo, r - beta / 2, sp.S.One)),
    kinks=(Kink(r, sp.Interval(-1, 1), sp.S.Zero, "only where beta is 0: the absolute error"),),
    range=sp.Interval(0, sp.oo),
    conventions=(_MEAN, Convention("the scale", "a slope of at most 1", "Huber: this times delta")),
    references=(Reference("R. Girshick, Fast R-CNN, ICCV 2015", "eq. 3"),),
    aliases=("smooth_l1_loss",),
)

# PyTorch's floor. Beyond it a logarithm counts as -100, so that a certain and wrong prediction costs 100, not infinity.
FLOOR = -100


def _floored_log(argument: sp.Expr) -> sp.Expr:
    return sp.Piecewise((sp.log(argument), argument > sp.exp(FLOOR)), (sp.Integer(FLOOR), True))


BCE = Function(
    name="bce",
    title="Binary cross-entropy of a probability",
    kind="loss",
    expression=-w * (t * _floored_log(p) + (1 - t) * _floored_log(1 - p)),
    inputs=(
        Input(p, "prediction", _UNIT),
        Input(t, "target", _UNIT),
        Input(w, "parameter", default=sp.S.One),
    ),
    counterpart="torch.nn.BCELoss",
    range=sp.Interval(0, sp.oo),
    gradient_overrides={
        "p": w
        * sp.Piecewise(
            ((p - t) / (p * (1 - p)), (p > 0) & (p < 1)),
            (1 - 2 * p, sp.Eq(p, t)),
            ((p - t) * 10**12, True),
        )
    },
    conventions=(
        _MEAN,
        Convention("the logarithm of 0", "floored at -100", "clamping p instead, which also stops the gradient"),
        Convention("the gradient beyond the floor", "that of the logarithm itself", "0, as of a clamp"),
        Convention("the gradient at a certain and wrong prediction", "1e12 in size, for infinity", ""),
    ),
    aliases=("bce_loss", "binary_cross_entropy"),
)

_SOFTPLUS, _SOFTPLUS_MIRRORED = sp.log(1 + sp.exp(x)), sp.log(1 + sp.exp(-x))

BCE_WITH_LOGITS = Function(
    name="bce_with_logits",
    title="Binary cross-entropy of a logit",
    kind="loss",
    expression=w * (pos_weight * t * _SOFTPLUS_MIRRORED + (1 - t) * _SOFTPLUS),
    inputs=(
        Input(x, "prediction"),
        Input(t, "target", _UNIT),
        Input(w, "parameter", default=sp.S.One),
        Input(pos_weight, "parameter", sp.Interval(0, sp.oo), default=sp.S.One),
    ),
    counterpart="torch.nn.BCEWithLogitsLoss",
    limits=(
        Limit(-sp.oo, -w * sp.Piecewise((0, sp.Eq(t, 0)), (pos_weight * t * x, True)), -w * pos_weight * t),
        Limit(sp.oo, w * sp.Piecewise((0, sp.Eq(t, 1)), ((1 - t) * x, True)), w * (1 - t)),
    ),
    range=sp.Interval(0, sp.oo),
    conventions=(_MEAN, Convention("what pos_weight multiplies", "the term of the positive class only", "")),
    variants=(Variant("labels -1 and 1", sp.log(1 + sp.exp(-t * x)), "the other convention for labels"),),
    aliases=("bce_with_logits_loss", "binary_cross_entropy_with_logits"),
)

_LOG_SUM = sp.log(sp.Sum(sp.exp(row[j]), (j, 0, C - 1)))
_CLASSES = (c, 0, C - 1)
_WEIGHTS = Input(weights, "parameter", sp.Interval(0, sp.oo), default=sp.S.One)
_SMOOTHED = (1 - epsilon) * target[c] + epsilon / C
_ROW_MEAN = Convention(
    "what the mean divides by",
    "with class indices, the summed weights of the targets that count; with probabilities, the number of rows",
    "the number of rows always",
)
_ENTROPY = sp.Sum(weights[c] * _SMOOTHED * (_LOG_SUM - row[c]), _CLASSES)

CROSS_ENTROPY = Function(
    name="cross_entropy",
    title="Cross-entropy of logits and a class index",
    kind="loss",
    expression=_ENTROPY,
    inputs=(
        Input(row, "prediction"),
        Input(target, "target", sp.FiniteSet(0, 1)),
        _WEIGHTS,
        Input(epsilon, "parameter", _UNIT, default=sp.S.Zero),
    ),
    counterpart="torch.nn.CrossEntropyLoss",
    range=sp.Interval(0, sp.oo),
    mean_denominator=sp.Sum(weights[c] * target[c], _CLASSES),
    conventions=(
        _ROW_MEAN,
        Convention("an ignored row", "counts in neither sum; its gradient is 0", ""),
        Convention("the mean over nothing", "0/0: NaN", "optax: 0"),
    ),
    references=(
        Reference(
            "C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016", "section 7"
        ),
    ),
    aliases=("ce", "ce_loss", "cross_entropy_loss"),
)

CROSS_ENTROPY_PROBABILITIES = Function(
    name="cross_entropy_probabilities",
    title="Cross-entropy of logits and class probabilities",
    kind="loss",
    expression=_ENTROPY,
    inputs=(
        Input(row, "prediction"),
        Input(target, "target", _UNIT),
        *CROSS_ENTROPY.inputs[2:],
    ),
    counterpart="torch.nn.CrossEntropyLoss",
    range=sp.Interval(0, sp.oo),
    conventions=(_ROW_MEAN,),
    references=CROSS_ENTROPY.references,
)

NLL = Function(
    name="nll",
    title="Negative log-likelihood of a class index",
    kind="loss",
    expression=-sp.Sum(weights[c] * target[c] * row[c], _CLASSES),
    inputs=(Input(row, "prediction", sp.Interval(-sp.oo, 0)), Input(target, "target", sp.FiniteSet(0, 1)), _WEIGHTS),
    counterpart="torch.nn.NLLLoss",
    mean_denominator=sp.Sum(weights[c] * target[c], _CLASSES),
    conventions=(_ROW_MEAN,),
    aliases=("nll_loss", "negative_log_likelihood"),
)

_DIVERGENCE = sp.Piecewise((0, sp.Eq(t, 0)), (t * (sp.log(t) - x), True))

KL_DIV = Function(
    name="kl_div",
    title="Kullback-Leibler divergence of a log-probability",
    kind="loss",
    expression=_DIVERGENCE,
    inputs=(Input(x, "prediction"), Input(t, "target", sp.Interval(0, sp.oo))),
    counterpart="torch.nn.KLDivLoss",
    limits=(Limit(-sp.oo, _DIVERGENCE, -t), Limit(sp.oo, _DIVERGENCE, -t)),
    conventions=(
        Convention("what the mean divides by", "the number of elements", "the number of rows: the divergence itself"),
        Convention("the term at t = 0", "0, the limit of t log t", ""),
    ),
    variants=(Variant("the cross-entropy's part", -t * x, "t log t, which does not depend on x, is missing"),),
    references=(
        Reference("S. Kullback and R. Leibler, On Information and Sufficiency, Ann. Math. Statist. 22 (1951)"),
    ),
    aliases=("kl", "kl_divergence", "kullback_leibler"),
)

LOSSES = (L1, MSE, BCE, BCE_WITH_LOGITS, CROSS_ENTROPY, CROSS_ENTROPY_PROBABILITIES, NLL, KL_DIV, HUBER, SMOOTH_L1)
