"""The page and the notebook fragment: complete, self-contained, well-formed, and safe with any name."""

import re
from dataclasses import replace

import pytest

from torchstone.compare.result import Comparison
from torchstone.report.html import contents, page, table, verdict

EMPTY = Comparison(rows=(), torch="2.13.0")


@pytest.fixture(params=["sample", "trouble", "empty"])
def either(request, sample, sample_page, trouble, trouble_page):
    """A comparison and its page."""
    return {"sample": (sample, sample_page), "trouble": (trouble, trouble_page), "empty": (EMPTY, page(EMPTY))}[
        request.param
    ]


def test_every_row_has_a_section_and_every_link_leads_somewhere(document, either):
    comparison, text = either
    found = document(text)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    links = [target for target in found.values("href") if target.startswith("#")]
    assert {target[1:] for target in links} <= set(ids)
    for attribute in ("clip-path", "aria-labelledby"):
        used = {value.removeprefix("url(#").removesuffix(")") for value in found.values(attribute)}
        assert used <= set(ids)
    articles = [attributes["id"] for tag, attributes in found.elements if tag == "article"]
    assert len(articles) == len(comparison.rows)
    assert {f"#{anchor}" for anchor in articles} <= set(links)


def test_the_page_needs_nothing_but_itself(document, either):
    _, text = either
    found = document(text)
    assert found.tags().isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert all(target.startswith("#") for target in found.values("href") + found.values("src"))
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)'\"]*)", text))
    assert not re.findall(r"https?://", text)


def test_names_and_sentences_never_become_markup(document, trouble, trouble_page):
    hostile = trouble.rows[0].name
    for text in (trouble_page, table(trouble)):
        found = document(text)
        assert "script" not in found.tags()
        assert "i" not in found.tags()
        shown = "".join(found.text)
        assert hostile in shown
        assert trouble.rows[0].problems[1] in shown


def test_both_schemes_define_every_colour_that_is_used(sample_page, trouble_page):
    style = re.search(r"<style>(.*?)</style>", sample_page, re.S)[1]
    dark = style[style.index("prefers-color-scheme: dark") :]
    light, dark = style[: style.index("@media")], dark[: dark.index("\n}")]
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", sample_page + trouble_page))
    for scheme in (light, dark):
        assert used <= set(re.findall(r"(--[a-z0-9-]+):", scheme))
    assert set(re.findall(r"#[0-9a-f]{6}", light)).isdisjoint(set(re.findall(r"#[0-9a-f]{6}", dark)))


def test_pictures_take_their_colours_from_the_page_and_are_named(sample, sample_page):
    pictures = re.findall(r"<svg viewBox.*?</svg>", sample_page, re.S)
    functions = [row for row in sample.rows if row.curve]
    runs = [training for row in sample.rows for training in row.training]
    assert len(pictures) == 2 * len(functions) + len(runs) + len([run for run in runs if run.path]) + 2
    for picture in pictures:
        assert not re.search(r"#[0-9a-f]{3,6}\b(?!-)", re.sub(r"url\([^)]*\)", "", picture).replace('href="#', ""))
        assert re.search(r'aria-label="[^"]{10,}"', picture)
        assert "font-family" not in picture
        assert len(picture) < 120_000


def test_the_page_is_small_and_the_same_every_time(sample, sample_page):
    assert len(sample_page.encode()) < 3_000_000
    few = replace(sample, rows=(sample.rows[0], sample.rows[-1]))
    assert page(few) == page(few)


def test_the_numbers_are_there_for_people(document, sample_page):
    shown = " ".join("".join(document(sample_page).text).split())
    for text in ("2.4e7", "3 not finite", "1.40×", "65.5 k", "3.2e-16", "8 MB", "float16", "input = 1.5, target = 0"):
        assert text in shown
    for word in ("Unit in the last place", "NaN or infinity although", "divided by PyTorch", "budget"):
        assert word in shown


def test_problems_stand_at_the_top_and_in_their_section(document, trouble, trouble_page):
    shown = "".join(document(trouble_page).text)
    wrong = [row for row in trouble.rows if not row.ok]
    assert shown.count("It is wrong.") == 2 * len(wrong)
    assert shown.count("It is noted.") == len(trouble.rows)
    assert f"{len(wrong)} of {len(trouble.rows)} are out of policy." in shown
    assert "✗" in shown


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_the_fragment_has_a_row_for_each_and_brings_no_page_with_it(document, sample, kept):
    text = table(replace(sample, rows=sample.rows[-kept:] if kept else ()))
    found = document(text)
    assert found.tags().isdisjoint({"html", "head", "body", "script", "a"})
    assert not found.values("id")
    assert found.elements[0] == ("div", {"class": "torchstone"})
    assert [each["scope"] for tag, each in found.elements if tag == "th"].count("row") == kept
    rules = re.search(r"<style>(.*?)</style>", text, re.S)[1].strip().splitlines()
    assert all(rule.startswith(".torchstone") for rule in rules)


def test_the_fragment_is_what_notebooks_show(sample):
    assert sample._repr_html_() == table(sample)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (slice(0), "Nothing was compared."),
        (slice(3, 4), "Größe is within policy."),
        (slice(0, 1), "<script>alert('&')</script> is out of policy."),
        (slice(1, 3), "1 of 2 is out of policy."),
        (slice(0, 3), "2 of 3 are out of policy."),
    ],
)
def test_the_verdict_is_a_sentence(trouble, chosen, expected):
    assert verdict(replace(trouble, rows=trouble.rows[chosen])) == expected


def test_the_lead_says_what_was_compared(sample):
    assert contents(sample).startswith("8 losses, 10 activations and 5 optimizers of torchstone beside PyTorch's")
    assert contents(replace(sample, rows=sample.rows[:1])).startswith("torchstone.losses:L1Loss beside torch.nn.L1Loss")
    assert contents(replace(sample, rows=sample.rows[7:9])).startswith("1 loss and 1 activation of torchstone")
    other = replace(sample.rows[1], subject="work/mine.v2.py:MyLoss")
    assert " of torchstone, work/mine.v2.py beside" in contents(replace(sample, rows=(sample.rows[0], other)))
