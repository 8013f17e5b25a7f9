"""Derivations as students write them: every wrong step is found, and no right one is refuted."""

import re
from pathlib import Path

import pytest

from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine

CORPUS = Path(__file__).parent / "corpus"
RIGHT, WRONG = (sorted((CORPUS / kind).glob("*.md")) for kind in ("right", "wrong"))


def steps(path):
    sections = read_markdown(path.read_text(encoding="utf-8"))
    return [event.step for event in examine(sections, 8.0, {}, {}, {}) if isinstance(event, Found)]


def shown(found):
    return "\n".join(f"{step.line}: {step.verdict} ({step.method}): {step.read_as or step.source}" for step in found)


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_steps_are_proven(path):
    found = steps(path)
    assert found
    assert {step.verdict for step in found} <= {"proven", "agrees"}, shown(found)


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_the_wrong_step_is_refuted_and_no_step_before_it(path):
    line = int(re.match(r"<!-- wrong line: (\d+) -->", path.read_text(encoding="utf-8")).group(1))
    found = steps(path)
    first = next((step for step in found if step.verdict not in ("proven", "agrees")), None)
    assert first is not None, shown(found)
    assert (first.line, first.verdict) == (line, "refuted"), shown(found)
    assert first.counterexample is not None
