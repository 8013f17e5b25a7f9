"""Optimizers: trajectories against the exact recurrence, whatever the subject looks like."""

import numpy as np
import pytest
import torch

import torchstone
from torchstone import oracle
from torchstone.compare import paths
from torchstone.compare.catalogue import ENTRIES, Setting
from torchstone.compare.subject import UnsupportedError, build_optimizer, set_learning_rate
from torchstone.compare.walk import Walk


def trajectory_of(name, subject=None):
    (row,) = torchstone.compare(name, against=subject, parts=["accuracy"]).rows
    return row


def test_ours_follows_the_recurrence_under_every_option():
    names = [entry.definition for entry in ENTRIES.values() if entry.kind == "optimizer"]
    comparison = torchstone.compare(*names, parts=["accuracy"])
    assert [row.definition for row in comparison.rows] == names
    for row in comparison.rows:
        assert row.problems == row.notes == ()
        assert row.trajectory.options == len(ENTRIES[row.definition].settings)
        assert row.trajectory.to_oracle <= 1e-12
        assert row.trajectory.torch_to_oracle <= 1e-12


class AssignmentAdam:
    """A plain class as in the assignment: `learning_rate`, `step` and `zero_grad`, and nothing else."""

    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.learning_rate = list(parameters), learning_rate
        self.betas, self.eps, self.t = betas, eps, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def step(self):
        self.t += 1
        with torch.no_grad():
            for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
                m.mul_(self.betas[0]).add_(p.grad, alpha=1 - self.betas[0])
                v.mul_(self.betas[1]).add_(p.grad**2, alpha=1 - self.betas[1])
                p.sub_(self.update(m / (1 - self.betas[0] ** self.t), v / (1 - self.betas[1] ** self.t)))

    def update(self, m, v):
        return self.learning_rate * m / (v.sqrt() + self.eps)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class EpsInside(AssignmentAdam):
    def update(self, m, v):
        return self.learning_rate * m / (v + self.eps).sqrt()


class TwoBetas(AssignmentAdam):
    def __init__(self, params, lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
        super().__init__(params, lr, (beta1, beta2), epsilon)


def test_a_plain_class_is_run_with_the_options_that_it_has():
    row = trajectory_of("Adam", TwoBetas)
    assert row.problems == ()
    assert row.trajectory.to_oracle <= 1e-12
    assert row.trajectory.options >= 5
    assert row.trajectory.state_bytes == 8_000_000
    assert "it has no option amsgrad" in row.notes[0]


def test_a_misplaced_eps_is_found():
    row = trajectory_of("Adam", EpsInside)
    (problem,) = row.problems
    assert problem.startswith("trajectory: ")
    assert "off the exact recurrence with" in problem
    assert row.trajectory.to_oracle > 1e-6


def test_a_wrong_optimizer_of_pytorch_itself_is_found():
    # Momentum is asked for, and this has none.
    row = trajectory_of("momentum", torch.optim.SGD)
    assert not row.ok
    assert row.trajectory.worst_option
    assert row.trajectory.to_torch > 1e-6


def test_steps_that_raise_are_problems():
    class Raises(AssignmentAdam):
        def step(self):
            raise RuntimeError("not today")

    row = trajectory_of("Adam", Raises)
    assert row.trajectory is None
    assert any("raised RuntimeError: not today (while its state was being measured" in each for each in row.problems)


def test_gradients_of_all_magnitudes_meet_in_one_tensor():
    course = paths.course()
    for part in paths.split(torch.from_numpy(np.abs(course.gradients[0]))):
        assert part.max() / part.min() > 1e9
    assert np.abs(course.gradients).min() >= 1e-12
    assert np.abs(course.gradients).max() <= 1e6
    assert {-1.0, 1.0} == set(np.sign(course.gradients).ravel())


def test_an_element_on_its_way_through_zero_is_no_false_alarm():
    exact = oracle.Path(np.array([[0.5], [1e-9]]), np.zeros((2, 1)), {})
    got = torch.tensor([[0.5], [1e-9 + 1e-16]], dtype=torch.float64)
    walk = Walk(np.array([1.0]), exact, Setting(), got, got)
    assert walk.to_oracle == pytest.approx(1e-16)
    lost = Walk(np.array([1.0]), exact, Setting(), torch.full((2, 1), float("nan"), dtype=torch.float64), got)
    assert lost.to_oracle == float("inf")
    assert lost.first_beyond(1e-12) == 1


def test_an_option_that_a_subject_lacks_is_said_to_be_lacking():
    with pytest.raises(UnsupportedError, match="no option amsgrad"):
        build_optimizer(AssignmentAdam, [torch.ones(2)], {"lr": 0.1, "amsgrad": True})


def test_the_learning_rate_of_either_kind_can_be_changed():
    parameter = torch.nn.Parameter(torch.ones(2))
    real, plain = torch.optim.SGD([parameter], lr=0.1), AssignmentAdam([parameter], learning_rate=0.1)
    for optimizer in (real, plain):
        set_learning_rate(optimizer, 0.5)
    assert real.param_groups[0]["lr"] == plain.learning_rate == 0.5
