"""What rules on transforms ask of a subject: vmap, func.grad and its kin, torch.compile, shapes without numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev, vmap

from torchstone.check.actions import action
from torchstone.check.actions.call import prepared, result_of
from torchstone.check.actions.general import backwards, others, owner
from torchstone.check.actions.state import held_tensors
from torchstone.check.actions.surroundings import SCRIPTED
from torchstone.check.held import Held, SubjectError, seeded, subject_code, take_dtype
from torchstone.check.probe import Answer

Positional = Callable[..., Tensor]


def positional(held: Held, options: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> Positional:
    """A fresh instance of the subject as a function of its tensors alone, in the order of these inputs."""
    built, names = ready(held, options, inputs), list(inputs)

    def function(*given: Tensor) -> Tensor:
        return result_of(held, built, dict(zip(names, given, strict=True)))

    return function


def summed(function: Positional) -> Positional:
    """One number of a result, in which each element counts differently, and not linearly: nothing drops out."""

    def number(*given: Tensor) -> Tensor:
        value = function(*given)
        weights = torch.linspace(0.5, 1.5, max(value.numel(), 1), dtype=value.dtype)[: value.numel()]
        return (value * (1 + value / 8) * weights.reshape(value.shape)).sum()

    return number


class Tried:
    """Attempts, each of which may be refused."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.raised: dict[str, str] = {}

    def attempt(self, name: str, act: Callable[[], Tensor]) -> None:
        """Keep what comes of an attempt, or what it raised."""
        try:
            with seeded(0), subject_code(name):
                self.tensors[name] = act().detach().clone()
        except SubjectError as error:
            self.raised[name] = str(error)

    def answer(self, **facts: Any) -> Answer:
        """Everything."""
        return Answer({"raised": self.raised, **facts}, self.tensors)


@action
def mapped(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """`vmap` over samples, against a loop. Tensors "0.NAME", "1.NAME", ... are the samples' inputs.

    Tensors: "loop", "vmap", "vmap of the first input alone", "loop of the first input alone", "loop of gradients",
    "vmap of gradients"; the fact "raised" has those that were refused.
    """
    count = 1 + max(int(name.partition(".")[0]) for name in tensors)
    samples = [prepared(held, {}, others(tensors, f"{place}.")) for place in range(count)]
    names = list(samples[0])

    def fresh() -> Positional:
        return positional(held, options, samples[0])

    rows = [[sample[name] for name in names] for sample in samples]
    columns = [torch.stack(column) for column in zip(*rows, strict=True)]
    first = names.index(options["wrt"][0])
    dims = tuple(0 if place == first else None for place in range(len(names)))
    alone = [columns[place] if place == first else each for place, each in enumerate(rows[0])]
    tried = Tried()
    tried.attempt("loop", lambda: torch.stack([fresh()(*row) for row in rows]))
    tried.attempt("vmap", lambda: vmap(fresh())(*columns))
    tried.attempt(
        "loop over the first input alone",
        lambda: torch.stack([fresh()(*_replaced(rows[0], first, row[first])) for row in rows]),
    )
    tried.attempt("vmap over the first input alone", lambda: vmap(fresh(), in_dims=dims)(*alone))
    tried.attempt("loop over gradients", lambda: torch.stack([_gradient(fresh(), row, first) for row in rows]))
    tried.attempt("vmap over gradients", lambda: vmap(grad(summed(fresh()), argnums=first))(*columns))
    return tried.answer()


def _replaced(row: Sequence[Tensor], place: int, tensor: Tensor) -> list[Tensor]:
    return [*row[:place], tensor, *row[place + 1 :]]


def _gradient(function: Positional, row: Sequence[Tensor], place: int) -> Tensor:
    x = row[place].detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(summed(function)(*_replaced(row, place, x)), [x], allow_unused=True)
    return torch.zeros_like(x) if found is None else found


@action
def functional(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """`torch.func`'s derivatives, and autograd's own: tensors "grad", "autograd's grad", and so for jacrev, hessian."""
    inputs = prepared(held, {}, tensors)
    names = list(inputs)
    row = list(inputs.values())
    place = names.index(options["wrt"][0])

    def of_one() -> Positional:
        function = positional(held, options, inputs)
        return lambda x: function(*_replaced(row, place, x))

    def number_of_one() -> Positional:
        return summed(of_one())

    tried, x = Tried(), row[place]
    classic = torch.autograd.functional
    tried.attempt("autograd's grad", lambda: _gradient(positional(held, options, inputs), row, place))
    tried.attempt("grad", lambda: grad(number_of_one())(x))
    tried.attempt("autograd's jacrev", lambda: _tensor(classic.jacobian(of_one(), x)))
    tried.attempt("jacrev", lambda: jacrev(of_one())(x))
    tried.attempt("autograd's hessian", lambda: _tensor(classic.hessian(number_of_one(), x)))
    tried.attempt("hessian", lambda: hessian(number_of_one())(x))
    return tried.answer()


def _tensor(found: Any) -> Tensor:
    assert isinstance(found, Tensor)
    return found


@contextmanager
def fresh_compiler() -> Iterator[None]:
    """Nothing that was compiled before, and nothing left behind."""
    import torch._dynamo

    torch._dynamo.reset()
    try:
        yield
    finally:
        torch._dynamo.reset()


@action
def compiled(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """A call and its gradients compiled as one graph (`aot_eager`), and as they are.

    Tensors: "eager.value", "compiled.value", "eager.grad.NAME", ... Facts: "raised", and "break": whether what was
    raised says that the graph breaks.
    """

    def whole(called: Any) -> dict[str, Tensor]:
        leaves = prepared(held, options, tensors)
        with seeded(0), subject_code("compile"):
            value = result_of(held, called, leaves)
            found = backwards(value, leaves) if value.is_floating_point() and value.requires_grad else {}
        return {"value": value.detach().clone(), **{f"grad.{name}": each for name, each in found.items()}}

    answers = {f"eager.{name}": each for name, each in whole(ready(held, options, tensors)).items()}
    with fresh_compiler():
        from torch._dynamo.exc import Unsupported, UserError

        built = ready(held, options, tensors)
        try:
            with subject_code("compile"):
                graph = torch.compile(built, backend="aot_eager", fullgraph=True)
            found = whole(graph)
        except SubjectError as error:
            broken = isinstance(error.original, (Unsupported, UserError)) or isinstance(built, SCRIPTED)
            return Answer({"raised": _reason(error.original) if broken else str(error), "break": broken}, answers)
    return Answer({"raised": "", "break": False}, {**answers, **{f"compiled.{name}": e for name, e in found.items()}})


def ready(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """An instance whose parameters have the inputs' dtype."""
    built = held.build(options.get("build"))
    take_dtype(built, tensors)
    return built


def _reason(error: BaseException) -> str:
    """The explanation that the compiler gives, without its stack."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.partition(":")[2].strip() for line in lines if line.startswith(("Explanation:", "Developer debug"))]
    return (told or lines or [type(error).__name__])[0][:200]


@action
def recompiled(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """How many graphs there are after each of the calls "0.NAME", "1.NAME", ...: the facts "graphs" and "raised"."""
    graphs = 0

    def counting(module: torch.fx.GraphModule, _: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return module.forward

    count = 1 + max(int(name.partition(".")[0]) for name in tensors)
    samples = [prepared(held, {}, others(tensors, f"{place}.")) for place in range(count)]
    with fresh_compiler(), seeded(0):
        built = ready(held, options, samples[0])
        each_time = []
        try:
            with subject_code("compile"):
                graph: Any = torch.compile(built, backend=counting, fullgraph=True)
            for sample in samples:
                result_of(held, graph, sample)
                each_time.append(graphs)
        except SubjectError as error:
            return Answer({"graphs": each_time, "raised": str(error)})
    return Answer({"graphs": each_time, "raised": ""})


@action
def without_numbers(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """A call and its gradients on fake tensors, and on the meta device: shapes alone.

    Facts: "real", "fake", "meta": by "value" and "grad.NAME" the shape and dtype; "raised" by "fake", "meta";
    "reads" lists those of them that were refused because the subject reads a number. "left": whether the subject keeps
    tensors that it does not take along to the meta device.
    """
    from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

    def shapes(built: Any, given: Mapping[str, Tensor]) -> dict[str, Any]:
        leaves = {name: each.detach().requires_grad_(name in options.get("wrt", ())) for name, each in given.items()}
        value = result_of(held, built, leaves)
        found = {"value": value}
        if value.is_floating_point():
            found |= {f"grad.{name}": each for name, each in backwards(value, leaves).items()}
        return {name: [list(each.shape), str(each.dtype).removeprefix("torch.")] for name, each in found.items()}

    inputs = prepared(held, {}, tensors)
    facts: dict[str, Any] = {"raised": {}, "reads": []}
    with seeded(0):
        facts["real"] = shapes(held.build(options.get("build")), inputs)
        mode = FakeTensorMode(allow_non_fake_inputs=True)

        def fake() -> dict[str, Any]:
            built = ready(held, options, inputs)
            with mode:
                return shapes(built, {name: mode.from_tensor(each) for name, each in inputs.items()})

        def meta() -> dict[str, Any]:
            built = ready(held, options, inputs)
            moved = built.to("meta") if isinstance(built, torch.nn.Module) else built
            facts["left"] = any(each.device.type != "meta" for _, each in held_tensors(owner(moved)))
            return shapes(moved, {name: each.to("meta") for name, each in inputs.items()})

        for name, act in (("fake", fake), ("meta", meta)):
            try:
                with subject_code(name):
                    facts[name] = act()
            except SubjectError as error:
                facts["raised"][name] = str(error)
                told = str(error).lower()
                if isinstance(error.original, DataDependentOutputException) or "item()" in told or "nonzero" in told:
                    facts["reads"].append(name)
    return Answer(facts)
