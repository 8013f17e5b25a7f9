"""What a computation costs: time beside PyTorch's, and peak memory."""

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_LEAST_ROUNDS = 5
_MOST_ROUNDS = 201
_SHORTEST_RUN = 5e-4  # seconds: below it, a clock and a call weigh too much
Work = Callable[[], object]


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch with one thread inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds(work: Work, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def paired_times(ours: Work, theirs: Work, budget: float = 0.1) -> tuple[float, float, float]:
    """The ratio of two computations' times, and each one's time in seconds.

    The two run in turns, and who goes first changes from round to round; the ratio is the median of the rounds' ratios.
    What else happens on the machine meets both alike, and a round that it spoils is an outlier. Rounds go on for
    `budget` seconds.
    """
    for work in (ours, theirs, ours, theirs):
        work()
    repeats = [max(1, round(_SHORTEST_RUN / max(_seconds(work, 1), 1e-9))) for work in (ours, theirs)]
    times: tuple[list[float], list[float]] = ([], [])
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + budget
        while len(times[0]) < _LEAST_ROUNDS or (time.perf_counter() < end and len(times[0]) < _MOST_ROUNDS):
            first = len(times[0]) % 2
            for turn in (first, 1 - first):
                times[turn].append(_seconds((ours, theirs)[turn], repeats[turn]))
    finally:
        if collecting:
            gc.enable()
    ratio = statistics.median(mine / other for mine, other in zip(*times, strict=True))
    return ratio, statistics.median(times[0]), statistics.median(times[1])


def peak_bytes(work: Work) -> int:
    """The most bytes of tensors that `work` held at any one time, beyond those that were there before.

    Counted from the allocator's own record of every allocation, which PyTorch's profiler keeps.
    """
    # libkineto announces each start and stop of the profiler on stderr unless it is told otherwise.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    work()  # what a first call keeps for later ones is no cost of a call
    with torch.autograd.profiler.profile(use_kineto=True, profile_memory=True) as profile:
        work()
    results = profile.kineto_results
    if results is None:
        raise RuntimeError("PyTorch's profiler kept no record")
    events = [event for event in results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak
