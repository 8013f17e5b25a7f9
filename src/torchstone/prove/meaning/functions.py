"""The functions that are known without a definition."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from torchstone import definitions


@dataclass(frozen=True)
class Known:
    """A known function: what it is, and its inverse where it has one."""

    value: Callable[..., sp.Expr]
    inverse: Callable[[sp.Expr], sp.Expr] | None = None
    arguments: tuple[int, ...] = (1,)  # how many it may take; () is any number
    fixed: bool = False  # a command of LaTeX: never defined anew

    def written(self, name: str, arguments: Sequence[sp.Expr]) -> sp.Expr:
        """The function of its arguments, not worked out."""
        if self.fixed and isinstance(self.value, type):
            return self.value(*arguments, evaluate=False)
        return sp.Function(name)(*arguments)


def _defined(name: str) -> Callable[[sp.Expr], sp.Expr]:
    """A function of one number from the library's definitions, with its parameters at their defaults."""

    def value(argument: sp.Expr) -> sp.Expr:
        function = definitions.get(name)
        assert isinstance(function, definitions.Function)
        defaults = {entry.symbol: entry.default for entry in function.parameters}
        body = function.expression.subs(defaults) if defaults else function.expression
        return body.subs(function.prediction.symbol, argument)

    return value


def _fixed(
    value: Callable[..., sp.Expr], inverse: Callable[[sp.Expr], sp.Expr] | None = None, *arguments: int
) -> Known:
    return Known(value, inverse, arguments or (1,), fixed=True)


def logit(p: sp.Expr) -> sp.Expr:
    """The logarithm of the odds."""
    return sp.log(p / (1 - p))


def _density(x: sp.Expr) -> sp.Expr:
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def _distribution(x: sp.Expr) -> sp.Expr:
    return (1 + sp.erf(x / sp.sqrt(2))) / 2


def _logarithm_of_two(x: sp.Expr) -> sp.Expr:
    return sp.log(x) / sp.log(2)


def _factorial(n: sp.Expr) -> sp.Expr:
    if n.is_Integer and n > 1000:
        raise OverflowError("a factorial that large has thousands of digits")
    return sp.factorial(n)


def _clip(x: sp.Expr, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    return sp.Min(sp.Max(x, low), high)


_SIGMOID = Known(_defined("sigmoid"), logit)
_SILU = Known(_defined("silu"))
_LOG = _fixed(sp.log, sp.exp)
_TAN, _COT, _TANH = _fixed(sp.tan, sp.atan), _fixed(sp.cot, sp.acot), _fixed(sp.tanh, sp.atanh)

# Functions of numbers, by the name that the tree gives them.
KNOWN: Mapping[str, Known] = {
    "exp": _fixed(sp.exp, sp.log),
    "log": _LOG,
    "ln": _LOG,
    "lg": _fixed(lambda x: sp.log(x) / sp.log(10)),
    "lb": _fixed(_logarithm_of_two),
    "sin": _fixed(sp.sin, sp.asin),
    "sen": _fixed(sp.sin, sp.asin),
    "cos": _fixed(sp.cos, sp.acos),
    "tan": _TAN,
    "tg": _TAN,  # as much of Europe writes it
    "cot": _COT,
    "ctg": _COT,
    "cotg": _COT,
    "sec": _fixed(sp.sec, sp.asec),
    "csc": _fixed(sp.csc, sp.acsc),
    "arcsin": _fixed(sp.asin, sp.sin),
    "arccos": _fixed(sp.acos, sp.cos),
    "arctan": _fixed(sp.atan, sp.tan),
    "arctg": _fixed(sp.atan, sp.tan),
    "sinh": _fixed(sp.sinh, sp.asinh),
    "sh": _fixed(sp.sinh, sp.asinh),
    "cosh": _fixed(sp.cosh, sp.acosh),
    "ch": _fixed(sp.cosh, sp.acosh),
    "tanh": _TANH,
    "th": _TANH,
    "coth": _fixed(sp.coth, sp.acoth),
    "sech": _fixed(sp.sech),
    "csch": _fixed(sp.csch),
    "artanh": Known(sp.atanh, sp.tanh),
    "arctanh": Known(sp.atanh, sp.tanh),
    "atanh": Known(sp.atanh, sp.tanh),
    "arsinh": Known(sp.asinh, sp.sinh),
    "arcsinh": Known(sp.asinh, sp.sinh),
    "arcosh": Known(sp.acosh, sp.cosh),
    "max": _fixed(sp.Max, None, 0),
    "min": _fixed(sp.Min, None, 0),
    "factorial": _fixed(_factorial),
    "sqrt": Known(sp.sqrt),
    "abs": Known(sp.Abs),
    "sign": Known(sp.sign),
    "sgn": Known(sp.sign),
    "erf": Known(sp.erf, sp.erfinv),
    "erfc": Known(sp.erfc),
    "Heaviside": Known(sp.Heaviside),
    "heaviside": Known(sp.Heaviside),
    "clip": Known(_clip, None, (3,)),
    "clamp": Known(_clip, None, (3,)),
    "sigma": _SIGMOID,
    "sigmoid": _SIGMOID,
    "sigm": _SIGMOID,
    "Sigmoid": _SIGMOID,
    "logistic": _SIGMOID,
    "expit": _SIGMOID,
    "logit": Known(logit, _defined("sigmoid")),
    "Logit": Known(logit, _defined("sigmoid")),
    "logsigmoid": Known(_defined("log_sigmoid")),
    "LogSigmoid": Known(_defined("log_sigmoid")),
    "relu": Known(_defined("relu")),
    "ReLU": Known(_defined("relu")),
    "Relu": Known(_defined("relu")),
    "RELU": Known(_defined("relu")),
    "softplus": Known(_defined("softplus")),
    "Softplus": Known(_defined("softplus")),
    "SoftPlus": Known(_defined("softplus")),
    "silu": _SILU,
    "SiLU": _SILU,
    "swish": _SILU,
    "Swish": _SILU,
    "gelu": Known(_defined("gelu")),
    "GELU": Known(_defined("gelu")),
    "Phi": Known(_distribution),
    "phi": Known(_density),
    "varphi": Known(_density),
    "tanhshrink": Known(lambda x: x - sp.tanh(x)),
    "softsign": Known(lambda x: x / (1 + sp.Abs(x))),
    "mish": Known(lambda x: x * sp.tanh(sp.log(1 + sp.exp(x)))),
    "Mish": Known(lambda x: x * sp.tanh(sp.log(1 + sp.exp(x)))),
}

Terms = Callable[[sp.Expr], sp.Expr]  # a vector's component by its number


def _softmax(terms: Terms, total: Callable[[Terms], sp.Expr], index: sp.Expr) -> sp.Expr:
    return sp.exp(terms(index)) / total(lambda j: sp.exp(terms(j)))


def _softmin(terms: Terms, total: Callable[[Terms], sp.Expr], index: sp.Expr) -> sp.Expr:
    return _softmax(lambda j: -terms(j), total, index)


def _log_softmax(terms: Terms, total: Callable[[Terms], sp.Expr], index: sp.Expr) -> sp.Expr:
    return terms(index) - sp.log(total(lambda j: sp.exp(terms(j))))


def _log_sum_exp(terms: Terms, total: Callable[[Terms], sp.Expr]) -> sp.Expr:
    return sp.log(total(lambda j: sp.exp(terms(j))))


# Functions of a vector. The first kind gives a vector, the second a number.
OF_VECTORS: Mapping[str, Callable[..., sp.Expr]] = {
    "softmax": _softmax,
    "Softmax": _softmax,
    "SoftMax": _softmax,
    "softmin": _softmin,
    "log_softmax": _log_softmax,
    "logsoftmax": _log_softmax,
    "LogSoftmax": _log_softmax,
}
NUMBERS_OF_VECTORS: Mapping[str, Callable[..., sp.Expr]] = {
    "logsumexp": _log_sum_exp,
    "LogSumExp": _log_sum_exp,
    "LSE": _log_sum_exp,
    "lse": _log_sum_exp,
}

# Names that stand for what is not read, and what that is.
REFUSED: Mapping[str, str] = {
    "nabla": "a gradient vector",
    "partial": "a derivative without its variable",
    "Var": "a variance",
    "Cov": "a covariance",
}


def is_known(name: str) -> bool:
    """Whether a function is known without a definition."""
    return name in KNOWN or name in OF_VECTORS or name in NUMBERS_OF_VECTORS
