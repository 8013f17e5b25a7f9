"""Settings for all tests: one thread each (two workers share two cores), and the same random numbers every time."""

import os
import tempfile

# matplotlib keeps settings in the home directory: tests leave it alone.
os.environ.setdefault("MPLCONFIGDIR", tempfile.mkdtemp(prefix="torchstone-tests-"))

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("torchstone", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("torchstone")


@pytest.fixture(autouse=True)
def _repeatable():
    torch.set_num_threads(1)
    torch.manual_seed(0)
