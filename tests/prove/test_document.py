"""From files to formulas."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchstone.prove.document import is_notebook, read_markdown, read_notebook


def formulas(text):
    return [
        [(formula.latex, formula.line) for formula in passage.formulas]
        for section in read_markdown(text)
        for passage in section.passages
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$$a = b$$", [[("a = b", 1)]]),
        ("$$\na = b\n$$", [[("a = b", 2)]]),
        ("\\[ a = b \\]", [[("a = b", 1)]]),
        ("text\n\n\\\\[ a = b \\\\]", [[("a = b", 3)]]),
        (
            "\\begin{align*}\na &= b \\\\\n  &= c\n\\end{align*}",
            [[("\\begin{align*}\na &= b \\\\\n  &= c\n\\end{align*}", 1)]],
        ),
        ("$$a$$\n\n$$b$$", [[("a", 1), ("b", 3)]]),
        ("$$a$$\n1. $$b$$\n", [[("a", 1), ("b", 2)]]),
        ("$$a$$.\n\n$$b$$", [[("a", 1), ("b", 3)]]),
        ("$$a$$\nand so\n$$b$$", [[("a", 1)], [("b", 3)]]),
        ("$$a$$\n# One\n$$b$$", [[("a", 1)], [("b", 3)]]),
        ("$$a$$\nwith $x$ in\n$$b$$", [[("a", 1)], [("b", 3)]]),
        ("It costs $5 or $6.\n$$a$$", [[("a", 2)]]),
        (r"It costs \$5.  $$a$$", [[("a", 1)]]),
        ("```\n$$not$$\n```\n`$$nor$$` $$a$$", [[("a", 4)]]),
        ("<!-- $$not$$ -->\n$$a$$", [[("a", 2)]]),
        ("$$\n\na\n\n$$", [[("a", 3)]]),
        ("$$$$ $$a$$", [[("a", 1)]]),
        ("$$a\r\n= b$$\r\n\r\n$$c$$", [[("a\n= b", 1), ("c", 4)]]),
        ("no formula here", []),
    ],
)
def test_formulas_and_their_lines(text, expected):
    assert formulas(text) == expected


def test_a_formula_that_is_not_closed_takes_no_other_with_it():
    text = "$$ a = b\n\nHere is a sentence with some words.\n\n$$ c = d $$"
    (first,), (second,) = [passage.formulas for section in read_markdown(text) for passage in section.passages]
    assert first.trouble == "$$ is not closed by $$"
    assert (first.line, second.latex, second.line, second.trouble) == (1, "c = d", 5, "")


def test_headings_make_sections_and_the_highest_of_them_start_afresh():
    text = "# **One**\n$$a$$\n## Part *i*\n$$b$$\n# Two:\n$$c$$\nThree\n-----\n$$d$$"
    sections = [(section.title, section.afresh) for section in read_markdown(text) if section.passages]
    assert sections == [("One", True), ("One › Part i", False), ("Two", True), ("Two › Three", False)]


def test_one_title_above_all_starts_nothing_afresh():
    sections = read_markdown("# Homework\n## Setup\n$$a$$\n## Result\n$$b$$")
    assert [section.afresh for section in sections if section.passages] == [False, False]


def test_an_exercise_starts_afresh_and_its_parts_do_not():
    sections = read_markdown("# Homework\n## Task 1: a\n$$a$$\n### 1. Setup\n$$b$$\n## Task 2\n$$c$$")
    assert [section.afresh for section in sections if section.passages] == [True, False, True]


def notebook(*cells):
    made = [
        {"cell_type": kind, "metadata": {}, "source": source}
        | ({"outputs": [], "execution_count": None} if kind == "code" else {})
        for kind, source in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def test_a_notebook_counts_lines_by_cell():
    text = notebook(("markdown", "# One\n\n$$a$$"), ("code", "1"), ("markdown", "$$\nb\n$$"))
    (first,), (second,) = [passage.formulas for section in read_notebook(text) for passage in section.passages]
    assert (first.cell, first.line, second.cell, second.line) == (1, 3, 3, 2)
    assert is_notebook(text)
    assert not is_notebook("$$a$$")
    assert not is_notebook('{"a": 1}')


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cells": 3}', '{"cells": [], "nbformat": "x"}'])
def test_what_is_no_notebook(text):
    with pytest.raises(ValueError, match="expected a notebook, got"):
        read_notebook(text)


def test_a_huge_cell_is_refused_with_its_size():
    ((formula,),) = [
        passage.formulas
        for section in read_notebook(notebook(("markdown", "$$" + "x" * 10_000_000 + "$$")))
        for passage in section.passages
    ]
    assert formula.trouble == "the cell has 10,000,004 characters; at most 1,000,000 are read"


@pytest.mark.parametrize(
    "text",
    [
        "$$ a\n\n",
        "$",
        "\\[",
        "`",
        "#",
        "a\n-\n",
        "<!--",
        "\\begin{align}",
        "$$ a b \n\nfoo bar baz quux \n",
        "$a",
        "$ ",
    ],
)
def test_a_long_text_of_openings_comes_to_its_end(text):
    # What goes back over the text at each opening would not.
    assert read_markdown(text * (400_000 // len(text)))


@given(st.text(alphabet="ab$\\[]()\n#`{}<!-> =", max_size=80))
def test_any_text_has_formulas_in_order(text):
    found = [formula for section in read_markdown(text) for passage in section.passages for formula in passage.formulas]
    lines = [formula.line for formula in found]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def test_a_quotation_is_read_without_its_marks():
    assert formulas("> So\n>\n> $$\n> a = b\n> $$\n\n$$\na\n> b\n$$") == [[("a = b", 4), ("a\n> b", 8)]]


def test_a_formula_that_ends_with_an_equals_sign_goes_on_in_the_next():
    assert formulas("$$a =$$ $$b =$$\nand so\n$$c$$") == [[("a", 1), ("= b", 1)], [("= c", 3)]]
    assert formulas("$$a =$$ $$= b$$ $$c \\neq$$ $$d$$")[0][1:] == [("= b", 1), ("c \\neq", 1), ("d", 1)]
