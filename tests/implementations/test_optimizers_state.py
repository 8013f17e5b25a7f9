"""What the optimizers remember, and where they compute: precision, copies, state dicts, autograd, graphs, devices."""

import copy
import io
import pickle

import pytest
import torch
from optimizer_tools import KINDS, draw, give, parameters, same, train, twins
from torch import nn

from torchstone.optimizers import SGD, Adam, AdamW, Momentum

# Half precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_half_parameters_are_rounded_once_a_step(cls, options, dtype):
    (half,) = parameters((64,), dtype=dtype)
    wide = nn.Parameter(half.detach().float())
    ours, reference = cls([half], lr=0.01, **options), cls([wide], lr=0.01, **options)
    for (g,) in draw([half], 5):
        half.grad, wide.grad = g, g.float()
        ours.step()
        reference.step()
        with torch.no_grad():
            wide.copy_(wide.to(dtype))
        assert torch.equal(half.float(), wide)
    for name, value in ours.state.get(half, {}).items():
        assert value.dtype == torch.float32
        assert torch.equal(value, reference.state[wide][name])


def test_float16_adam_survives_small_gradients():
    p = nn.Parameter(torch.ones(2, dtype=torch.float16))
    p.grad = torch.tensor([1e-3, 1e-5], dtype=torch.float16)
    Adam([p], lr=1e-3).step()
    torch.testing.assert_close(p.detach().float(), torch.full((2,), 0.999), rtol=0, atol=5e-4)
    q = nn.Parameter(torch.ones(2, dtype=torch.float16))
    q.grad = p.grad
    torch.optim.Adam([q], lr=1e-3, fused=False).step()
    assert q.isinf().all()  # what the docstring says of PyTorch's


def test_bfloat16_adam_forgets_old_gradients():
    p = nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    optimizer = Adam([p])
    for t in range(2000):
        p.grad = torch.tensor([1.0 if t < 1000 else 0.01], dtype=torch.bfloat16)
        optimizer.step()
    faded = 0.999**1000
    assert optimizer.state[p]["exp_avg_sq"].item() == pytest.approx((1 - faded) * (faded + 1e-4), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_loading_keeps_float32_state_and_widens_half_state(dtype):
    (p,) = parameters((5,), dtype=dtype)
    ours, theirs = Adam([p]), torch.optim.Adam(twins([p]))
    train(ours, [p], draw([p], 3))
    train(theirs, theirs.param_groups[0]["params"], draw([p], 3))
    again = Adam(twins([p]))
    again.load_state_dict(ours.state_dict())
    for mine, loaded in zip(ours.state[p].values(), again.state_dict()["state"][0].values(), strict=True):
        assert torch.equal(mine, loaded)
        assert loaded.dtype == torch.float32
    again.load_state_dict(theirs.state_dict())
    for given, loaded in zip(*(o.state_dict()["state"][0].values() for o in (theirs, again)), strict=True):
        assert torch.equal(given.float(), loaded)
        assert loaded.dtype == torch.float32


def test_a_gradient_wider_than_its_parameter():
    (p,) = parameters((4,), dtype=torch.bfloat16)
    wide = nn.Parameter(p.detach().float())
    p.grad_dtype = torch.float32
    p.grad = wide.grad = torch.randn(4)
    SGD([p], lr=0.1).step()
    SGD([wide], lr=0.1).step()
    assert torch.equal(p, wide.bfloat16())


# Copies and state dicts


def through_torch(state_dict):
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_resuming_is_exact(cls, options):
    params = parameters()
    steps = draw(params, 8)
    optimizer = cls(params, lr=0.1, **options)
    train(optimizer, params, steps[:4])
    saved, others = through_torch(optimizer.state_dict()), twins(params)
    again = cls(others, lr=0.7)  # every option comes with the state dict
    again.load_state_dict(saved)
    train(optimizer, params, steps[4:])
    train(again, others, steps[4:])
    assert same(params, others)


@pytest.mark.parametrize(("cls", "options"), KINDS)
@pytest.mark.parametrize("via", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_continue_alone(cls, options, via):
    params = parameters()
    steps = draw(params, 6)
    optimizer = cls(params, lr=0.1, **options)
    train(optimizer, params, steps[:3])
    twin = via(optimizer)
    others = twin.param_groups[0]["params"]
    train(optimizer, params, steps[3:])
    assert not same(params, others)
    train(twin, others, steps[3:])
    assert same(params, others)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_loading_copies(cls, options):
    (p,) = parameters((3,))
    source = cls([p], lr=torch.tensor(0.1), **options)
    train(source, [p], draw([p], 2))
    saved = source.state_dict()
    kept = copy.deepcopy(saved)
    (q,) = twins([p])
    target = cls([q])
    target.load_state_dict(saved)
    target.param_groups[0]["lr"].fill_(1.0)
    train(target, [q], draw([q], 2))
    torch.testing.assert_close(saved["state"], kept["state"], rtol=0, atol=0)
    assert saved["param_groups"] == kept["param_groups"]


def test_state_dict_hooks():
    (p,) = parameters((2,))
    optimizer = Momentum([p])
    train(optimizer, [p], draw([p], 1))
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append(type(d["state"][0]["momentum_buffer"])))
    optimizer.register_load_state_dict_pre_hook(lambda o, d: {**d, "state": {0: {"momentum_buffer": torch.ones(2)}}})
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.state[p]["momentum_buffer"].tolist()))
    saved = optimizer.state_dict()
    assert saved["extra"] == 1
    optimizer.load_state_dict(saved)
    assert seen == ["save", torch.Tensor, [1.0, 1.0]]


def test_state_that_belongs_to_no_parameter_is_kept():
    optimizer = SGD(parameters((2,)))
    saved = optimizer.state_dict()
    optimizer.load_state_dict({**saved, "state": {"note": {"x": torch.ones(1)}}})
    assert torch.equal(optimizer.state["note"]["x"], torch.ones(1))


# Differentiable steps, captured steps, compiled steps


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (SGD, {}),
        (SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
        (Adam, {"weight_decay": 0.1}),
        (Adam, {"amsgrad": True}),
        (AdamW, {}),
    ],
)
def test_differentiable_steps(cls, options):
    def after(p, g1, g2, lr):
        q = p.clone()
        q.retain_grad()
        optimizer = cls([q], lr=lr, differentiable=True, **options)
        for g in (g1, g2, g1 * g2):
            q.grad = g
            optimizer.step()
        return q

    p, g1, g2 = (torch.randn(3).double().requires_grad_() for _ in range(3))
    lr = torch.tensor(0.1).double().requires_grad_()
    assert torch.autograd.gradcheck(after, (p, g1, g2, lr))
    plain = nn.Parameter(p.detach().clone())
    train(cls([plain], lr=0.1, **options), [plain], [[g1.detach()], [g2.detach()], [(g1 * g2).detach()]])
    lr = lr.detach().fill_(0.1)
    torch.testing.assert_close(after(p, g1, g2, lr).detach(), plain.detach(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("cls", [Adam, AdamW])
def test_capturable_computes_the_same(cls):
    params = parameters()
    others, steps = twins(params), draw(params, 5)
    train(cls(params, capturable=True, amsgrad=True), params, steps)
    train(cls(others, amsgrad=True), others, steps)
    torch.testing.assert_close(params, others, rtol=1e-14, atol=1e-14)


COMPILED = [
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    (AdamW, {"lr": torch.tensor([0.1])}),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler has its own
@pytest.mark.parametrize(("cls", "options"), COMPILED)
def test_compiled_steps(cls, options):
    # Not 0-d float64: PyTorch 2.13 loses what a compiled function writes into such a tensor on the CPU.
    params = [*parameters((3,), (1,)), *parameters((), dtype=torch.float32), *parameters((4,), dtype=torch.bfloat16)]
    others, steps = twins(params), draw(params, 5)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    optimizer = cls(params, **copy.deepcopy(options))
    plain = cls(others, **copy.deepcopy(options))
    step = torch.compile(optimizer.step, backend="aot_eager", fullgraph=True)
    for t, gradients in enumerate(steps, start=1):
        give(params, gradients)
        give(others, gradients)
        if isinstance(options["lr"], torch.Tensor):
            for o in (optimizer, plain):
                o.param_groups[0]["lr"].fill_(0.1 / t)
        step()
        plain.step()
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=4 * torch.finfo(p.dtype).eps, atol=torch.finfo(p.dtype).eps)
    # One graph for the first step, which makes the state, and one for all others.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_steps_under_a_schedule():
    params = parameters((3,))
    others, steps = twins(params), draw(params, 5)
    torch.compiler.reset()
    optimizer, plain = AdamW(params), AdamW(others)
    step = torch.compile(optimizer.step, backend="aot_eager", fullgraph=True)
    for t, gradients in enumerate(steps, start=1):
        for o in (optimizer, plain):
            o.param_groups[0].update(lr=0.1 / t, betas=(0.9 - 0.01 * t, 0.99))
        give(params, gradients)
        give(others, gradients)
        step()
        plain.step()
    torch.testing.assert_close(params, others, rtol=1e-15, atol=1e-15)


# On a GPU, where there is one

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@on_gpu
@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_devices_side_by_side(cls, options):
    near, far = parameters((3,), (3,), dtype=torch.float64)
    others = twins([near, far])
    far = nn.Parameter(far.detach().cuda())
    steps = draw(others, 5)
    optimizer = cls([near, far], lr=torch.tensor(0.1), **options)
    train(optimizer, [near, far], [[g, h.cuda()] for g, h in steps])
    train(cls(others, lr=torch.tensor(0.1), **options), others, steps)
    torch.testing.assert_close([near, far.cpu()], others, rtol=1e-14, atol=1e-14)
    assert all(v.is_cuda == (name != "step") for name, v in optimizer.state.get(far, {}).items())


@on_gpu
@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_state_dicts_of_a_fused_optimizer(capturable, fused):
    params = [nn.Parameter(torch.randn(5, device="cuda"))]
    steps = draw(params, 6)
    theirs = torch.optim.AdamW(params, lr=0.1, fused=fused, capturable=capturable)
    train(theirs, params, steps[:2])
    others = twins(params)
    ours = AdamW(others)
    ours.load_state_dict(theirs.state_dict())
    assert ours.state[others[0]]["step"].is_cuda == capturable
    train(ours, others, steps[2:4])
    train(theirs, params, steps[2:4])
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    train(ours, others, steps[4:])
    train(theirs, params, steps[4:])
    torch.testing.assert_close(params, others, rtol=1e-5, atol=1e-6)


@on_gpu
@pytest.mark.parametrize(("cls", "options"), [(SGD, {"momentum": 0.9}), (Adam, {"capturable": True, "amsgrad": True})])
def test_a_captured_step_replays(cls, options):
    (p,) = (nn.Parameter(torch.randn(5, device="cuda", dtype=torch.float64)),)
    (q,) = twins([p])
    rate = torch.tensor(0.1, device="cuda") if cls is Adam else 0.1
    optimizer, plain = cls([p], lr=rate, **options), cls([q], lr=0.1, **options)
    steps = draw([p], 6)
    train(optimizer, [p], steps[:2])  # the state exists before the capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for (g,) in steps[2:]:
        p.grad.copy_(g)
        graph.replay()
    plain.param_groups[0]["lr"] = float(rate)
    train(plain, [q], steps)
    torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


@on_gpu
def test_a_capture_without_capturable_is_refused():
    (p,) = (nn.Parameter(torch.randn(5, device="cuda")),)
    optimizer = Adam([p])
    train(optimizer, [p], draw([p], 2))
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        p.grad.add_(1)  # an empty graph would warn
        with pytest.raises(RuntimeError, match="capturable: expected True"):
            optimizer.step()
    assert optimizer.state[p]["step"] == 2


@on_gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # PyTorch's compiler has its own
def test_compiled_steps_on_a_gpu():
    params = [nn.Parameter(torch.randn(5, device="cuda", dtype=torch.float64))]
    others, steps = twins(params), draw(params, 4)
    optimizer, plain = AdamW(params, amsgrad=True), AdamW(others, amsgrad=True)
    optimizer.step = torch.compile(optimizer.step, fullgraph=True)
    train(optimizer, params, steps)
    train(plain, others, steps)
    torch.testing.assert_close(params, others, rtol=1e-13, atol=1e-13)
