"""Derivations as Markdown, read back by prove: each says all that its steps need."""

import json

import pytest

from torchstone.derive import derive, names
from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine


@pytest.mark.parametrize("name", names())
def test_prove_proves_every_step_of_a_page(name):
    derivation = derive(name)
    found = examine(read_markdown(derivation.to_markdown()), 8.0, {}, {}, {})
    steps = [each.step for each in found if isinstance(each, Found)]
    stated = [*derivation.domains, *derivation.given, *(each for chain in derivation.chains for each in chain.given)]
    assert len(steps) == len(stated) + len(derivation.steps)
    assert [each for each in steps if each.verdict != "proven"] == []


def test_what_holds_in_a_chain_alone_is_said_there():
    derivation = derive("bce_with_logits")
    assert [len(chain.given) for chain in derivation.chains] == [0, 2]
    assert "Without weights\n  with weight = 1, pos_weight = 1\n" in str(derivation)
    assert json.loads(derivation.to_json())["chains"][1]["given"] == ["Eq(weight, 1)", "Eq(pos_weight, 1)"]
    assert r"\[ \text{weight} = 1 \qquad \text{pos}_{\text{weight}} = 1 \]" in derivation.to_latex()
    for shown in (derivation.to_html(), derivation._repr_html_()):
        assert shown.count('<span class="label">With</span>') == 1
