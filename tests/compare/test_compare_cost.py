"""Memory on known examples; the order in which times are taken; training runs that only the subject can change."""

import pytest
import torch

import torchstone
from torchstone.compare.cost import one_thread, paired_times, peak_bytes


def test_the_peak_is_that_of_the_tensors_alive_together():
    def work():
        first, second = torch.zeros(1000), torch.zeros(2000)
        del first
        return second + torch.zeros(500).sum()

    # 1000 and 2000 together; then 2000, 500 and the two small results before 2000 more take their place.
    assert peak_bytes(work) == pytest.approx(4 * (2000 + 2000 + 1), abs=8)


def test_memory_of_forward_and_backward():
    x = torch.ones(5000, requires_grad=True)

    def work():
        return torch.autograd.grad(torch.sigmoid(x), x, torch.ones_like(x))

    assert peak_bytes(work) == 3 * 4 * 5000  # the output, its gradient, the input's gradient


def test_a_call_that_keeps_something_for_later_is_not_charged_for_it():
    kept = []

    def work():
        if not kept:
            kept.append(torch.zeros(10_000))
        return torch.zeros(10)

    assert peak_bytes(work) == 40


def test_the_two_run_in_turns_and_take_turns_in_going_first():
    calls = []
    ratio, mine, other = paired_times(lambda: calls.append("mine"), lambda: calls.append("other"), budget=0.0)
    assert ratio > 0
    assert mine > 0
    assert other > 0
    in_order = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    # Warm-up and five rounds: in every second round the other one goes first, right after its last run.
    assert in_order[:4] == ["mine", "other", "mine", "other"]
    assert abs(in_order.count("mine") - in_order.count("other")) <= 1


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_costs_are_ratios_to_pytorch():
    (row,) = torchstone.compare("relu", against=torch.nn.ReLU, parts=["speed", "memory"]).rows
    assert [cost.size for cost in row.speed] == [cost.size for cost in row.memory] == [1_000, 30_000, 1_000_000]
    assert all(cost.ratio == 1 and cost.ours == cost.torch > 0 for cost in row.memory)
    assert all(cost.ratio > 0 and cost.ours > 0 for cost in row.speed)
    assert row.value is row.gradient is row.curve is None


@pytest.mark.parametrize(
    ("name", "like", "tasks"),
    [
        ("tanh", torch.nn.Tanh, ["digits"]),
        ("softmax", torch.nn.Softmax, ["digits"]),
        ("bce", torch.nn.BCELoss, ["digits"]),
        ("adam", torch.optim.Adam, ["digits", "quadratic", "rosenbrock"]),
    ],
)
def test_the_same_subject_trains_the_same(name, like, tasks):
    (row,) = torchstone.compare(name, against=like, parts=["training"]).rows
    assert [run.task for run in row.training] == tasks
    assert row.problems == ()
    for run in row.training:
        assert run.losses == run.torch_losses
        assert run.final == run.torch_final < run.losses[0] / 2
        assert (len(run.path) == len(run.losses)) == (run.task == "rosenbrock")


class Still(torch.optim.SGD):
    def step(self, closure=None):
        pass


def test_a_run_that_gets_nowhere_is_a_problem():
    (row,) = torchstone.compare("sgd", against=Still, parts=["training"]).rows
    assert any(problem.startswith("training: digits ends at a loss of") for problem in row.problems)
