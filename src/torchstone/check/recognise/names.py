"""From a name to what it says: which definition, and whether a loss or an activation."""

import re
from collections.abc import Mapping
from functools import cache

from torchstone import definitions
from torchstone.check.spec import Kind
from torchstone.check.words import plain, words
from torchstone.definitions import Function

# Words that say nothing of what is computed.
NEUTRAL = frozenset(
    (
        *("my", "mine", "custom", "our", "own", "the", "a", "an", "naive", "stable", "stably", "numerically", "safe"),
        *("simple", "plain", "basic", "vanilla", "standard", "pure", "scratch", "from", "with", "by", "hand", "manual"),
        *("handwritten", "written", "manually", "explicit", "reference", "ref", "correct", "good", "right", "bad"),
        *("wrong", "buggy", "broken", "faulty", "fixed", "clean", "old", "new", "torch", "pytorch", "nn", "autograd"),
        *("functional", "np", "numpy", "python", "cuda", "cpu", "triton", "class", "module", "layer", "block", "func"),
        *("function", "functions", "fn", "impl", "implementation", "implemented", "op", "ops", "forward", "fwd"),
        *("backward", "bwd", "grad", "gradient", "act", "activation", "activations", "nonlinearity", "wrapper"),
        *("test", "tests", "testing", "example", "demo", "sample", "student", "homework", "hw", "task", "exercise"),
        *("make", "get", "build", "create", "factory", "use"),
        *("solution", "answer", "vectorized", "vectorised", "jit", "scripted", "inplace", "in", "place", "method"),
    )
)
_LOSS = frozenset(("loss", "losses", "criterion", "cost", "objective", "lossfn"))
_SMOOTHED = frozenset(("label", "labels", "smooth", "smoothed", "smoothing", "ls"))
_SAYS_LOSS = _LOSS | {
    "error",
    "divergence",
    "entropy",
    "nll",
    "likelihood",
    "penalty",
    "mse",
    "mae",
    "bce",
    "ce",
    "kld",
}
_SAYS_ACTIVATION = frozenset(("activation", "act", "nonlinearity", "relu", "elu", "softmax", "sigmoid", "tanh", "gate"))

# Spellings that no definition lists, for they are code's and not mathematics'.
_SPELLINGS = {
    "cross_entropy": (
        *("crossentropylogits", "logitscrossentropy", "softmaxcrossentropylogits", "softmaxce", "celogits", "xent"),
        *("sparsecategoricalcrossentropy", "categoricalcrossentropylogits", "sparsecrossentropy", "crossent"),
        *("multiclasscrossentropy", "softmaxloss", "xentropy", "crossentropyindex", "softmaxxent"),
    ),
    "cross_entropy_probabilities": ("softtargetcrossentropy", "softlabelcrossentropy", "crossentropysoft"),
    "bce_with_logits": ("sigmoidbce", "bcesigmoid", "logitsbce", "sigmoidbinarycrossentropy", "logitbce"),
    "mse": ("squareloss", "squarederrorloss", "euclideanloss", "quadratic"),
    "l1": ("absoluteloss", "absoluteerrorloss", "absloss"),
    "log_softmax": ("logarithmicsoftmax",),
    "leaky_relu": ("leakyrectifier", "leaky"),
}

# Other definitions that a name may mean just as well: the one that the subject agrees with is taken.
ALSO: Mapping[str, tuple[str, ...]] = {
    "bce": ("bce_with_logits",),
    "focal": ("focal_classes",),
    "cross_entropy": ("cross_entropy_probabilities",),
    "gelu": ("gelu_tanh", "quick_gelu"),
    "silu": ("swish_beta",),
    "kl_div": ("kl_div_log_target",),
    "poisson_nll": ("poisson_nll_rate",),
    "triplet_margin": ("triplet_margin_with_distance",),
}

# Those whose very name in PyTorch goes for all of its meanings.
FREE = ("gelu", "silu", "cross_entropy", "focal")

# Names that people give to several formulas, all of them right: the definition is claimed only where the subject agrees
# with it, or with a deviation of it that is none of these formulas.
LOOSE: Mapping[str, frozenset[str]] = {
    name: frozenset(right)
    for name, right in {
        "focal": ("no balance", "alpha for both classes"),
        "focal_classes": (),
        "triplet_margin": ("squared distances",),
        "triplet_margin_with_distance": ("squared distances",),
        "kl_div": (),
        "charbonnier": (),
        "hinge": ("squared",),
        "squared_hinge": ("halved",),
        "margin_ranking": ("squared",),
        "hinge_embedding": ("squared",),
        "cosine_embedding": (),
        "soft_margin": ("labels 0 and 1",),
        "poisson_nll": (),
        "gaussian_nll": (),
        "multi_margin": (),
        "multi_label_margin": (),
        "multi_label_soft_margin": (),
    }.items()
}


@cache
def _keys() -> Mapping[str, tuple[Function, ...]]:
    """The functions that have a definition, by every spelling of their names without "with" and "loss"."""
    found: dict[str, list[Function]] = {}
    for entry in definitions.every():
        if isinstance(entry, Function):
            spelled = (entry.name, *entry.aliases, *_SPELLINGS.get(entry.name, ()))
            for key in {_core(name) for name in spelled}:
                found.setdefault(key, []).append(entry)
    return {key: tuple(entries) for key, entries in found.items()}


def _core(name: str) -> str:
    kept = [word for word in words(name) if word not in _LOSS and word not in ("with", "from")]
    return plain("".join(kept)).removesuffix("loss")


def definition_of(name: str, tensors: int | None = None) -> Function | None:
    """The definition that a name means, if every word of it is accounted for.

    `tensors` is how many the subject takes, which tells two meanings of one name apart.
    """
    for key in _spellings(name):
        found = _keys().get(key, ())
        if found:
            wanted = "loss" if _LOSS & set(words(name)) or (tensors or 1) > 1 else "activation"
            return next((entry for entry in found if entry.kind == wanted), found[0])
    return None


def _spellings(name: str) -> list[str]:
    """What may be the core of a name, the most literal first."""
    name = re.sub(r"(_v?|v|V)\d+$", "", name) or name
    said = words(name)
    kept = [word for word in said if word not in NEUTRAL]
    inner = re.sub(
        r"^(my|custom|naive|stable|our|own)|(function|func|fn|activation|layer|module|impl|manual|custom)$",
        "",
        plain(name),
    )
    return [key for key in (_core(name), _core("_".join(kept)), inner, inner.removesuffix("loss")) if key]


def without_smoothing(name: str) -> str:
    """A name without the words for label smoothing; "" where it has none."""
    said = words(name)
    smooth = bool({"smooth", "smoothed", "smoothing", "ls"} & set(said)) and "l" not in said  # smooth L1 is another
    return "_".join(word for word in said if word not in _SMOOTHED) if smooth else ""


def is_neutral(name: str) -> bool:
    """Whether a name says nothing of what is computed."""
    return all(word in NEUTRAL | _LOSS or word.isdigit() or word == "lambda" for word in words(name))


def is_exact(name: str, definition: Function) -> bool:
    """Whether a name is that of PyTorch's class or function: who takes it means that very formula."""
    counterpart = definition.counterpart.partition("(")[0].rpartition(".")[2]
    kept = "".join(word for word in words(name) if word not in NEUTRAL)
    return bool(counterpart) and kept in (plain(counterpart), plain(definition.name) + "loss", plain(definition.name))


def kind_of(name: str) -> Kind | None:
    """Whether a name is that of a loss or of an activation, if it tells."""
    said = set(words(name))
    joined = plain(name)
    if said & _SAYS_LOSS or joined.endswith(("loss", "lossfn", "criterion")):
        return "loss"
    if said & _SAYS_ACTIVATION or joined.endswith(("relu", "activation", "lu", "softmax", "sigmoid")):
        return "activation"
    return None
