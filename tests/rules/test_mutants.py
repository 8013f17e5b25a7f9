"""Every rule finds what it is for, and lets what is right pass: the kill matrix."""

import pytest

from torchstone.check.api import check
from torchstone.check.mutants import mutants
from torchstone.check.rule import rules

ALL = mutants()
WRONG = [each for each in ALL if each.fires]
CLEAN = [each for each in ALL if not each.fires]


def found(report):
    return {finding.rule for finding in report.findings if finding.severity != "note"}


@pytest.mark.parametrize("mutant", WRONG, ids=lambda each: f"{each.name}-{'-'.join(each.fires)}")
def test_a_mutant_fires_its_rules_and_no_others(mutant):
    report = check(mutant.thing, **{"tier": "full", **mutant.settings})
    assert not report.faults, report.faults
    noted = {finding.rule for finding in report.findings}
    assert set(mutant.fires) <= noted
    assert found(report) <= {*mutant.fires, *mutant.also}


@pytest.mark.parametrize("subject", CLEAN, ids=lambda each: each.name)
def test_a_clean_subject_passes(subject):
    report = check(subject.thing, **{"tier": "full", **subject.settings})
    assert not report.faults, report.faults
    assert not found(report), [finding.message for finding in report.findings]
    outcomes = {result.code: result.outcome for result in report.subjects[0].results}
    assert {code: outcomes.get(code) for code in subject.clean_for} == dict.fromkeys(subject.clean_for, "passed")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.code)
def test_every_rule_has_a_mutant_and_a_clean_subject(rule):
    assert any(rule.code in each.fires for each in ALL), "no mutant fires it"
    assert any(rule.code in each.clean_for for each in ALL), "no clean subject passes it"
