"""The rules' own pages, and the list of rules: from their docstrings, and from the subjects they are tried on."""

import inspect
import json as encoder
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from markupsafe import Markup, escape
from rich.console import Console
from rich.text import Text

from torchstone.check.rule import SECTIONS, Rule
from torchstone.report.check.words import SEVERITIES
from torchstone.report.lines import WIDTH, captured, folded, said, show
from torchstone.report.verdicts import clean

_CODE, _NAME, _TIER, _SEVERITY, _NEED = 6, 30, 6, 9, 13  # columns of the list
_WRONG, _RIGHT = "An example that it finds", "And one that passes"


def examples(rule: Rule) -> tuple[str, str]:
    """The source of a subject that the rule finds, and of one that passes: the shortest; "" where there is none."""
    from torchstone.check.mutants import mutants

    every = mutants()
    wrong = [inspect.getsource(each.thing) for each in every if rule.code in each.fires[:1]]
    wrong = wrong or [inspect.getsource(each.thing) for each in every if rule.code in each.fires]
    right = [inspect.getsource(each.thing) for each in every if rule.code in each.clean_for]
    return _undecorated(min(wrong, key=len, default="")), _undecorated(min(right, key=len, default=""))


def _undecorated(source: str) -> str:
    """Without what registers it: from the first line that begins a class or function."""
    lines = inspect.cleandoc(source).splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith(("class ", "def "))), 0)
    return "\n".join(lines[first:])


def _demand(rule: Rule) -> str:
    """When it runs, in a sentence."""
    kinds = " and ".join(
        {"loss": "losses", "activation": "activations", "optimizer": "optimizers"}[k] for k in rule.kinds
    )
    need = {"nothing": "", "counterpart": ", with a counterpart", "definition": ", with a definition"}[rule.need]
    after = f", after {', '.join(rule.after)}" if rule.after else ""
    return f"{rule.severity}; for {kinds}{need}; in the {rule.tier} tier{after}"


# The page of one rule.


def render_page(rule: Rule, console: Console) -> None:
    """Print it."""
    show(_page(rule, console.width), console)


def _page(rule: Rule, width: int = WIDTH) -> Iterator[Text]:
    yield from folded(Text.assemble((rule.code, "bold"), " ", (rule.name, "bold")), width)
    yield from folded(said(rule.title), width)
    yield from folded(said(_demand(rule), "dim"), width)
    for title in SECTIONS:
        yield Text()
        text = rule.sections[title]
        yield from folded(Text.assemble((f"{title}: ", "bold"), said(text[:1].upper() + text[1:])), width, 0, 2)
    for title, source in zip((_WRONG, _RIGHT), examples(rule), strict=True):
        if source:
            yield Text()
            yield said(f"{title}:", "bold")
            yield from (said(f"    {line}") for line in source.splitlines())


def markdown(rule: Rule, level: int = 1) -> str:
    """The page in Markdown."""
    parts = [f"{'#' * level} {rule.code} {rule.name}", rule.title, f"*{_demand(rule)}*"]
    parts += [f"**{title}.** {rule.sections[title][:1].upper()}{rule.sections[title][1:]}" for title in SECTIONS]
    for title, source in zip((_WRONG, _RIGHT), examples(rule), strict=True):
        if source:
            parts.append(f"{title}:\n\n```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


def html(rule: Rule) -> str:
    """One self-contained page."""
    from torchstone.report.pages import environment

    wrong, right = examples(rule)
    shown = [(title, source) for title, source in ((_WRONG, wrong), (_RIGHT, right)) if source]
    sections = [(title, _with_code(rule.sections[title])) for title in SECTIONS]
    template = environment().get_template("check_rule.html")
    return template.render(
        rule=rule, demand=_demand(rule), sections=sections, examples=shown, tone=SEVERITIES[rule.severity].tone
    )


def _with_code(text: str) -> Markup:
    """What stands between backticks, as code."""
    shown = str(escape(clean(text[:1].upper() + text[1:])))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", shown))


PAGES: Mapping[str, Callable[[Rule], str]] = {
    "text": lambda rule: captured(_page(rule)) + "\n",
    "markdown": markdown,
    "html": html,
}


# The list.


def render_table(rules: Sequence[Rule], console: Console) -> None:
    """Print it."""
    show(_table(rules, console.width), console)


def _table(rules: Sequence[Rule], width: int = WIDTH) -> Iterator[Text]:
    yield said(_row("code", "name", "tier", "severity", "needs", "").rstrip(), "dim")
    group = None
    for rule in rules:
        if group not in (None, rule.group):
            yield Text()
        group = rule.group
        line = said(_row(rule.code, rule.name, rule.tier, rule.severity, rule.need.replace("nothing", "")).rstrip())
        line.stylize("bold", 0, _CODE)
        yield line
        yield from folded(said(rule.title, "dim"), width, _CODE, _CODE)


def _row(code: str, name: str, tier: str, severity: str, need: str, title: str = "") -> str:
    columns = ((code, _CODE), (name, _NAME), (tier, _TIER), (severity, _SEVERITY), (need, _NEED))
    return "".join(text.ljust(width - 1) + " " for text, width in columns) + title


def _markdown_table(rules: Sequence[Rule]) -> str:
    rows = [(r.code, r.name, r.title, r.tier, r.severity, r.need.replace("nothing", "")) for r in rules]
    lines = [("code", "name", "what is demanded", "tier", "severity", "needs"), ("---",) * 6, *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _json_table(rules: Sequence[Rule]) -> str:
    keys = ("code", "name", "title", "group", "kinds", "tier", "severity", "need", "after", "sections")
    return encoder.dumps([{key: getattr(rule, key) for key in keys} for rule in rules], indent=2) + "\n"


TABLES: Mapping[str, Callable[[Sequence[Rule]], str]] = {
    "text": lambda rules: captured(_table(rules)) + "\n",
    "markdown": _markdown_table,
    "json": _json_table,
}
