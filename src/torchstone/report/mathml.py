"""LaTeX as MathML: formulas on a page without JavaScript."""

import re
from xml.etree import ElementTree

_LONGEST = 4000  # letters: beyond it, a browser is no place for a formula
_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
# What may come out of a translation of foreign text: elements and attributes that only lay out.
_TAG = re.compile(
    "math|mrow|mi|mn|mo|ms|mtext|mspace|mfrac|msqrt|mroot|mstyle|msup|msub|msubsup|mover|munder|munderover|"
    "mtable|mtr|mtd|mpadded|mphantom|menclose"
)
_ATTRIBUTE = re.compile(
    "display|displaystyle|mathvariant|stretchy|fence|form|accent|accentunder|columnalign|rowspacing|columnspacing|"
    "linebreak|linethickness|width|height|depth|lspace|rspace|minsize|maxsize|scriptlevel|separator|symmetric|"
    "movablelimits|largeop|notation"
)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|alignedat|split|align|eqnarray\*?|gathered|gather\*?)\}")


def mathml(source: str, display: bool = True) -> str | None:
    r"""A formula as MathML, or None where it can't be translated; never an element that is not MathML.

    >>> mathml("y^2", display=False)
    '<math display="inline"><mrow><msup><mi>y</mi><mn>2</mn></msup></mrow></math>'
    >>> mathml(r"\text{<script>}") is mathml(r"\nonsense{x}") is None
    True
    """
    if len(source) > _LONGEST:
        return None
    from latex2mathml.converter import convert

    source = _ENVIRONMENT.sub(lambda match: rf"\{match[1]}{{align*}}", source)
    if r"\begin" not in source:
        source = re.sub(r"(?<!\\)&", " ", source)
    try:
        root = ElementTree.fromstring(convert(source, display="block" if display else "inline"))
    except Exception:  # the translator raises what it likes; the source is shown then
        return None
    for element in root.iter():
        element.tag = element.tag.removeprefix(_NAMESPACE)
        known = _TAG.fullmatch(element.tag) and all(map(_ATTRIBUTE.fullmatch, element.attrib))
        if not known or (element.text or "").startswith("\\"):
            return None
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
