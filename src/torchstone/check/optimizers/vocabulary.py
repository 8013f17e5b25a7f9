"""What people call an optimizer's parts, and its hyper-parameters. Known on both sides."""

from collections.abc import Collection, Mapping
from typing import Any

# What a constructor's first argument is called, where it takes parameters; and where it takes another optimizer.
PARAMETERS = ("params", "parameters", "param_groups", "named_parameters", "model_parameters", "weights", "variables")
INNER = ("optimizer", "base_optimizer", "inner_optimizer", "inner", "base", "opt", "optim", "wrapped")
# What `step` calls the function that it has to be given, where it has to be.
CLOSURES = (
    "closure",
    "closure_fn",
    "loss_closure",
    "loss_fn",
    "forward_closure",
    "objective",
    "evaluate",
    "func",
    "fn",
)

# Hyper-parameters by the definitions' names, as constructors spell them. "betas[0]" is the first of several.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "lr": ("lr", "learning_rate", "learningrate", "learning_rates", "step_size", "eta", "rate", "alpha"),
    "momentum": ("momentum", "mu", "beta", "momentum_factor", "gamma", "rho", "mom"),
    "dampening": ("dampening", "damping"),
    "weight_decay": ("weight_decay", "wd", "decay", "l2", "l2_penalty", "weight_decay_rate", "reg", "lambda_", "lam"),
    "nesterov": ("nesterov", "use_nesterov"),
    "maximize": ("maximize", "maximise"),
    "amsgrad": ("amsgrad", "use_amsgrad", "ams_grad"),
    "beta1": ("betas[0]", "beta1", "beta_1", "b1", "beta[0]"),
    "beta2": ("betas[1]", "beta2", "beta_2", "b2", "beta[1]"),
    "beta3": ("betas[2]", "beta3", "beta_3", "b3", "beta[2]"),
    "eps": ("eps", "epsilon", "e", "delta", "term"),
    "rho": ("rho", "decay", "decay_rate", "gamma", "beta", "alpha"),
    "alpha": ("alpha", "rho", "decay_rate", "decay", "beta", "gamma", "beta2", "smoothing"),
    "centered": ("centered",),
    "decoupled_weight_decay": (
        *("decoupled_weight_decay", "weight_decouple", "decoupled", "decouple", "decouple_wd", "decoupled_wd"),
        *("decouple_weight_decay", "decoupled_decay"),
    ),
    "lr_decay": ("lr_decay", "learning_rate_decay"),
}


# Names that mean many things: what they are is known by the definition alone.
AMBIGUOUS = frozenset(("alpha", "beta", "rho", "gamma", "decay", "rate", "delta", "term", "e", "reg", "lam", "mom"))


def split(spelled: str) -> tuple[str, int | None]:
    """The argument of a spelling, and the place in it.

    >>> split("betas[1]"), split("lr")
    (('betas', 1), ('lr', None))
    """
    name, bracket, rest = spelled.partition("[")
    return (name, int(rest[:-1])) if bracket else (name, None)


def own_name(name: str, known: Mapping[str, Any], taken: Collection[str] = (), argument: str = "") -> str:
    """What a subject that has these arguments or settings calls a hyper-parameter; "" where it has none.

    `argument` is the counterpart's name for it; `taken` are spellings that mean another already.

    >>> own_name("beta1", {"lr": 0.1, "betas": (0.9, 0.99)}), own_name("lr", {"learning_rate": None})
    ('betas[0]', 'learning_rate')
    """
    for spelled in dict.fromkeys((argument or name, name, *SPELLINGS.get(name, ()))):
        base, place = split(spelled)
        if base in known and spelled not in taken:
            value = known[base]
            several = isinstance(value, (tuple, list))
            if (not several) if place is None else value is None or (several and place < len(value)):
                return spelled
    return ""


def value_of(spelled: str, settings: Mapping[str, Any]) -> Any:
    """The value of a spelling; None where there is none."""
    base, place = split(spelled)
    value = settings.get(base)
    if place is None or value is None:
        return value
    return value[place] if place < len(value) else None


def arguments(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values by spelling as arguments: the parts of one that are not given are as in the settings.

    >>> arguments({"betas[0]": 0.5, "lr": 1.0}, {"betas": (0.9, 0.99)})
    {'betas': [0.5, 0.99], 'lr': 1.0}
    """
    made: dict[str, Any] = {}
    for spelled, value in values.items():
        base, place = split(spelled)
        if place is None:
            made[base] = value
        else:
            made.setdefault(base, list(settings.get(base) or ()))
            made[base] += [0.0] * (place + 1 - len(made[base]))
            made[base][place] = value
    return made
