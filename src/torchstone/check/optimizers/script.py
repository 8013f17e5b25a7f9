"""A script of a few lines that shows an optimizer's finding with torch alone."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from torchstone.check.optimizers.plan import Plan
from torchstone.check.repro import LONGEST, imported

if TYPE_CHECKING:
    from torchstone.check.optimizers.evidence import Departure
    from torchstone.check.optimizers.subject import OptimizerSubject

_MOST_NUMBERS = 40


def script(subject: "OptimizerSubject", found: "Departure") -> str:
    """The script for a departure; nothing where its numbers are too many to be written down."""
    at = "".join(f"[{each}]" for each in found.where)
    name = found.name
    return stepping(subject, found.plan, [f"print({name}{at}.item())  # expected {found.expected!r}"])


def stepping(subject: "OptimizerSubject", plan: Plan, lines: list[str], handed: str = "") -> str:
    """A script that makes the parameters and the optimizer, takes the steps of a plan, and goes on with the lines.

    `handed` is what the optimizer is given, as code, where it is not a list of the parameters.
    """
    tables = [*plan.start.values(), *plan.gradients.values()]
    if sum(each.numel() for each in tables) > _MOST_NUMBERS:
        return ""
    names = list(plan.start)
    made = [
        f"{name} = torch.nn.Parameter({_laid(plan, f'start.{name}', literal(tensor))})"
        for name, tensor in plan.start.items()
    ]
    steps = [f"gradients_{name} = {rows(plan, name)}" for name in names]
    loop = [f"for step in range({plan.steps}):"]
    if plan.options.get("kept"):  # the same tensor each time, with new numbers
        made += [f"{name}.grad = torch.zeros_like({name})" for name in names]
        loop += [f"    {name}.grad.copy_(gradients_{name}[step])" for name in names]
    else:
        loop += [f"    {name}.grad = {_laid(plan, f'gradient.{name}', f'gradients_{name}[step]')}" for name in names]
    for at, values in plan.changes.items():
        loop += [f"    if step == {at}:", *(f"        {line}" for line in setting(subject, values))]
    loop.append(
        "    optimizer.step(lambda: torch.zeros(()))" if subject.spec.usage.get("closure") else "    optimizer.step()"
    )
    built = construction(subject, plan, handed)
    whole = ["import torch", *imported(subject.spec.target, built, "optimizer")]
    whole = [*whole[:-1], "", *made, whole[-1], *steps, *loop, *lines]
    return "\n".join(whole) if len(whole) <= LONGEST + 3 else ""


def twice(subject: "OptimizerSubject", plan: Plan) -> str:
    """A script that does all of a plan two times, and prints where each leads."""
    head, blank, body = stepping(subject, plan, [f"print({name}.tolist())" for name in plan.start]).partition("\n\n")
    return "\n".join([head, "", "for _ in range(2):", textwrap.indent(body, "    ")]) if blank else ""


# The layouts of `bench.LAYOUTS`, as code.
_LAYOUTS = {
    "transposed": "{0}.mT.contiguous().mT",
    "channels_last": "{0}.contiguous(memory_format=torch.channels_last)",
    "strided": "torch.stack([{0}, {0}], dim=-1)[..., 0]",
    "expanded": "{0}.reshape(-1)[0].expand_as({0})",
    "complex": "torch.view_as_complex({0})",
    "sparse": "{0}.to_sparse()",
}


def _laid(plan: Plan, name: str, code: str) -> str:
    layout = plan.options.get("layouts", {}).get(name)
    return _LAYOUTS[layout].format(code) if layout else code


def versus(subject: "OptimizerSubject", plan: Plan, cases: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    """A script that takes the steps of a plan of one parameter under several settings, and prints where each leads.

    Each case is a factor of the gradients, and settings over the plan's.
    """
    (name,) = plan.start
    if plan.start[name].numel() + plan.gradients[name].numel() > _MOST_NUMBERS:
        return ""
    target, needs_closure = subject.spec.target.rpartition(":")[2], subject.spec.usage.get("closure")
    *header, built = imported(subject.spec.target, f"{target}([{name}], **options)", "optimizer")
    told = [{**subject.spec.kwargs, **subject.build({**plan.hyper, **hyper})} for _, hyper in cases]
    listed = ", ".join(f"({factor}, {options!r})" for (factor, _), options in zip(cases, told, strict=True))
    body = [
        f"{name} = torch.nn.Parameter({literal(plan.start[name])})",
        built,
        f"for step in range({plan.steps}):",
        f"    {name}.grad = factor * gradients[step]",
        f"    optimizer.step({'lambda: torch.zeros(())' if needs_closure else ''})",
        f"print(options, {name}.tolist())",
    ]
    loop = f"for factor, options in [{listed}]:"
    setup = ["import torch", *header, "", f"gradients = {rows(plan, name)}", loop]
    return "\n".join([*setup, *(f"    {line}" for line in body)])


def construction(subject: "OptimizerSubject", plan: Plan, handed: str = "") -> str:
    """The expression that makes the optimizer over the plan's parameters."""
    name = subject.spec.target.rpartition(":")[2]
    given = {**subject.spec.kwargs, **subject.build(plan.hyper)}
    keywords = [f"{key}={value!r}" for key, value in given.items()]
    listed = "[" + ", ".join(plan.start) + "]"
    return f"{name}({', '.join([handed or listed, *keywords])})"


def setting(subject: "OptimizerSubject", values: Any) -> list[str]:
    """The lines that change settings of the living optimizer."""
    made = subject.build(values)
    if subject.has("param_groups"):
        return [f"optimizer.param_groups[0][{key!r}] = {value!r}" for key, value in made.items()]
    return [f"optimizer.{key} = {value!r}" for key, value in made.items()]


def rows(plan: Plan, name: str) -> str:
    """A parameter's gradients, a tensor a step, None where it has none."""
    missing = set(plan.missing.get(name, ()))
    if not missing:
        return literal(plan.gradients[name])
    each = ["None" if step in missing else literal(gradient) for step, gradient in enumerate(plan.gradients[name])]
    return f"[{', '.join(each)}]"


def literal(tensor: Tensor) -> str:
    """A tensor as code."""
    numbers = repr(tensor.detach().tolist()).replace("inf", 'float("inf")').replace("nan", 'float("nan")')
    return f"torch.tensor({numbers}, dtype={tensor.dtype})"
