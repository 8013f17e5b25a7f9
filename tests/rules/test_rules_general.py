"""The general rules: how bad each finding is, and what right code in unusual style they leave alone."""

import random
import warnings

import pytest
import torch
from torch import nn

from torchstone.check.api import check
from torchstone.check.rule import find

MSE = {"definition": "mse"}
PAIR = {"kind": "loss", "inputs": "prediction float[N,C]; target float[N,C]"}


def outcome(thing, code, **settings):
    """The severities of what a rule found, or the outcome where it found nothing."""
    (subject,) = check(thing, select=[*find(code).after, code], **settings).subjects
    (result,) = [each for each in subject.results if each.code == code]
    assert result.outcome != "fault", result.reason
    return [finding.severity for finding in result.findings] or result.outcome


def message(thing, code, **settings):
    (subject,) = check(thing, select=[*find(code).after, code], **settings).subjects
    return next(finding.message for finding in subject.findings if finding.rule == code)


class Module(nn.Module):
    """A module made of its forward."""

    def __init__(self, forward):
        super().__init__()
        self.forward = forward


def squared(prediction, target):
    return (prediction - target).square().mean()


# G001


def talkative(prediction, target):
    print("loss")
    return squared(prediction, target)


def deprecated(prediction, target):
    warnings.warn("old", DeprecationWarning, stacklevel=2)
    return squared(prediction, target)


def of_positive(x):
    return x.log()


def single_precision_only(x):
    if x.dtype != torch.float32:
        raise TypeError("expected float32")
    return x * 2


def without_backward(x):
    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    return Forward.apply(x)


def list_of_nothing(x):
    return []


class Unbuildable(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(3)[7]

    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("thing", "settings", "severities", "words"),
    [
        (talkative, PAIR, ["note"], "prints 'loss'"),
        (deprecated, PAIR, ["note"], "DeprecationWarning: old"),
        (of_positive, {}, ["warning"], "not finite on ordinary inputs"),
        (single_precision_only, {}, ["warning"], "runs in float32, and in float64 it raises TypeError"),
        (without_backward, {}, ["error"], "its backward raises"),
        (list_of_nothing, {}, ["error"], "returns a list"),
        (Unbuildable, {}, ["error"], "it cannot be built: it raises IndexError"),
    ],
)
def test_smoke(thing, settings, severities, words):
    assert outcome(thing, "G001", **settings) == severities
    assert words in message(thing, "G001", **settings)


def test_logarithm_passes_where_its_inputs_are_named():
    assert outcome(of_positive, "G001", inputs="x float[N] in (0,inf)") == "passed"


def test_a_weight_in_single_precision_does_not_stop_a_module():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    settings = {"kind": "loss", "inputs": "logits float[N,C]; target int64[N] in [0,C)"}
    assert outcome(loss, "G001", **settings) == "passed"
    assert loss.weight.dtype == torch.float32  # the caller's own is left alone


# G002


def asks_for_a_gradient(prediction, target):
    return squared(prediction.requires_grad_(), target)


def in_place_on_a_copy(prediction, target):
    difference = prediction.clone()
    difference -= target
    return difference.square_().mean()


def float32_target_only(prediction, target):
    target = target.float()  # no copy where it is float32
    target *= 2
    return (prediction - target).square().mean()


def backward_inside(prediction, target):
    loss = squared(prediction, target)
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    return loss


@pytest.mark.parametrize(
    ("thing", "settings", "expected"),
    [
        (asks_for_a_gradient, PAIR, ["warning"]),
        (in_place_on_a_copy, PAIR, "passed"),
        (float32_target_only, PAIR, ["error"]),
        (backward_inside, PAIR, ["error"]),
        (nn.ReLU(inplace=True), {"kind": "activation"}, "not applicable"),
        (nn.ReLU(), {"kind": "activation"}, "passed"),
    ],
)
def test_input_mutated(thing, settings, expected):
    assert outcome(thing, "G002", **settings) == expected


# G003


class KeepsItsResult(nn.Module):
    def forward(self, x):
        self.result = x.tanh()
        return self.result


@pytest.mark.parametrize(
    ("thing", "expected"),
    [(nn.Identity(), "passed"), (nn.Dropout(0.0), "passed"), (KeepsItsResult, "passed"), (nn.Hardtanh(), "passed")],
)
def test_output_aliases_input(thing, expected):
    assert outcome(thing, "G003", kind="activation", inputs="x float[N,C]") == expected


# G004


class RunningCentre(nn.Module):
    """A buffer that moves while training, as batch normalization has."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centre", torch.zeros(1))

    def forward(self, x):
        if self.training:
            self.centre.mul_(0.9).add_(0.1 * x.detach().mean())
        return x - self.centre


class CachedByShape(nn.Module):
    """A cache that knows what it is for."""

    def __init__(self):
        super().__init__()
        self.ramps = {}

    def forward(self, x):
        key = (x.shape, x.dtype)
        if key not in self.ramps:
            self.ramps[key] = torch.linspace(0.5, 1.5, x.shape[-1], dtype=x.dtype)
        return x * self.ramps[key]


class CentredByItself(RunningCentre):
    """A buffer that moves in evaluation mode as well."""

    def forward(self, x):
        self.centre.mul_(0.9).add_(0.1 * x.detach().mean())
        return x - self.centre


class KeepsItsMask(nn.Module):
    """It is overwritten by each call before it is read."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask


def noisy(x):
    return x + torch.rand_like(x) * random.random()


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (RunningCentre, "passed"),
        (CentredByItself, ["warning"]),
        (CachedByShape, "passed"),
        (KeepsItsMask, "passed"),
        (noisy, "passed"),
        (nn.RReLU(), "passed"),
    ],
)
def test_nondeterministic(thing, expected):
    assert outcome(thing, "G004", kind="activation", inputs="x float[N,C]") == expected


def test_what_is_random_in_training_is_not_in_evaluation():
    assert outcome(nn.RReLU(), "G004", definition="rrelu") == "passed"
    assert outcome(Module(lambda x: nn.functional.rrelu(x, training=True)), "G004", definition="rrelu") == ["error"]


# G005


class SeedsWhenBuilt(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.slope = nn.Parameter(torch.rand(1))

    def forward(self, x):
        return x * self.slope


class StartsAtRandom(SeedsWhenBuilt):
    def __init__(self):
        nn.Module.__init__(self)
        self.slope = nn.Parameter(torch.rand(1))


def idle_draw(x):
    torch.rand(1)
    return x * 2


def own_generator(x):
    return x * torch.rand(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(x.dtype)


def careful(x):
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        scale = x.abs().max()
    return x / scale


def restless(x):
    torch.set_num_threads(torch.get_num_threads() + 1)
    return x * 2


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (SeedsWhenBuilt, ["error"]),
        (StartsAtRandom, "passed"),
        (idle_draw, ["warning"]),
        (own_generator, "passed"),
        (careful, "passed"),
        (restless, ["error"]),
        (nn.RReLU(), "passed"),
    ],
)
def test_global_state(thing, expected):
    threads, filters = torch.get_num_threads(), list(warnings.filters)
    assert outcome(thing, "G005", kind="activation", inputs="x float[N,C]") == expected
    assert (torch.get_num_threads(), list(warnings.filters)) == (threads, filters)


# G006


def slope_inside(prediction, target):
    """It differentiates in its forward, and refuses to where that is not possible."""
    x = prediction if prediction.requires_grad else prediction.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(squared(x, target), [x], create_graph=True)
    return (
        slope.square().sum() if torch.is_grad_enabled() and prediction.requires_grad else slope.detach().square().sum()
    )


def refuses_inference(x):
    if torch.is_inference_mode_enabled():
        raise RuntimeError("not in inference mode")
    return x * 2


def hit_rate(prediction, target):
    return ((prediction > 0) == (target > 0)).to(prediction.dtype).mean()


def other_without_gradient(x):
    return x * 2 if torch.is_grad_enabled() else x * 2.001


class Reverses(torch.autograd.Function):
    """PyTorch says of a view that its forward returns under no_grad that it requires a gradient; it has no graph."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -g


def cut_and_wanting(x):
    return (x * 2).detach().requires_grad_()


class WithAParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.slope


@pytest.mark.parametrize(
    ("thing", "settings", "expected"),
    [
        (slope_inside, PAIR, ["note"]),
        (refuses_inference, {}, ["note"]),
        (hit_rate, PAIR, ["warning"]),
        (other_without_gradient, {}, ["error"]),
        (WithAParameter, {}, "passed"),
        (Reverses, {"kind": "activation"}, "passed"),
        (cut_and_wanting, {"kind": "activation"}, ["warning"]),
        (nn.Identity(), {"kind": "activation"}, "passed"),
    ],
)
def test_grad_mode(thing, settings, expected):
    assert outcome(thing, "G006", **settings) == expected


# G007


class Loss(nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction, target):
        loss = (prediction - target).square()
        return loss if self.reduction == "none" else getattr(loss, self.reduction)()


class Strict(Loss):
    def __init__(self, reduction="mean"):
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"reduction: got {reduction!r}")
        super().__init__(reduction)

    def forward(self, prediction, target):
        loss = (prediction - target).square()
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


def function_that_refuses(prediction, target, reduction="mean"):
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction: got {reduction!r}")
    loss = (prediction - target).square()
    return loss.mean() if reduction == "mean" else loss.sum()


def function_that_does_not(prediction, target, reduction="mean"):
    loss = (prediction - target).square()
    return loss.mean() if reduction == "mean" else loss.sum()


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (Loss, ["note"]),  # only at the call, as in PyTorch
        (Strict, "passed"),
        (Strict(), "passed"),  # its constructor is asked, not its attribute
        (function_that_refuses, "passed"),
        (function_that_does_not, ["warning"]),
        (squared, "not applicable"),
        (nn.MSELoss(), ["note"]),
    ],
)
def test_late_validation(thing, expected):
    assert outcome(thing, "G007", **PAIR) == expected


def test_an_accepted_reduction_is_told_by_what_it_means():
    said = message(function_that_does_not, "G007", **PAIR)
    assert said == "reduction='bogus' is accepted in silence, and means 'sum'"


def test_a_parameter_outside_its_domain_is_a_note_where_pytorch_takes_it():
    assert outcome(nn.Softplus(), "G007", definition="softplus") == ["note"]


# G008


def by_its_name(x):
    return torch.nn.functional.softplus(x)


def by_its_kernel(x):
    return x.gelu() if hasattr(x, "gelu") else torch._C._nn.gelu(x)


def by_arithmetic(x):
    return torch.logaddexp(x, torch.zeros_like(x))


@pytest.mark.parametrize(
    ("thing", "settings", "expected"),
    [
        (by_its_name, {"like": "torch.nn.Softplus()"}, ["note"]),
        (by_its_name, {"like": "torch.nn.Softplus()", "from_scratch": True}, ["error"]),
        (by_its_kernel, {"like": "torch.nn.GELU()", "from_scratch": True}, ["error"]),
        (by_arithmetic, {"like": "torch.nn.Softplus()", "from_scratch": True}, "passed"),
        (nn.Softplus(), {"like": "torch.nn.Softplus()"}, "not applicable"),
    ],
)
def test_delegates(thing, settings, expected):
    assert outcome(thing, "G008", **settings) == expected
