"""What an optimizer is put through: parameters, the gradients of each step, settings. And ordinary plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

STEPS = 12
SHAPES: Mapping[str, tuple[int, ...]] = {"a": (2, 3), "b": (5,)}


@dataclass(frozen=True)
class Plan:
    """Parameters by name, and for each a tensor of gradients, the first dimension the steps.

    `hyper` are settings over the subject's own, `changes` those made before a step (in all groups): both by the names
    of definitions ("beta1"), or where there is no such name, as the subject spells them. `missing` are the steps at
    which a parameter has no gradient. `options` go to the action `run` as they are.
    """

    start: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    hyper: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    missing: Mapping[str, Sequence[int]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many steps."""
        return max(map(len, self.gradients.values()), default=0)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As the action `run` takes them."""
        return {
            **{f"start.{name}": tensor for name, tensor in self.start.items()},
            **{f"gradient.{name}": tensor for name, tensor in self.gradients.items()},
        }

    def with_(self, **changed: Any) -> "Plan":
        """The plan with other fields; `hyper` and `options` are added to what is there."""
        for name in ("hyper", "options"):
            if name in changed:
                changed[name] = {**getattr(self, name), **changed[name]}
        return replace(self, **changed)

    def only(self, *names: str) -> "Plan":
        """The plan with these parameters alone."""
        return replace(
            self,
            start={name: self.start[name] for name in names},
            gradients={name: self.gradients[name] for name in names},
            missing={name: steps for name, steps in self.missing.items() if name in names},
        )

    def first(self, steps: int) -> "Plan":
        """The plan up to a step."""
        return replace(
            self,
            gradients={name: each[:steps] for name, each in self.gradients.items()},
            missing={name: [step for step in missing if step < steps] for name, missing in self.missing.items()},
            changes={step: values for step, values in self.changes.items() if step < steps},
        )


def ordinary(
    steps: int = STEPS,
    shapes: Mapping[str, Sequence[int]] = SHAPES,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Plan:
    """Moderate parameters and gradients, of both signs, none of them zero: whole numbers over 32, short to write."""
    random = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        values = torch.randint(8, 72, shape, generator=random).to(torch.float64) / 32
        return torch.where(torch.rand(shape, generator=random) < 0.5, -values, values).to(dtype)

    return Plan(
        {name: drawn(*shape) for name, shape in shapes.items()},
        {name: drawn(steps, *shape) for name, shape in shapes.items()},
    )


def wide(
    steps: int = STEPS,
    shapes: Mapping[str, Sequence[int]] = SHAPES,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Plan:
    """Gradients from 1e-12 to 1e6 in one tensor, some of them zero: a misplaced eps shows there and nowhere else.

    Each element keeps its magnitude, give or take a factor of two: so does a small one among large ones.
    """
    plan = ordinary(steps, shapes, dtype, seed)
    gradients = {}
    for name, each in plan.gradients.items():
        count = each[0].numel()
        exponents = torch.linspace(-12, 6, count, dtype=torch.float64) if count > 1 else torch.zeros(count)
        scale = (10.0**exponents)[torch.randperm(count, generator=torch.Generator().manual_seed(seed + 1))]
        table = each.double() * scale.reshape(each.shape[1:])
        if steps > 5 and count:
            table[steps // 2].reshape(-1)[0] = 0.0
        gradients[name] = _short(table).to(dtype)
    return replace(plan, gradients=gradients)


def _short(table: Tensor) -> Tensor:
    """Numbers with three digits: whoever reads a finding has them before them."""
    return torch.tensor([float(f"{each:.2e}") for each in table.reshape(-1).tolist()], dtype=table.dtype).reshape(
        table.shape
    )
