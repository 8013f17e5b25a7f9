"""The losses that are negative log-likelihoods and divergences of one element, as mathematics."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Convention, Function, Identity, Input, Limit, Reference, Variant
from torchstone.definitions.losses_common import MEAN, NOT_NEGATIVE, POSITIVE, SWITCH, eps, full, r, share_of_log, t, x

_DIVERGENCE = sp.Piecewise((0, sp.Eq(t, 0)), (t * (sp.log(t) - x), True))
_KULLBACK = Reference("S. Kullback and R. Leibler, On Information and Sufficiency, Ann. Math. Statist. 22 (1951)")
_KL_MEAN = Convention("what the mean divides by", "the number of elements", "the number of rows: the divergence itself")

KL_DIV = Function(
    name="kl_div",
    title="Kullback-Leibler divergence of a log-probability",
    kind="loss",
    expression=_DIVERGENCE,
    inputs=(Input(x, "prediction"), Input(t, "target", NOT_NEGATIVE)),
    counterpart="torch.nn.KLDivLoss",
    limits=(Limit(-sp.oo, _DIVERGENCE, -t), Limit(sp.oo, _DIVERGENCE, -t)),
    conventions=(
        _KL_MEAN,
        Convention("the term at t = 0", "0, the limit of t log t", ""),
        Convention("the order of the arguments", "the prediction first, as a logarithm", "the textbook's KL(t, q)"),
    ),
    variants=(
        Variant("the cross-entropy's part", -t * x, "t log t, which does not depend on x, is missing"),
        Variant("negated", -_DIVERGENCE, "the sign is lost"),
        Variant("exchanged", sp.exp(x) * (x - sp.log(t)), "the divergence in the other direction"),
        Variant("of a probability", t * (sp.log(t) - sp.log(sp.Abs(x))), "takes the logarithm of a log-probability"),
        Variant("a target in logarithms", sp.exp(t) * (t - x), "log_target=True"),
    ),
    references=(_KULLBACK,),
    aliases=("kl", "kld", "kl_divergence", "kl_div_loss", "kld_loss", "kullback_leibler"),
)

KL_DIV_LOG_TARGET = Function(
    name="kl_div_log_target",
    title="Kullback-Leibler divergence of log-probabilities",
    kind="loss",
    expression=sp.exp(t) * (t - x),
    inputs=(Input(x, "prediction"), Input(t, "target")),
    counterpart="torch.nn.KLDivLoss(log_target=True)",
    limits=(Limit(-sp.oo, sp.exp(t) * (t - x), -sp.exp(t)), Limit(sp.oo, sp.exp(t) * (t - x), -sp.exp(t))),
    identities=(Identity("both shifted: times e^s", {"x": x + FREE, "t": t + FREE}, sp.exp(FREE) * VALUE),),
    conventions=(_KL_MEAN,),
    variants=(
        Variant("the cross-entropy's part", -sp.exp(t) * x, "e^t t, which does not depend on x, is missing"),
        Variant("negated", sp.exp(t) * (x - t), "the sign is lost"),
        Variant("exchanged", sp.exp(x) * (x - t), "the divergence in the other direction"),
    ),
    references=(_KULLBACK,),
    derivable=False,
)

_STIRLING = sp.Piecewise((t * sp.log(t) - t + sp.log(2 * sp.pi * t) / 2, t > 1), (0, True))
_COUNT = Input(t, "target", NOT_NEGATIVE)
_FULL = Input(full, "parameter", SWITCH, default=sp.S.Zero)
_STIRLINGS = Convention(
    "the logarithm of t!", "left out; with full, Stirling's t log t - t + log(2 pi t)/2 where t > 1", "log Gamma(t + 1)"
)

POISSON_NLL = Function(
    name="poisson_nll",
    title="Negative log-likelihood of a Poisson distribution, of the logarithm of its rate",
    kind="loss",
    expression=sp.exp(x) - t * x + full * _STIRLING,
    inputs=(Input(x, "prediction"), _COUNT, _FULL),
    counterpart="torch.nn.PoissonNLLLoss",
    limits=(
        Limit(-sp.oo, sp.Piecewise((0, sp.Eq(t, 0)), (-t * x, True)) + full * _STIRLING, -t),
        Limit(sp.oo, sp.oo, sp.oo),
    ),
    conventions=(MEAN, _STIRLINGS, Convention("the prediction", "the logarithm of the rate", "the rate itself")),
    variants=(
        Variant("of the rate", x - t * sp.log(sp.Abs(x) + sp.Float("1e-8")), "log_input=False"),
        Variant("e^x is missing", x - t * x + full * _STIRLING, "the rate is the exponential of x"),
        Variant("negated", t * x - sp.exp(x) - full * _STIRLING, "the log-likelihood, without its minus"),
    ),
    aliases=("poisson_nll_loss", "poisson", "poisson_loss"),
    derivable=False,
)

POISSON_NLL_RATE = Function(
    name="poisson_nll_rate",
    title="Negative log-likelihood of a Poisson distribution, of its rate",
    kind="loss",
    expression=x - t * sp.log(x + eps) + full * _STIRLING,
    inputs=(
        Input(x, "prediction", NOT_NEGATIVE),
        _COUNT,
        _FULL,
        Input(eps, "parameter", NOT_NEGATIVE, default=sp.Rational(1, 10**8)),
    ),
    counterpart="torch.nn.PoissonNLLLoss(log_input=False)",
    conventions=(
        MEAN,
        _STIRLINGS,
        Convention(
            "eps",
            "added to the rate in the logarithm",
            "none: infinity for a rate of 0",
            accepted=x - share_of_log(t, x) + full * _STIRLING,
        ),
    ),
    variants=(
        Variant("of the logarithm", sp.exp(x) - t * x + full * _STIRLING, "log_input=True"),
        Variant("negated", t * sp.log(sp.Abs(x) + eps) - x - full * _STIRLING, "the log-likelihood, without its minus"),
    ),
    derivable=False,
)

var = sp.Symbol("var", real=True)
_VARIANCE = sp.Piecewise((var, var > eps), (eps, True))
_NORMALISER = full * sp.log(2 * sp.pi) / 2

GAUSSIAN_NLL = Function(
    name="gaussian_nll",
    title="Negative log-likelihood of a Gaussian distribution",
    kind="loss",
    expression=(sp.log(_VARIANCE) + r**2 / _VARIANCE) / 2 + _NORMALISER,
    inputs=(
        Input(x, "prediction"),
        Input(t, "target"),
        Input(var, "prediction", NOT_NEGATIVE),
        _FULL,
        Input(eps, "parameter", POSITIVE, default=sp.Rational(1, 10**6)),
    ),
    counterpart="torch.nn.GaussianNLLLoss",
    limits=tuple(Limit(end, r**2 / (2 * _VARIANCE), r / _VARIANCE) for end in (-sp.oo, sp.oo)),
    identities=(
        Identity("the same with x and t exchanged", {"x": t, "t": x}, VALUE),
        Identity("a function of x - t", {"x": x + FREE, "t": t + FREE}, VALUE),
    ),
    minimum_at_target=True,
    gradient_overrides={"var": (1 / _VARIANCE - r**2 / _VARIANCE**2) / 2},
    conventions=(
        MEAN,
        Convention(
            "the gradient by a variance below eps",
            "as if it were eps",
            "0, as of a clamp",
            accepted=(sp.log(_VARIANCE) + r**2 / _VARIANCE) / 2 + _NORMALISER,
        ),
        Convention("what is predicted", "the variance", "its logarithm, or the standard deviation"),
    ),
    variants=(
        Variant("the 1/2 is missing", sp.log(_VARIANCE) + r**2 / _VARIANCE + 2 * _NORMALISER, "twice the loss"),
        Variant("log is missing", r**2 / (2 * _VARIANCE) + _NORMALISER, "log var is missing"),
        Variant(
            "of the standard deviation",
            sp.log(_VARIANCE) + r**2 / (2 * _VARIANCE**2) + _NORMALISER,
            "var is taken for the standard deviation",
        ),
        Variant(
            "of the logarithm of the variance",
            (var + r**2 * sp.exp(-var)) / 2 + _NORMALISER,
            "var is taken for log var",
        ),
    ),
    references=(
        Reference("D. Nix and A. Weigend, Estimating the Mean and Variance of the Target Distribution, ICNN 1994"),
    ),
    aliases=("gaussian_nll_loss", "normal_nll"),
    derivable=False,
)

LIKELIHOODS = (KL_DIV, KL_DIV_LOG_TARGET, POISSON_NLL, POISSON_NLL_RATE, GAUSSIAN_NLL)
