"""`torchstone.check`: what is known of a subject, then its rules.

Nothing heavy is imported before it is used.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from torchstone.check.result import Report

if TYPE_CHECKING:
    from torchstone.check.rule import Tier


def check(
    thing: Any,
    like: Any = None,
    definition: Any = None,
    inputs: str | None = None,
    kind: str | None = None,
    expect: Mapping[str, str] | str | PathLike[str] | None = None,
    tier: "Tier" = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    formula: str | None = None,
    from_scratch: bool = False,
) -> Report:
    """Hold a loss, an activation or an optimizer against the mathematics, and say what is wrong with it.

    What it is follows from its name (`CELoss`, `MySigmoid`, `AdamOptimizer`), unless it is given. The more is known,
    the more is checked: with a definition, values and gradients, or the path of the parameters, against certified
    numbers; with a counterpart alone, against that; with nothing, what holds for every component. The report says which
    it was.

    Args:
        thing: A class, an instance, a function, a `torch.autograd.Function`, or a function without arguments that makes
            one of these. Of an optimizer, its class, an instance, or a function of parameters that makes one. It runs
            in this process.
        like: Its counterpart: a class, an instance, a function, or a dotted name with literal arguments, such as
            `"torch.nn.Softmax(dim=-1)"`; a list stands for a tensor.
        definition: The name of a definition ("cross_entropy", "adam"), or one of your own (`definitions.Function`,
            `definitions.UpdateRule`). "none": none, whatever the name says.
        inputs: What it is called with, in order: `"logits float[N,C]; target int64[N] in [0,C)"`. An optimizer is given
            parameters and gradients, and has none.
        kind: "loss", "activation" or "optimizer".
        expect: Failures that are known, mapped to their reasons: `{"D106": "second order not needed"}`; or the path of
            a TOML file that holds such lines.
        tier: Which rules run: "fast", "full" or "slow", each with those before it.
        select: Run these rules only: codes, names, or the beginning of codes ("D", "L1").
        ignore: Leave these out.
        kwargs: Arguments of the constructor, or of the function.
        formula: The mathematics of something new, in SymPy's syntax: `"x*sigmoid(beta*x)"`, of an element. Symbols
            other than the inputs are attributes or arguments.
        from_scratch: Calling the built-in that it claims to be is an error.

    Raises:
        TypeError: for a thing that is none of the above, and for arguments of another type.
        ValueError: for an unknown name, code, tier or kind, inputs or a formula that cannot be read, and an expected
            failure without a reason.

    What the thing itself raises is a finding, not an exception of this function.

    >>> import torch
    >>> class MyTanh(torch.nn.Module):
    ...     def forward(self, x):
    ...         return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))
    >>> report = check(MyTanh())
    >>> report.ok
    False
    >>> report.subjects[0].facts[0]
    'recognised as tanh from the name MyTanh'

    >>> class Descent:
    ...     def __init__(self, parameters, learning_rate=0.1):
    ...         self.parameters, self.learning_rate = list(parameters), learning_rate
    ...     def zero_grad(self):
    ...         for each in self.parameters:
    ...             each.grad = None
    ...     def step(self):
    ...         for each in self.parameters:
    ...             each.data += self.learning_rate * each.grad
    >>> report = check(Descent, definition="gradient_descent", select=["O201"])
    >>> report.errors[0].cause
    "this is Gradient descent with one change: the step's sign wrong"
    """
    import torch

    from torchstone.check.examine import case_here
    from torchstone.check.rule import not_loaded

    case = case_here(
        thing,
        tier=tier,
        select=select,
        ignore=ignore,
        expect=expect,
        like=like,
        definition=definition,
        inputs=inputs,
        kind=kind,
        formula=formula,
        kwargs=kwargs,
        from_scratch=from_scratch,
    )
    return Report((case.examined(),), torch.__version__, not_loaded())
