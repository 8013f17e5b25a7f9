"""What a subject is, from what is told of it and from its names."""

import functools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchstone.check.api import check
from torchstone.check.recognise.names import definition_of


def seen(thing, **settings):
    """The report on a subject that is only understood and run once."""
    return check(thing, select=["G001"], **settings).subjects[0]


def runs(report):
    return not report.errors and not report.faults and not report.not_implemented


LOSSES = {
    "CELoss": "cross_entropy",
    "MyCrossEntropyLoss": "cross_entropy",
    "softmax_cross_entropy": "cross_entropy",
    "cross_entropy_from_logits": "cross_entropy",
    "celoss": "cross_entropy",
    "XentLoss": "cross_entropy",
    "L2Loss": "mse",
    "mse_loss_fn": "mse",
    "loss_mse": "mse",
    "naive_mse_v2": "mse",
    "L1Loss": "l1",
    "MAE": "l1",
    "BCELossFunc": "bce",
    "stable_bce": "bce",
    "MyBCEWithLogitsLoss": "bce_with_logits",
    "KLDivLoss": "kl_div",
    "huber": "huber",
    "NLL": "nll",
    "LogisticLoss": "soft_margin",
    "logistic": "soft_margin",
    # Other words change the meaning, and nothing is claimed.
    "FocalCrossEntropy": None,
    "TverskyLoss": None,
    "DiceLoss": None,
    "WeightedMSE": None,
    "RMSELoss": None,
    "SoftBCE": None,
    "log_mse": None,
    "SmoothMSE": None,
    "mean_loss": None,
    "Loss": None,
}
ACTIVATIONS = {
    "MySigmoid": "sigmoid",
    "mysigmoid": "sigmoid",
    "logistic": "sigmoid",
    "stable_sigmoid": "sigmoid",
    "sigmoid_v2": "sigmoid",
    "custom_softmax": "softmax",
    "swish_activation": "silu",
    "ReLUFunction": "relu",
    "ReluInplace": "relu",
    "my_relu_impl": "relu",
    "LogSoftmaxLayer": "log_softmax",
    "GeluActivation": "gelu",
    "FastGELU": "gelu_tanh",
    "relu6": "relu6",
    "ReLU2": "squared_relu",
    "LReLU": "leaky_relu",
    "FocalReLU": None,
    "GatedTanhThing": None,
    "BoundedReLU": None,
    "ReLU1": None,
    "SoftmaxWithTemperature": None,
    "LeakySigmoid": None,
    "SwiGLU": None,
    "ScaledTanh": None,
    "Activation": None,
}


@pytest.mark.parametrize(("name", "expected"), LOSSES.items())
def test_names_of_losses(name, expected):
    found = definition_of(name, 2)
    assert (found and found.name) == expected


@pytest.mark.parametrize(("name", "expected"), ACTIVATIONS.items())
def test_names_of_activations(name, expected):
    found = definition_of(name, 1)
    assert (found and found.name) == expected


# Subjects as people write them.


def named(name):
    """Another name than the module's own: several subjects bear the same."""

    def rename(thing):
        thing.__name__ = name
        return thing

    return rename


class CELoss(nn.Module):
    def forward(self, y_pred, y_true):
        return F.cross_entropy(y_pred, y_true)


@named("CrossEntropy")
class OneHotCrossEntropy(nn.Module):
    def forward(self, logits, target):
        if target.shape != logits.shape:
            raise ValueError("target: expected probabilities")
        return -(target * logits.log_softmax(1)).sum(1).mean()


class LabelSmoothingCrossEntropy(nn.Module):
    def __init__(self, smoothing=0.1):
        super().__init__()
        self.smoothing = smoothing

    def forward(self, x, target):
        logs = x.log_softmax(-1)
        own = -logs.gather(1, target[:, None])[:, 0]
        return ((1 - self.smoothing) * own - self.smoothing * logs.mean(-1)).mean()


class Swish(nn.Module):
    def __init__(self, beta=1.5):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor([beta]))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class Leaky(nn.Module):
    def __init__(self, leak_amount=0.3):
        super().__init__()
        self.leak_amount = leak_amount

    def forward(self, x):
        return torch.where(x > 0, x, self.leak_amount * x)


class GELU(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@named("FocalLoss")
class BinaryFocal(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, target):
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        missed = 1 - torch.exp(-loss)
        balance = self.alpha * target + (1 - self.alpha) * (1 - target)
        return (balance * missed**self.gamma * loss).mean()


@named("FocalLoss")
class ManyFocal(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        own = logits.log_softmax(1).gather(1, target[:, None])[:, 0]
        return (-((1 - own.exp()) ** self.gamma) * own).mean()


class DiceLoss(nn.Module):
    def forward(self, pred, mask):
        both = (pred * mask).sum()
        return 1 - (2 * both + 1) / (pred.sum() + mask.sum() + 1)


@named("TripletLoss")
class Triplet(nn.Module):
    def __init__(self, margin=0.2):
        super().__init__()
        self.margin = margin

    def forward(self, anchor, positive, negative):
        near, far = (anchor - positive).pow(2).sum(1), (anchor - negative).pow(2).sum(1)
        return F.relu(near - far + self.margin).mean()


class ContrastiveLoss(nn.Module):
    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2)
        return (label * distance**2 + (1 - label) * F.relu(1 - distance) ** 2).mean()


@named("MyBCELoss")
class HardLabels(nn.Module):
    def forward(self, prob, label):
        return -torch.where(label == 1, prob, 1 - prob).log().mean()


@named("Custom")
class SmoothReLU(nn.Module):
    def forward(self, x):
        """Softplus activation."""
        return F.softplus(x)


class ReLUFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, inplace):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        return g * (ctx.saved_tensors[0] > 0), None


class ELUFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha, dim=-1):
        y = torch.where(x > 0, x, alpha * torch.expm1(x))
        ctx.save_for_backward(x, y)
        ctx.alpha = alpha
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return torch.where(x > 0, g, g * (y + ctx.alpha)), None, None


def mse(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean()


def leaky_relu(x, negative_slope):
    return torch.where(x > 0, x, negative_slope * x)


def softmax(x, dim):
    return F.softmax(x, dim)


def huber_loss(pred, delta, target):
    return F.huber_loss(pred, target, delta=delta)


def keyword_loss(*, logits, labels):
    return F.cross_entropy(logits, labels)


def masked_l1_loss(pred, target, mask=None):
    return (pred - target).abs().mean()


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, target)


def kl_divergence(p, q):
    return (p * (p.log() - q.log())).sum(-1).mean()


# The subject; its kind, definition, and what it is called with; parameters as a sentence of the facts.
SUBJECTS = [
    (CELoss, "loss", "cross_entropy", "y_pred float[N, C]; y_true int64[N] in [0,C)", ""),
    (
        OneHotCrossEntropy,
        "loss",
        "cross_entropy_probabilities",
        "logits float[N, C]; target float[N, C] in simplex",
        "",
    ),
    (
        LabelSmoothingCrossEntropy,
        "loss",
        "cross_entropy",
        "x float[N, C]; target int64[N] in [0,C)",
        "label_smoothing = 0.1",
    ),
    (Swish, "activation", "swish_beta", "x float[...]", "beta = 1.5"),
    (named("swish")(lambda x: x * torch.sigmoid(x)), "activation", "silu", "x float[...]", ""),
    (Leaky, "activation", "leaky_relu", "x float[...]", "negative_slope = 0.3"),
    (GELU, "activation", "gelu_tanh", "x float[...]", ""),
    (nn.GELU, "activation", "gelu", "input float[...]", ""),
    (
        BinaryFocal,
        "loss",
        "focal",
        "logits float[...]; target float[...] in {0,1}",
        "alpha = 0.25, gamma = 2.0",
    ),
    (ManyFocal, "loss", "", "logits float[N, C]; target int64[N] in [0,C)", ""),
    (DiceLoss, "loss", "", "pred float[...] in [0,1]; mask float[...] in {0,1}", ""),
    (Triplet, "loss", "", "anchor float[N, d]; positive float[N, d]; negative float[N, d]", ""),
    (ContrastiveLoss, "loss", "", "output1 float[N, d]; output2 float[N, d]; label float[N] in {0,1}", ""),
    (HardLabels, "loss", "bce", "prob float[...] in [0,1]; label float[...] in {0,1}", ""),
    (SmoothReLU, "activation", "softplus", "x float[...]", ""),
    (ReLUFunction, "activation", "relu", "x float[...]", ""),
    (ReLUFunction.apply, "activation", "relu", "x float[...]", ""),
    (ELUFunction, "activation", "elu", "x float[...]", "alpha = 1.0"),
    (mse, "loss", "mse", "y_true float[...]; y_pred float[...]", ""),
    (leaky_relu, "activation", "leaky_relu", "x float[...]", "negative_slope = 0.01"),
    (softmax, "activation", "softmax", "x float[N, C]", ""),
    (huber_loss, "loss", "huber", "pred float[...]; target float[...]", "delta = 1.0"),
    (keyword_loss, "loss", "", "logits float[N, C]; labels int64[N] in [0,C)", ""),
    (masked_l1_loss, "loss", "", "pred float[...]; target float[...]", ""),
    (bce, "loss", "bce_with_logits", "logits float[...]; target float[...] in [0,1]", ""),
    (kl_divergence, "loss", "", "p float[N, C] in simplex; q float[N, C] in simplex", ""),
    (torch.relu, "activation", "relu", "x float[...]", ""),
    (F.gelu, "activation", "gelu", "x float[...]", ""),
    (torch.nn.functional.mse_loss, "loss", "mse", "input float[...]; target float[...]", ""),
    (lambda: nn.LeakyReLU(0.2), "activation", "leaky_relu", "input float[...]", "negative_slope = 0.2"),
    (functools.partial(nn.MSELoss, reduction="sum"), "loss", "mse", "input float[...]; target float[...]", ""),
    (functools.partial(F.leaky_relu, negative_slope=0.2), "activation", "leaky_relu", "input float[...]", "0.2"),
    (nn.Softmax(dim=0), "activation", "softmax", "input float[C, N]", ""),
    (nn.Softmax(dim=2), "activation", "softmax", "input float[N, 2, C]", ""),
    (
        nn.CrossEntropyLoss(torch.tensor([1.0, 2.0])),
        "loss",
        "cross_entropy",
        "input float[N, 2]",
        "weight = [1.0, 2.0]",
    ),
    (nn.RReLU, "activation", "rrelu", "input float[...]", ""),
    (nn.Threshold, "activation", "threshold", "input float[...]", "threshold = 0.5, value = -2.0"),
    (nn.CTCLoss, "loss", "", "log_probs float[6, N, C] in log-simplex; targets int64[N, 2] in [1,C)", ""),
]


@pytest.mark.parametrize(
    ("thing", "kind", "definition", "inputs", "parameters"),
    SUBJECTS,
    ids=[f"{place}-{getattr(each[0], '__name__', type(each[0]).__name__)}" for place, each in enumerate(SUBJECTS)],
)
def test_subjects_as_people_write_them(thing, kind, definition, inputs, parameters):
    report = seen(thing)
    assert (report.kind, report.definition) == (kind, definition)
    called = next(fact for fact in report.facts if fact.startswith("called with"))
    assert called.startswith(f"called with {inputs}")
    assert any(parameters in fact for fact in report.facts)
    assert runs(report), report.findings
