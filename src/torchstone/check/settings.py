"""The global settings of a process that a subject may change: how each is read and put back."""

import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch


class Setting(NamedTuple):
    """A global setting: how it is read, and how it is put back."""

    read: Callable[[], Any]
    restore: Callable[[Any], Any]


def _numpy() -> Any:
    return sys.modules.get("numpy")


def _numpy_state() -> Any:
    name, words, *rest = _numpy().random.get_state()
    return name, words.tobytes(), *rest


# Read as text or numbers, so that two readings can be compared.
SETTINGS: Mapping[str, Setting] = {
    "the default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "the default device": Setting(torch.get_default_device, lambda _: torch.set_default_device(None)),
    "the gradient mode": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "the number of threads": Setting(torch.get_num_threads, torch.set_num_threads),
    "use_deterministic_algorithms": Setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "the anomaly mode": Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "the precision of float32 products": Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "torch.backends.cudnn.benchmark": Setting(
        lambda: torch.backends.cudnn.benchmark, lambda value: setattr(torch.backends.cudnn, "benchmark", value)
    ),
    "torch.backends.cudnn.deterministic": Setting(
        lambda: torch.backends.cudnn.deterministic, lambda value: setattr(torch.backends.cudnn, "deterministic", value)
    ),
    "autocast": Setting(
        lambda: torch.is_autocast_enabled("cpu"), lambda value: torch.set_autocast_enabled("cpu", value)
    ),
    "the warning filters": Setting(lambda: list(warnings.filters), lambda _: None),  # put back by catch_warnings
    "NumPy's handling of floating-point errors": Setting(
        lambda: _numpy().geterr() if _numpy() else None, lambda value: _numpy().seterr(**value) if value else None
    ),
    "Python's recursion limit": Setting(sys.getrecursionlimit, sys.setrecursionlimit),
}
GENERATORS: Mapping[str, Callable[[], Any]] = {
    "PyTorch's": lambda: torch.get_rng_state().numpy().tobytes(),
    "Python's": random.getstate,
    "NumPy's": lambda: _numpy_state() if _numpy() else None,
}


def read() -> dict[str, Any]:
    """Every setting as it is."""
    return {name: setting.read() for name, setting in SETTINGS.items()}


def generators() -> dict[str, Any]:
    """The state of every generator of random numbers."""
    return {name: state() for name, state in GENERATORS.items()}


class Watch:
    """Notes in a list which settings change from one look to the next."""

    def __init__(self, changed: list[dict[str, Any]]) -> None:
        self.changed, self._before = changed, read()

    def compare(self, during: str) -> None:
        """Note what is other than at the last look: "name", "during", "before" and "after"."""
        after = read()
        for name, value in after.items():
            if value != self._before[name]:
                short = [
                    str(each)[:80] if not isinstance(each, list) else len(each) for each in (self._before[name], value)
                ]
                self.changed.append({"name": name, "during": during, "before": short[0], "after": short[1]})
        self._before = after


@contextmanager
def restored() -> Iterator[None]:
    """Every setting is put back afterwards: what a subject does to this process ends with it."""
    before = read()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for name, value in before.items():
                if SETTINGS[name].read() != value:
                    SETTINGS[name].restore(value)
