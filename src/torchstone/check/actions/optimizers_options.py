"""What the rules on an optimizer's options ask: a descent, with the gradients of the moment."""

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of
from torchstone.check.held import seeded, subject_code
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.probe import Answer

_PATIENCE = 1.0  # seconds of computing
_LOST = 1e6  # times the first loss


@action
def descend(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Steps down a bowl, sum(curvature * (p - centre)**2) / 2, with its gradients.

    Tensors: "start.NAME", "curvature.NAME" and "centre.NAME". Options: as of `run`, and "steps" and "goal".
    Facts: "losses", at the start and after each step, up to the first below the goal, or far above the start; and
    "slow", whether it was given up as it took too long. The tensors of the answer are the parameters at the end.
    """
    names = options["names"]
    bench = bench_of(held, options, tensors)

    def away(name: str) -> Tensor:
        return bench.parameters[name].detach() - tensors[f"centre.{name}"]

    def loss() -> Tensor:
        return torch.stack([(tensors[f"curvature.{name}"] * away(name).square()).sum() / 2 for name in names]).sum()

    def evaluate() -> Tensor:
        bench.give({name: tensors[f"curvature.{name}"] * away(name) for name in names})
        return loss()

    losses = [float(loss())]
    needs_closure = held.spec.usage.get("closure", False)
    end = time.process_time() + _PATIENCE
    with seeded(0):
        for _ in range(options["steps"]):
            if time.process_time() > end:
                break
            evaluate()
            with subject_code("step"):
                bench.optimizer.step(evaluate) if needs_closure else bench.optimizer.step()
            losses.append(float(loss()))
            if not options["goal"] < losses[-1] < _LOST * losses[0]:
                break
    return Answer({"losses": losses, "slow": time.process_time() > end}, bench.values())
