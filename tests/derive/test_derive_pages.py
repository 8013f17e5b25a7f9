"""Derivations as Markdown, read back by prove: each says all that its steps need."""

import pytest

from torchstone.derive import derive, names
from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine

# Steps for which only points can speak.
AGREEING = {"bce": 1}


@pytest.mark.parametrize("name", names())
def test_prove_proves_every_step_of_a_page(name):
    derivation = derive(name)
    found = examine(read_markdown(derivation.to_markdown()), 8.0, {}, {}, {})
    steps = [each.step for each in found if isinstance(each, Found)]
    stated = [*derivation.domains, *derivation.given, *(each for chain in derivation.chains for each in chain.given)]
    assert len(steps) == len(stated) + len(derivation.steps)
    outcomes = [(each.verdict, each.line, each.source, each.method) for each in steps if each.verdict != "proven"]
    assert [outcome for outcome, *_ in outcomes] == ["agrees"] * AGREEING.get(name, 0), outcomes
