"""The scripts that findings carry: short, and each runs as it stands where its subject is."""

import pytest

from torchstone.check.api import check
from torchstone.check.mutants import mutants
from torchstone.check.repro import LONGEST

# What a few lines of torch show. The others' findings have scripts of their own making, or none.
SHOWN = (
    "G002",
    "G003",
    "G004",
    "G006",
    "D110",
    "N104",
    "N106",
    "A104",
    "S101",
    "S103",
    "S104",
    "T101",
    "L103",
    "L104",
    "L105",
    "L106",
)
TOO_MANY_NUMBERS = ("cross_entropy_by_indexing",)
CASES = [
    (each, code) for each in mutants() for code in each.fires if code in SHOWN and each.name not in TOO_MANY_NUMBERS
]


@pytest.mark.parametrize(("mutant", "code"), CASES, ids=lambda each: each if isinstance(each, str) else each.name)
def test_a_finding_has_a_script_that_runs(mutant, code, capsys):
    report = check(mutant.thing, **{"tier": "full", "select": [code], **mutant.settings})
    scripts = [finding.repro for finding in report.findings if finding.rule == code and finding.repro]
    assert scripts
    for script in scripts:
        assert script.count("\n") < LONGEST
        exec(compile(script, "<script>", "exec"), {mutant.name: mutant.thing})
        assert capsys.readouterr().out
