"""The time limit of the judge."""

import gc
import signal
import time

import pytest

from torchstone.judge.limit import TimeUp, at_most

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms on this platform")


def for_ever(seconds, first):
    gc.collect()  # what other tests left is not collected in here: a finalizer swallows what is raised in it
    with at_most(seconds):
        first()
        while True:
            pass


def test_time_is_up():
    with pytest.raises(TimeUp):
        for_ever(0.05, lambda: None)


def test_an_alarm_in_a_callback_of_the_garbage_collector_comes_again():
    def slow(phase, info):
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass

    gc.callbacks.append(slow)
    try:
        with pytest.raises(TimeUp):
            for_ever(0.05, gc.collect)
    finally:
        gc.callbacks.remove(slow)
