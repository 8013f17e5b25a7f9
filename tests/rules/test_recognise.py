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


def outcomes(report):
    """What became of the rules that were selected."""
    return {result.code: result.outcome for result in report.results if result.reason != "not selected"}


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
    (ManyFocal, "loss", "focal_classes", "logits float[N, C]; target int64[N] in [0,C)", "gamma = 2.0"),
    (DiceLoss, "loss", "", "pred float[...] in [0,1]; mask float[...] in {0,1}", ""),
    (
        Triplet,
        "loss",
        "triplet_margin, squared distances",
        "anchor float[N, C]; positive float[N, C]; negative float[N, C]",
        "margin = 0.2",
    ),
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
    (nn.CTCLoss, "loss", "ctc", "log_probs float[4, N, C] in log-simplex; targets int64[N, 2] in [1,C)", ""),
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


# What its user says of it.


class Scaled(nn.Module):
    def __init__(self, factor, dim=None):
        super().__init__()
        self.factor, self.dim = factor, dim

    def forward(self, x):
        return x.softmax(self.dim)


@pytest.mark.parametrize(
    ("like", "definition", "shown", "parameters"),
    [
        ("torch.nn.Softmax(dim=-1)", "softmax", "torch.nn.Softmax(dim=-1)", ""),
        ("torch.nn.Softmax(0)", "softmax", "torch.nn.Softmax(dim=0)", ""),
        (nn.Softmax(dim=0), "softmax", "torch.nn.Softmax(dim=0)", ""),
        ("torch.nn.LeakyReLU(0.2)", "leaky_relu", "torch.nn.LeakyReLU(negative_slope=0.2)", "negative_slope = 0.2"),
        (nn.LeakyReLU(0.2), "leaky_relu", "torch.nn.LeakyReLU(negative_slope=0.2)", "negative_slope = 0.2"),
        (nn.LeakyReLU, "leaky_relu", "torch.nn.LeakyReLU", ""),
        ("torch.nn.GELU(approximate='tanh')", "gelu_tanh", "torch.nn.GELU(approximate='tanh')", ""),
        ("torch.nn.GELU", "gelu", "torch.nn.GELU", ""),
        ("torch.nn.functional.silu", "silu", "torch.nn.functional.silu", ""),
        (torch.tanh, "tanh", "torch.tanh", ""),
        ("torchstone.activations.Tanh", "tanh", "torchstone.activations.Tanh", ""),
    ],
)
def test_a_counterpart_brings_its_definition(like, definition, shown, parameters):
    report = seen(named("thing")(lambda x: x), like=like)
    assert (report.definition, report.like, report.kind) == (definition, shown, "activation")
    assert any(parameters in fact for fact in report.facts)


def test_the_arguments_of_a_counterpart_go_to_the_subject():
    report = check(leaky_relu, like="torch.nn.LeakyReLU(0.3)", select=["A101", "A102"])
    assert outcomes(report.subjects[0])["A101"] == "passed"
    assert "parameters: negative_slope = 0.3" in report.subjects[0].facts


def test_a_list_stands_for_a_tensor():
    class Weighted(nn.Module):
        def __init__(self, weight=None):
            super().__init__()
            self.register_buffer("weight", weight)

        def forward(self, x, target):
            return F.cross_entropy(x, target, self.weight)

    report = check(Weighted, like="torch.nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5])", select=["L101", "L102"])
    assert set(outcomes(report.subjects[0]).values()) == {"passed"}
    assert report.subjects[0].like == "torch.nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5])"


def test_a_target_that_comes_first_meets_its_counterpart_in_the_right_order():
    def kl(target, log_q):
        return F.kl_div(log_q, target, reduction="batchmean")

    report = check(kl, like="torch.nn.KLDivLoss(reduction='batchmean')", select=["L102"])
    assert outcomes(report.subjects[0])["L102"] == "passed"


def test_a_counterpart_of_ones_own():
    def theirs(x):
        return x.sin()

    def ours(z):
        return z.sin()

    report = check(ours, like=theirs, select=["A102", "A101"]).subjects[0]
    assert report.knowledge == "counterpart"
    found = outcomes(report)
    assert (found["A101"], found["A102"]) == ("not applicable", "passed")


@pytest.mark.parametrize(
    ("formula", "thing", "parameters", "inputs"),
    [
        ("x*sigmoid(beta*x)", Swish(2.0), "beta = 2.0", "x float[...]"),
        ("abs(x - t)", lambda x, t: (x - t).abs(), "", "x float[...]; t float[...]"),
        ("(y_pred - y_true)**2", mse, "", "y_true float[...]; y_pred float[...]"),
        ("Max(0, x)", lambda z: z.relu(), "", "z float[...]"),
        ("x*Phi(x)", lambda v: F.gelu(1.0 * v), "", "v float[...]"),
        ("k*x if x < 0 else x", lambda x, k=0.25: torch.where(x < 0, k * x, x), "k = 0.25", "x float[...]"),
    ],
)
def test_a_formula_is_a_definition_on_the_spot(formula, thing, parameters, inputs):
    report = check(thing, formula=formula, select=["L101", "A101", "D101"]).subjects[0]
    assert report.definition == formula
    assert any(f"called with {inputs}" in fact for fact in report.facts)
    assert any(parameters in fact for fact in report.facts)
    assert set(outcomes(report).values()) <= {"passed", "not applicable"}, report.findings
    assert "passed" in outcomes(report).values()


def test_a_wrong_implementation_of_a_formula_is_found():
    assert not check(lambda x: x * torch.sigmoid(2 * x), formula="x*sigmoid(x)", select=["A101"]).ok


def test_what_is_given_goes_before_what_is_guessed():
    report = seen(lambda x: x.exp(), definition="softplus", kind="activation")
    assert report.definition == "softplus"
    assert seen(named("relu")(lambda x: x.relu()), definition="none").knowledge == "nothing"
    report = seen(named("relu")(lambda x, y: (x - y).relu()), inputs="x float[N]; y float[N]")
    assert (report.kind, report.definition) == ("loss", "")
    report = seen(CELoss, inputs="scores float[N,C,d]; classes int64[N,d] in [0,C)")
    assert runs(report)
    assert "called with scores float[N, C, d]; classes int64[N, d] in [0,C)" in report.facts


def test_arguments_that_are_required_are_given_or_asked_for():
    report = seen(Scaled)
    assert "it requires factor: give it with kwargs" in report.facts
    assert report.errors
    assert runs(seen(Scaled, kwargs={"factor": 1.0, "dim": -1}))


class Empty(nn.Module):
    def forward(self, x): ...


class Passing(nn.Module):
    def forward(self, x):
        """The docstring stays."""
        result = None
        return result  # noqa: RET504


class Raising(nn.Module):
    def forward(self, x):
        raise NotImplementedError("task 3")


class Forgotten(nn.Module):
    def forward(self, x):
        x.relu()


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (Empty, "forward computes nothing, and returns None"),
        (Passing, "forward computes nothing, and returns None"),
        (Raising, "it raises NotImplementedError: task 3"),
        (nn.Module, "it raises NotImplementedError"),
    ],
)
def test_a_stub_is_not_implemented_and_not_wrong(thing, sentence):
    report = check(thing).subjects[0]
    assert report.not_implemented.startswith(sentence)
    assert not report.findings
    assert report.verdict == "fail"


def test_what_forgets_to_return_is_wrong():
    report = check(Forgotten).subjects[0]
    assert not report.not_implemented
    assert [finding.rule for finding in report.errors] == ["G001"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"thing": 3}, TypeError, "thing: expected a class, an instance or a function, got 3"),
        ({"definition": "sigmoyd"}, ValueError, "definition: expected a definition's name, got 'sigmoyd'"),
        ({"definition": "adam"}, ValueError, "definition: expected that of a loss or an activation, got adam"),
        ({"definition": 3}, TypeError, "definition: expected a name, a Function or an UpdateRule, got int"),
        ({"like": "torch.nn.Softmaxx"}, ValueError, "like: expected the name of a class or function, got"),
        ({"like": "torch.nn.Softmax(dim=x)"}, ValueError, "its arguments are no literals"),
        ({"like": "nothing.at.all"}, ValueError, "like: expected the name of a class or function, got"),
        ({"like": "1 + 1"}, ValueError, "like: expected a dotted name with literal arguments"),
        ({"like": "torch.nn.Threshold"}, ValueError, "like: expected what can be built"),
        ({"like": "torch.nn.ReLU(1, 2, 3)"}, ValueError, "like: expected at most 1 arguments"),
        ({"like": 3}, TypeError, "like: expected a dotted name, a class, an instance or a function, got 3"),
        ({"like": "torch.optim.Adam"}, ValueError, "like: expected a loss or an activation, got torch.optim.Adam"),
        ({"kind": "layer"}, ValueError, "kind: expected loss, activation or optimizer, got 'layer'"),
        ({"tier": "quick"}, ValueError, "tier: expected one of fast, full, slow, got 'quick'"),
        ({"select": ["Q9"]}, ValueError, "select: expected a rule's code or name, got 'Q9'"),
        ({"select": "D101"}, TypeError, "select: expected a list of codes or names, got the text 'D101'"),
        ({"ignore": ["Q9"]}, ValueError, "ignore: expected a rule's code or name, got 'Q9'"),
        ({"expect": {"D101": ""}}, ValueError, "reason"),
        ({"expect": {"Q9": "because"}}, ValueError, "Q9"),
        ({"inputs": "x flot[3]"}, ValueError, "inputs: expected a dtype"),
        ({"inputs": 3}, TypeError, "inputs: expected text"),
        ({"kwargs": [1]}, TypeError, "kwargs: expected a mapping"),
        ({"formula": "x*beta"}, ValueError, "formula: expected symbols that are inputs, attributes or arguments of"),
        ({"formula": "y*2"}, ValueError, "formula: expected one with the input x"),
        ({"formula": "x*"}, ValueError, "formula: expected an expression"),
        ({"formula": "x", "definition": "relu"}, ValueError, "formula: expected it without a definition, got both"),
    ],
)
def test_wrong_usage_says_what_was_expected(arguments, error, message):
    arguments = {"thing": lambda x: x.relu(), "select": ["G001"], **arguments}
    with pytest.raises(error) as raised:
        check(**arguments)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("raised", [KeyError("boo"), SystemExit(3), RecursionError("deep")])
def test_what_the_subject_raises_is_no_exception_of_ours(raised):
    class Bad(nn.Module):
        def __init__(self):
            raise raised

        def forward(self, x):
            return x

    class Worse(nn.Module):
        def forward(self, x):
            raise raised

    for thing in (Bad, Worse):
        report = check(thing).subjects[0]
        assert not report.faults
        assert [finding.rule for finding in report.errors] == ["G001"]


@pytest.mark.parametrize(
    ("thing", "definition"),
    [
        (torch.nn.KLDivLoss(reduction="batchmean", log_target=True), "kl_div_log_target"),
        (torch.nn.KLDivLoss(reduction="batchmean"), "kl_div"),
        (torch.nn.PoissonNLLLoss(log_input=False), "poisson_nll_rate"),
        (torch.nn.GELU(approximate="tanh"), "gelu_tanh"),
        (torch.nn.PReLU(3), "prelu"),
    ],
    ids=repr,
)
def test_a_switch_says_which_definition_is_meant(thing, definition):
    (report,) = check(thing, select=["G001"]).subjects
    assert (report.definition, report.verdict) == (definition, "pass")


def test_numbers_in_the_only_shape_that_is_taken():
    def l2_loss(y_pred, y_true):
        (count,) = y_pred.shape
        return ((y_pred - y_true) ** 2).sum() / count

    (report,) = check(l2_loss).subjects
    assert (report.definition, report.verdict) == ("mse", "pass")


def test_a_formula_of_two_predictions():
    def nll(mu, log_var, target):
        return (0.5 * (log_var + (target - mu) ** 2 * torch.exp(-log_var))).mean()

    (report,) = check(nll, formula="(log_var + (mu - target)**2*exp(-log_var))/2", select=["L101", "D101"]).subjects
    assert report.verdict == "pass"
    assert outcomes(report)["L101"] == outcomes(report)["D101"] == "passed"


def test_a_counterpart_says_how_to_reduce():
    def over_elements(log_q, target):
        return F.kl_div(log_q, target, reduction="none").mean()

    def over_rows(log_q, target):
        return F.kl_div(log_q, target, reduction="batchmean")

    like = "torch.nn.KLDivLoss(reduction='batchmean')"
    assert not check(over_elements, like=like, select=["L101"]).ok
    assert not check(over_rows, like=like, select=["L101"]).findings


def test_a_name_is_not_claimed_where_the_inputs_have_other_shapes():
    @named("QuantileLoss")
    class Several(nn.Module):
        def forward(self, preds, target):
            off = target[:, None] - preds
            return torch.maximum(0.9 * off, -0.1 * off).sum(1).mean()

    (report,) = check(Several, inputs="preds float[N,3]; target float[N]").subjects
    assert (report.definition, report.verdict) == ("", "pass")


def test_z_is_a_logit():
    def on_logits(z, t):
        return (F.softplus(z) - t * z).mean()

    assert check(on_logits, formula="log(1 + exp(z)) - t*z", select=["L101"]).ok
