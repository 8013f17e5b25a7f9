"""The page in a real browser, where there is one: both schemes, on a wide and on a narrow screen."""

import re
import shutil
import subprocess
from html import escape

import matplotlib.image
import numpy as np
import pytest

import torchstone
from torchstone.prove.result import Chain, Counterexample, Proof, Step
from torchstone.report import derivation
from torchstone.report.proof import html

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
SCHEMES = {"dark": 0, "light": 1}  # Blink's own numbers
MEASURE = """<script>onload = () => parent.postMessage([document.documentElement.scrollWidth, innerWidth,
  document.querySelectorAll("figure > svg").length, ""].join("|"), "*")</script>"""
REPEAT = "<script>onmessage = message => document.title = message.data</script>"


def browse(folder, text, width, scheme, *options):
    """What the browser answers to a page, run with a fresh profile."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    settings = (f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1600")
    wanted = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    command = [BROWSER, *FLAGS, *settings, wanted, *options, file.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode()


@pytest.fixture(scope="session")
def pages(sample_page, trouble_page):
    wide = Step(1, None, "x + " * 200, "x + " * 200, "refuted", "x" * 300, Counterexample({"x": "1" * 200}, "1", "2"))
    proof = Proof("x" * 200, (Chain("y" * 200, 1, None, (wide,), "x", False),))
    return {
        "sample": sample_page,
        "trouble": trouble_page,
        "derivation": derivation.html(torchstone.derive("cross_entropy")),
        "proof": html(proof),
    }


@pytest.mark.parametrize("name", ["sample", "trouble", "derivation", "proof"])
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_the_page_fits_the_window(pages, tmp_path, name, width, scheme):
    # The window is an iframe: a headless browser may refuse to be as narrow as a telephone.
    inner = pages[name].replace("<details", "<details open").replace("</body>", MEASURE + "</body>")
    frame = f'<iframe width="{width}" height="900" srcdoc="{escape(inner)}"></iframe>'
    shown = browse(tmp_path, frame + REPEAT, 1600, scheme, "--dump-dom", "--virtual-time-budget=5000")
    found = re.search(r"<title>(\d+)\|(\d+)\|(\d+)\|", shown)
    assert found, shown[-300:]
    content, window, pictures = map(int, found.groups())
    assert window == width
    assert content <= window
    assert pictures == pages[name].count("<figure")


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_looks_different_in_light_and_in_dark(pages, tmp_path, width):
    light, dark = (screenshot(tmp_path, pages["sample"], width, scheme) for scheme in ("light", "dark"))
    assert light.shape == dark.shape
    for picture in (light, dark):
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20  # more than a blank page
    assert light[200, 2].min() > 0.9
    assert dark[200, 2].max() < 0.2


def screenshot(folder, text, width, scheme):
    """The top of the page as red, green and blue between 0 and 1."""
    file = folder / f"{scheme}.png"
    browse(folder, text, width, scheme, f"--screenshot={file}")
    return matplotlib.image.imread(file)[:, :, :3]
