"""The kill matrix: each wrong subject with the rules that find it, and what people's other ways say of it.

It is computed (`computed`), written as a page (`page`), and read from one (`read`), so that a test can compare the two.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from judges import Component, checked, codes, gradcheck, one_example
from judges_optimizers import direction, one_run

from torchstone.check.mutants import Mutant, mutants
from torchstone.check.rule import rules

_WORDS = {True: "found", False: "passes", None: "–"}


@dataclass(frozen=True)
class Part:
    """The subjects of a kind: a heading, and who else judges them, by the columns' names."""

    title: str
    of_optimizers: bool
    judges: Mapping[str, Callable[[Component], bool | None]]


PARTS = (
    Part("Losses and activations", False, {"gradcheck": gradcheck, "one example": one_example}),
    Part("Optimizers", True, {"direction test": direction, "one run": one_run}),
)


@dataclass(frozen=True)
class Row:
    """What was found of one subject. `noted` are rules that only leave a note, where they are what it is for.

    `others` are the answers of its part's judges.
    """

    part: str
    group: str
    name: str
    what: str
    wrong: bool
    rules: tuple[str, ...]
    noted: tuple[str, ...]
    others: tuple[bool | None, ...]


def computed(source: Mutant) -> Row:
    """The row of a subject, in the full tier."""
    component = Component(source)
    report = checked(component, source.settings.get("tier", "full"))
    assert not report.faults, report.faults
    found = tuple(codes(report))
    noted = tuple(code for code in sorted({each.rule for each in report.findings}) if code not in found)
    part = part_of(component)
    return Row(
        part.title,
        source.thing.__module__.rpartition(".")[2] if source.fires else "",
        source.name,
        what(source) if source.fires else "",
        bool(source.fires),
        found,
        tuple(code for code in noted if code in source.fires),
        asked(part, component),
    )


def part_of(component: Component) -> Part:
    """Where a subject belongs."""
    return next(part for part in PARTS if part.of_optimizers == component.is_optimizer)


def asked(part: Part, component: Component) -> tuple[bool | None, ...]:
    """What the other judges say of a subject."""
    return tuple(judge(component) for judge in part.judges.values())


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
the rules listed found an error or a warning. Beside them is what people's own ways say of the same subject.
[detection.md](detection.md) counts them, and says what each way is.
"""


def page(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    parts = [_INTRODUCTION]
    for part in PARTS:
        parts.append(f"## {part.title}\n")
        parts += _tables(part, [row for row in rows if row.part == part.title])
    for_rules = "".join(_of_rule(each.code, each.name, rows) for each in rules())
    parts.append(f"## Rule by rule\n\n| rule | subjects that it finds | wrong for it |\n|---|---|---|\n{for_rules}")
    return "\n".join(parts)


def _tables(part: Part, rows: Sequence[Row]) -> Iterator[str]:
    columns = " | ".join(part.judges)
    head = f"| subject | what is wrong | rules that find it | {columns} |\n|---|---|---|---|---|\n"
    clean = f"| subject | found by mistake | {columns} |\n|---|---|---|---|\n"
    for group in dict.fromkeys(row.group for row in rows if row.wrong):
        wrong = "".join(_line(row) for row in rows if row.wrong and row.group == group)
        yield f"### {_WRONG}{group.replace('_', ' ')}\n\n{head}{wrong}"
    yield f"### Clean\n\n{clean}{''.join(_line(row) for row in rows if not row.wrong)}"


_WRONG = "Wrong: "


def _line(row: Row) -> str:
    found = ", ".join([*row.rules, *(f"{code} (note)" for code in row.noted)]) or "–"
    cells = [f"`{row.name}`", *([row.what] if row.wrong else []), found, *(_WORDS[each] for each in row.others)]
    return f"| {' | '.join(cells)} |\n"


def _of_rule(code: str, name: str, rows: Sequence[Row]) -> str:
    found = sum(code in (*row.rules, *row.noted) for row in rows if row.wrong)
    meant = sum(code in each.fires for each in mutants())
    return f"| [{code}](rules/{code}.md) {name} | {found} | {meant} |\n"


def read(text: str) -> list[Row]:
    """The rows of a page."""
    meanings = {word: meaning for meaning, word in _WORDS.items()}
    found, part, group = [], "", ""
    for line in text.splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif line.startswith("### "):
            _, _, group = line.partition(_WRONG)
        if not line.startswith("| `"):
            continue
        name, *middle, listed, first, second = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        marked = [each for each in listed.split(", ") if each != "–"]
        found.append(
            Row(
                part,
                group.replace(" ", "_"),
                name.strip("`"),
                "".join(middle),
                bool(middle),
                tuple(code for code in marked if "note" not in code),
                tuple(code.removesuffix(" (note)") for code in marked if "note" in code),
                (meanings[first], meanings[second]),
            )
        )
    return found


# What it comes to.


def summary(rows: Sequence[Row], part: Part) -> str:
    """How many wrong subjects of a part each judge finds, and on how many clean ones it raises a false alarm."""
    tier = {each.code: each.tier for each in rules()}
    judges: dict[str, Callable[[Row], bool | None]] = {
        "`torchstone check`": lambda row: any(tier[code] == "fast" for code in row.rules),
        "`torchstone check --tier full`": lambda row: bool(row.rules),
        **{name: _answer(place) for place, name in enumerate(part.judges)},
        " or ".join(part.judges): lambda row: either(row.others),
    }
    lines = ["| | wrong ones found | of those that it can judge | false alarms on clean ones |", "|---|---|---|---|"]
    own = [row for row in rows if row.part == part.title]
    wrong, clean = [row for row in own if row.wrong], [row for row in own if not row.wrong]
    for name, judge in judges.items():
        found, able = _count(map(judge, wrong))
        alarms, judged = _count(map(judge, clean))
        lines.append(f"| {name} | {found} of {len(wrong)} | {found} of {able} | {alarms} of {judged} |")
    return "\n".join(lines)


def _answer(place: int) -> Callable[[Row], bool | None]:
    return lambda row: row.others[place]


def either(verdicts: Sequence[bool | None]) -> bool | None:
    """Whether one of the judges found something; None where none can judge."""
    return None if set(verdicts) == {None} else any(verdicts)


def _count(verdicts: Iterable[bool | None]) -> tuple[int, int]:
    able = [each for each in verdicts if each is not None]
    return sum(able), len(able)
