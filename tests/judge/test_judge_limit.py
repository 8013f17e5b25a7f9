"""The time limit of the judge."""

import gc
import signal
import time

import pytest

from torchstone.judge.limit import TimeUp, at_most

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms on this platform")


def for_ever(seconds):
    with at_most(seconds):
        gc.collect()
        while True:
            pass


def test_time_is_up():
    with pytest.raises(TimeUp):
        for_ever(0.05)


def test_an_alarm_in_a_callback_of_the_garbage_collector_comes_again():
    def slow(phase, info):
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass

    gc.callbacks.append(slow)
    try:
        with pytest.raises(TimeUp):
            for_ever(0.05)
    finally:
        gc.callbacks.remove(slow)
