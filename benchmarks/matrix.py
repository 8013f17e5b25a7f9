"""The kill matrix: each wrong subject with the rules that find it, and what gradcheck and one example say of it.

It is computed (`computed`), written as a page (`page`), and read from one (`read`), so that a test can compare the two.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judges import Component, checked, codes, gradcheck, one_example

from torchstone.check.mutants import Mutant, mutants
from torchstone.check.rule import rules

_WORDS = {True: "found", False: "passes", None: "–"}
_HEAD = "| subject | what is wrong | rules that find it | gradcheck | one example |\n|---|---|---|---|---|\n"
_CLEAN = "| subject | found by mistake | gradcheck | one example |\n|---|---|---|---|\n"


@dataclass(frozen=True)
class Row:
    """What was found of one subject. `noted` are rules that only leave a note, where they are what it is for."""

    group: str
    name: str
    what: str
    wrong: bool
    rules: tuple[str, ...]
    noted: tuple[str, ...]
    gradcheck: bool | None
    one_example: bool | None


def computed(source: Mutant) -> Row:
    """The row of a subject, in the full tier."""
    component = Component(source)
    report = checked(component, source.settings.get("tier", "full"))
    assert not report.faults, report.faults
    found = tuple(codes(report))
    noted = tuple(code for code in sorted({each.rule for each in report.findings}) if code not in found)
    return Row(
        source.thing.__module__.rpartition(".")[2],
        source.name,
        what(source) if source.fires else "",
        bool(source.fires),
        found,
        tuple(code for code in noted if code in source.fires),
        gradcheck(component),
        one_example(component),
    )


def what(source: Mutant) -> str:
    """The first line of its docstring."""
    return (source.thing.__doc__ or "").strip().partition("\n")[0].replace("|", "\\|")


def every() -> list[Row]:
    """All rows."""
    return [computed(each) for each in mutants()]


# The page.

_INTRODUCTION = """# The kill matrix

Every rule has to find subjects that are wrong on purpose, written the way people write the bug, and to pass subjects
that are right. A test demands both; this page is what came of it, in the full tier. Some subjects break several things:
the rules listed found an error or a warning. *gradcheck* is `torch.autograd.gradcheck` at ordinary float64 inputs, *one
example* is value and gradient at one ordinary float32 input beside PyTorch's own function, where there is one.
[detection.md](detection.md) counts them.
"""


def page(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    parts = [_INTRODUCTION]
    for group in dict.fromkeys(row.group for row in rows):
        wrong = [row for row in rows if row.wrong and row.group == group]
        if wrong:
            parts.append(f"## Wrong: {group.replace('_', ' ')}\n\n{_HEAD}{''.join(map(_line, wrong))}")
    for_rules = "".join(_of_rule(each.code, each.name, rows) for each in rules() if each.kinds != ("optimizer",))
    parts.append(f"## Clean\n\n{_CLEAN}{''.join(_line(row) for row in rows if not row.wrong)}")
    parts.append(f"## Rule by rule\n\n| rule | subjects that it finds | wrong for it |\n|---|---|---|\n{for_rules}")
    return "\n".join(parts)


def _line(row: Row) -> str:
    found = ", ".join([*row.rules, *(f"{code} (note)" for code in row.noted)]) or "–"
    cells = [f"`{row.name}`", *([row.what] if row.wrong else []), found]
    return f"| {' | '.join([*cells, _WORDS[row.gradcheck], _WORDS[row.one_example]])} |\n"


def _of_rule(code: str, name: str, rows: Sequence[Row]) -> str:
    found = sum(code in (*row.rules, *row.noted) for row in rows if row.wrong)
    meant = sum(code in each.fires for each in mutants())
    return f"| [{code}](rules/{code}.md) {name} | {found} | {meant} |\n"


def read(text: str) -> list[Row]:
    """The rows of a page."""
    meanings = {word: meaning for meaning, word in _WORDS.items()}
    found, group = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## Wrong: ").replace(" ", "_")
        if not line.startswith("| `"):
            continue
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        name, *middle, listed, by_gradcheck, by_example = (cell.strip() for cell in cells)
        marked = [each for each in listed.split(", ") if each != "–"]
        found.append(
            Row(
                group if middle else "",
                name.strip("`"),
                "".join(middle),
                bool(middle),
                tuple(code for code in marked if "note" not in code),
                tuple(code.removesuffix(" (note)") for code in marked if "note" in code),
                meanings[by_gradcheck],
                meanings[by_example],
            )
        )
    return found


# What it comes to.


def summary(rows: Sequence[Row]) -> str:
    """How many wrong subjects each judge finds, and on how many clean ones it raises a false alarm."""
    tier = {each.code: each.tier for each in rules()}
    judges = {
        "`torchstone check`": lambda row: any(tier[code] == "fast" for code in row.rules),
        "`torchstone check --tier full`": lambda row: bool(row.rules),
        "`torch.autograd.gradcheck`": lambda row: row.gradcheck,
        "one example beside PyTorch's": lambda row: row.one_example,
        "gradcheck and one example": lambda row: either(row.gradcheck, row.one_example),
    }
    lines = ["| | wrong ones found | of those that it can judge | false alarms on clean ones |", "|---|---|---|---|"]
    wrong, clean = [row for row in rows if row.wrong], [row for row in rows if not row.wrong]
    for name, judge in judges.items():
        found, able = _count(map(judge, wrong))
        alarms, judged = _count(map(judge, clean))
        lines.append(f"| {name} | {found} of {len(wrong)} | {found} of {able} | {alarms} of {judged} |")
    return "\n".join(lines)


def either(first: bool | None, second: bool | None) -> bool | None:
    """Whether one of two judges found something; None where neither can judge."""
    return None if first is None and second is None else bool(first or second)


def _count(verdicts: Iterable[bool | None]) -> tuple[int, int]:
    able = [each for each in verdicts if each is not None]
    return sum(able), len(able)
