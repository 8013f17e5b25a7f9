"""A rule of one's own, quasi-hyperbolic momentum (Ma and Yarats 2019), and an optimizer that is held against it."""

import sympy as sp
import torch

import torchstone
from torchstone.definitions import Hyper, State, UpdateRule

p, g, t, m, average = sp.symbols("p g t m average", real=True)
lr, beta, nu = sp.symbols("lr beta nu", real=True)

QHM = UpdateRule(
    name="qhm",
    title="Quasi-hyperbolic momentum",
    parameter=p,
    gradient=g,
    step=t,
    hyper=(
        Hyper(lr, sp.Rational(1, 10), sp.Interval(0, sp.oo)),
        Hyper(beta, sp.Rational(9, 10), sp.Interval.Ropen(0, 1)),
        Hyper(nu, sp.Rational(7, 10), sp.Interval(0, 1)),
    ),
    state=(State(m),),
    equations=(
        (average, beta * m + (1 - beta) * g),
        (p, p - lr * ((1 - nu) * g + nu * average)),
        (m, average),
    ),
    counterpart="",
    variants={
        "the momentum not averaged": ((average, beta * m + g),),
        "the momentum as it was before the step": ((p, p - lr * ((1 - nu) * g + nu * m)),),
    },
)


class QuasiHyperbolic(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, beta=0.9, nu=0.7):
        super().__init__(params, {"lr": lr, "beta": beta, "nu": nu})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta, nu = group["beta"], group["nu"]
            for each in group["params"]:
                if each.grad is not None:
                    m = self.state[each].setdefault("m", torch.zeros_like(each))
                    each.sub_(group["lr"] * ((1 - nu) * each.grad + nu * m))
                    m.lerp_(each.grad, 1 - beta)


if __name__ == "__main__":
    print(torchstone.check(QuasiHyperbolic, definition=QHM, select=["O201"]))
