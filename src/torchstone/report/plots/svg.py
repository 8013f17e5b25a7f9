"""One matplotlib figure as a small, clean SVG that takes its colours and its font from the page around it."""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Placeholders: matplotlib draws with these, the page says what they are (the CSS variables of the same names).
INK, MUTED, LINE, OURS, TORCH, SLOPE, LIMIT = (f"#0{n}0{n}0{n}" for n in range(1, 8))
PATHS = tuple(f"#0{n}1{n}0{n}" for n in range(1, 7))
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    OURS: "ours",
    TORCH: "torch",
    SLOPE: "slope",
    LIMIT: "limit",
    **{colour: f"path-{n}" for n, colour in enumerate(PATHS, 1)},
}

_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "torchstone",
    "font.size": 11,
    "text.parse_math": False,  # a name with dollar signs is a name
    "text.color": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.55,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.solid_capstyle": "round",
    "lines.linewidth": 1.6,
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
}

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_ROUNDED = {"d": 1, "x": 1, "y": 1, "width": 1, "height": 1, "points": 1, "transform": 3}  # decimals kept


@dataclass(frozen=True)
class Picture:
    """An SVG with the words that belong to it: a heading, what it shows, and the key to its lines.

    The key maps a line style of the page (`ours`, `torch`, `slope`, ...) to what it stands for.
    """

    title: str
    svg: str
    caption: str
    key: tuple[tuple[str, str], ...] = ()
    tall: bool = False


class Drawing:
    """A figure being drawn, its sides in points. After the `with` block, `svg` holds it as text."""

    def __init__(self, height: float, width: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")
        FigureCanvasSVG(self.figure)
        self.svg = ""

    def panels(self, rows: int = 1, columns: int = 1, left: float = 54, bottom: float = 40) -> list[Axes]:
        """Axes below (or beside) one another that share a scale, with margins in points."""
        grid = self.figure.add_gridspec(
            rows,
            columns,
            left=left / self.width,
            right=1 - 14 / self.width,
            bottom=bottom / self.height,
            top=1 - 16 / self.height,
            hspace=0.16,
            wspace=0.22,
        )
        axes = grid.subplots(sharex="col", sharey="row", squeeze=False).ravel().tolist()
        for each in axes:
            each.set_facecolor("none")
        return axes


@contextmanager
def drawing(name: str, label: str, height: float = 300, width: float = 440) -> Iterator[Drawing]:
    """A drawing whose ids all begin with `name` (unique in the page) and that is read aloud as `label`."""
    with matplotlib.style.context(["default", _STYLE]):
        made = Drawing(height, width)
        yield made
        file = io.StringIO()
        made.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    made.svg = clean(file.getvalue(), name, label)


def clean(svg: str, name: str, label: str) -> str:
    """What matplotlib wrote, for use inside a page: unique ids, the page's colours and font, no padding."""
    root = ET.fromstring(svg.encode())
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)
    names = {old: f"{name}-{n}" for n, old in enumerate(dict.fromkeys(used))}
    _tidy(root, names)
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-label": label}
    return ET.tostring(root, encoding="unicode")


def _tidy(element: ET.Element, names: dict[str, str]) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    pairs = [_attribute(key, value, names) for key, value in element.attrib.items()]
    element.attrib = {key: value for key, value in pairs if value}
    element.text = element.text.strip() if element.text else None
    element.tail = None
    children: list[ET.Element] = []
    for child in list(element):
        _tidy(child, names)
        # A group without attributes only names a part of the figure: its children move up.
        children.extend(child if child.tag == "g" and not child.attrib else [child])
    element[:] = [child for child in children if not _is_empty(child)]


def _is_empty(element: ET.Element) -> bool:
    if element.tag in ("metadata", "style"):
        return True
    return len(element) == 0 and (element.tag in ("g", "defs") or (element.tag == "path" and not element.get("d")))


def _attribute(key: str, value: str, names: dict[str, str]) -> tuple[str, str]:
    """One attribute rewritten; an empty value drops it."""
    if key == "id":
        return key, names.get(value, "")
    if key == _LINK:
        return "href", "#" + names[value[1:]]
    if key == "clip-path":
        return key, re.sub(r"#([^)]+)", lambda found: "#" + names[found[1]], value)
    if key == "style":
        return key, _style(value)
    if value.startswith("rotate(-0 "):
        return key, ""
    return key, _rounded(value, _ROUNDED[key]) if key in _ROUNDED else value


def _style(style: str) -> str:
    style = re.sub(r"font-family: [^;]*;?\s*", "", style)
    style = re.sub(r"#[0-9a-f]{6}", lambda found: f"var(--{_VARIABLES[found[0]]})", style)
    return style.replace(": ", ":").replace("; ", ";")


def _rounded(numbers: str, decimals: int) -> str:
    def short(found: re.Match[str]) -> str:
        return f"{round(float(found[0]), decimals) + 0.0:g}"  # adding zero makes -0 plain 0

    return re.sub(r"-?\d+\.\d+(?:e-?\d+)?", short, " ".join(numbers.split()))
