"""Value and gradient: what is right passes, what is wrong is found and named."""

import sys

import pytest
import torch

import torchstone
from torchstone.compare.actions import Bench, perform
from torchstone.compare.catalogue import ENTRIES
from torchstone.compare.result import Comparison
from torchstone.compare.task import Task


def accuracy_of(name: str, subject=None) -> "torchstone.compare.Row":
    comparison = torchstone.compare(name, against=subject, parts=["accuracy"])
    assert isinstance(comparison, Comparison)
    (row,) = comparison.rows
    return row


class RightMSE(torch.nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, x, t):
        loss = ((x.double() - t.double()) ** 2).to(x.dtype)
        return loss if self.reduction == "none" else loss.double().mean().to(x.dtype)


def test_a_right_subject_is_within_policy():
    row = accuracy_of("mse", RightMSE)
    assert row.problems == ()
    assert row.ok
    assert row.value.max_ulp <= 0.51
    assert [entry.dtype for entry in row.value.dtypes] == ["float64", "float32", "bfloat16", "float16"]
    assert row.subject.endswith(":RightMSE")


def test_ours_is_compared_by_default():
    row = accuracy_of("NLLLoss")
    assert (row.name, row.subject, row.like) == ("NLLLoss", "torchstone.losses:NLLLoss", "torch.nn.NLLLoss")
    assert row.ok


class NaiveSigmoid(torch.nn.Module):
    def forward(self, x):
        return torch.exp(x) / (1 + torch.exp(x))


def test_an_unstable_sigmoid_is_not_finite_far_out():
    row = accuracy_of("sigmoid", NaiveSigmoid)
    assert any(problem.startswith("value: not finite at") and "expected 1)" in problem for problem in row.problems)
    half = next(entry for entry in row.value.dtypes if entry.dtype == "float16")
    assert half.points == 65536
    assert half.not_finite > 1000


class SignOfTheGradient(torch.autograd.Function):
    """An absolute error whose backward forgets the residual's sign."""

    @staticmethod
    def forward(ctx, x, t):
        return (x - t).abs()

    @staticmethod
    def backward(ctx, g):
        return g, None


def test_a_wrong_backward_is_found():
    row = accuracy_of("l1", SignOfTheGradient)
    assert not [problem for problem in row.problems if problem.startswith("value")]
    assert any(problem.startswith("gradient") and "(got 1, expected -1)" in problem for problem in row.problems)


class ByHand(torch.nn.Module):
    """A ReLU: autograd's gradient takes 1/2 at 0; the explicit method looks at the gradient and not at the input."""

    def forward(self, x):
        return torch.maximum(x, torch.zeros_like(x))

    def backward(grad_output):  # without self, as the assignment writes it: to be called on the class
        return (grad_output > 0) * grad_output


def test_an_explicit_backward_is_judged_beside_autograd():
    row = accuracy_of("relu", ByHand)
    assert row.problems
    assert all(problem.startswith("backward: ") for problem in row.problems)
    assert any("(got 1, expected 0)" in problem for problem in row.problems)
    assert row.value.max_ulp == row.gradient.max_ulp == 0
    # The other subgradient at the kink is a matter of convention, not a mistake.
    assert row.notes == (
        "gradient: 0.5 at the kink x = 0, where the convention is 0; any slope from 0 to 1 is right",
        "gradient: a number where the input is NaN (in float64, float32, bfloat16, float16)",
    )


class Forgets(torch.nn.Module):
    def forward(self, x):
        return torch.softmax(x, -1)

    def backward(self, grad_output):
        return self.y * grad_output


def test_a_backward_that_raises_leaves_the_rest_to_be_judged():
    bench = Bench(ENTRIES["softmax"], Forgets, torch.nn.Softmax)
    rows = torch.zeros(3, 2)
    reply = perform(bench, Task("values", "", {"reduction": "none"}, {"prediction": rows, "cotangent": rows}))
    assert reply.facts == {"backward": "raised AttributeError: 'Forgets' object has no attribute 'y'"}
    assert set(reply.tensors) == {"value", "gradient"}


def log_of_softmax(x, t):
    return -torch.log(torch.softmax(x, 1))[torch.arange(len(x)), t].mean()


def test_the_logarithm_of_a_softmax_is_not_a_cross_entropy():
    row = accuracy_of("cross_entropy", log_of_softmax)
    assert row.value.not_finite > 0
    assert any("got inf" in problem for problem in row.problems)
    assert row.notes == ("it has no reduction='none': its elements were evaluated one by one",)


def summed(x, t):
    return ((x - t) ** 2).sum()


def test_a_sum_in_the_place_of_the_mean_is_found():
    row = accuracy_of("mse", summed)
    assert any("at the mean of 64 ordinary elements" in problem for problem in row.problems)


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        (lambda x, t: (x.detach() - t) ** 2, "gradient: none; autograd finds no way"),
        (lambda x, t: 1 / 0, "raised ZeroDivisionError: division by zero (while value and gradient were computed in"),
        (lambda x, t: sys.exit("enough"), "raised SystemExit: enough (while value and"),
        (lambda x, t: "nothing", "raised TypeError: expected a tensor as the result, got str"),
        (lambda x, t: ((x - t) ** 2)[:, None], "raised ValueError: expected a result of shape"),
    ],
)
def test_no_answer_is_a_problem_not_a_crash(subject, problem):
    row = accuracy_of("mse", subject)
    assert not row.ok
    assert any(problem in each for each in row.problems), row.problems


def test_nothing_is_demanded_where_the_definition_has_no_value():
    # A masked class with a share of the target: the loss is infinite, the gradient undefined.
    row = accuracy_of("CrossEntropyLoss", torch.nn.CrossEntropyLoss)
    assert row.gradient.not_finite == row.gradient.torch_not_finite == 0
    assert row.gradient.max_ulp == row.gradient.torch_max_ulp
