"""Where templates become pages."""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from torchstone.report.mathml import mathml
from torchstone.report.verdicts import clean

_TEMPLATES = Path(__file__).with_name("templates")


def environment() -> jinja2.Environment:
    """What all templates share. Everything that they insert is escaped, and free of control characters."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else clean(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["formula"] = formula
    return found


def formula(latex: str) -> Any:
    """A formula as MathML, or its LaTeX where it can't be translated."""
    found = mathml(clean(latex))
    return Markup(found) if found else Markup('<code class="latex">{}</code>').format(clean(latex))
