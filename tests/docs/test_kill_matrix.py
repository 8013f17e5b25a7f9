"""docs/kill-matrix.md and docs/detection.md say what is so; `make docs` writes them."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from torchstone.check.mutants import mutants
from torchstone.check.optimizers.build import is_optimizer

ROOT = Path(__file__).parents[2]
TRIED = 12  # in full; tests/rules/test_mutants.py has all of them fire what they must


def load(path):
    """A module of the benchmarks' or the documents'."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


BUILD = load(ROOT / "docs" / "build.py")  # lets the benchmarks be imported
JUDGES = load(ROOT / "benchmarks" / "judges.py")
MATRIX = load(ROOT / "benchmarks" / "matrix.py")
STORED = MATRIX.read((ROOT / "docs" / "kill-matrix.md").read_text(encoding="utf-8"))
GROUPS = list(dict.fromkeys(each.thing.__module__.rpartition(".")[2] for each in mutants()))


def place(subject):
    """Where a subject stands in the matrix."""
    group = GROUPS.index(subject.thing.__module__.rpartition(".")[2]) if subject.fires else len(GROUPS)
    return is_optimizer(subject.thing), group


SUBJECTS = sorted(mutants(), key=place)


def test_the_matrix_has_every_subject_and_what_it_must_fire():
    assert [row.name for row in STORED] == [each.name for each in SUBJECTS]
    for row, each in zip(STORED, SUBJECTS, strict=True):
        assert row.what == (MATRIX.what(each) if each.fires else "")
        assert set(each.fires) <= {*row.rules, *row.noted}, row
        assert set(row.rules) <= {*each.fires, *each.also}, row


@pytest.mark.parametrize("place", random.Random(0).sample(range(len(SUBJECTS)), TRIED), ids=lambda n: SUBJECTS[n].name)
def test_the_matrix_is_what_comes_out(place):
    assert STORED[place] == MATRIX.computed(SUBJECTS[place])


def test_the_other_judges_say_what_the_matrix_shows():
    components = [JUDGES.Component(each) for each in SUBJECTS]
    assert [MATRIX.asked(MATRIX.part_of(each), each) for each in components] == [row.others for row in STORED]


def test_the_counts_are_those_of_the_matrix():
    page = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    assert BUILD.counted(page, STORED) == page
