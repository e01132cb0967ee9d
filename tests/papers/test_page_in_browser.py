"""Web pages in a browser: nothing to complain about, every equation set, read by hand, eye and keyboard.

These tests need Chromium and its driver (Debian: chromium, chromium-driver).
"""

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_page import contrast

import symrnn as sr
from symrnn.papers.web.difference import difference_page
from symrnn.publishing.pages import write_pages
from symrnn.zoo import CELLS

DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
PHONE, DESK = 360, 1200
COMPARED = (("gru", "gru_reset_after"), ("elman", "gru"))
DIFFERENCES = [f"{left}_{right}" for left, right in COMPARED]
OPTIONS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "disable-dev-shm-usage", "force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the shipped cells, and some that show how two of them differ."""
    made = tmp_path_factory.mktemp("pages")
    write_pages(list(CELLS.values()), made)
    for left, right in COMPARED:
        compared = difference_page(sr.diff(CELLS[left], CELLS[right]))
        (made / f"{left}_{right}.html").write_text(compared, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests."""
    if DRIVER is None or CHROMIUM is None:  # CI installs them and refuses skipped tests
        pytest.skip("Chromium or its driver is missing: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for name in OPTIONS:
        options.add_argument(f"--{name}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


@pytest.fixture
def visit(browser: webdriver.Chrome, folder: Path) -> Iterator[Callable[..., webdriver.Chrome]]:
    """Open a page at a width, in light or dark mode, with scripts or without."""

    def opened(
        name: str, width: int = DESK, mode: str = "light", *, scripts: bool = True
    ) -> webdriver.Chrome:
        tell = browser.execute_cdp_cmd
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
        tell("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": mode}]}
        tell("Emulation.setEmulatedMedia", media)
        tell("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        browser.get((folder / f"{name}.html").as_uri())
        return browser

    yield opened
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.get_log("browser") == []


BOXES = """
return [...document.querySelectorAll("math")].map(math => {
  const size = parseFloat(getComputedStyle(math).fontSize);
  const boxes = [...math.querySelectorAll("mi, mn, mo, mtext")].map(token => token.getBoundingClientRect());
  const low = (side) => Math.min(...boxes.map(box => box[side]));
  const high = (side) => Math.max(...boxes.map(box => box[side]));
  const empty = boxes.filter(box => box.width < 1 || box.height < 1).length;
  const wide = high("right") - low("left"), tall = high("bottom") - low("top");
  return [math.textContent, math.closest(".equation") !== null, wide / size, tall / size, empty];
});
"""


@pytest.mark.parametrize("name", [*CELLS, "index", *DIFFERENCES])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_formula_is_set_and_nothing_sticks_out(
    visit: Callable[..., Any], name: str, width: int
) -> None:
    browser = visit(name, width)
    boxes = browser.execute_script(BOXES)
    assert boxes
    for text, is_displayed, wide, tall, empty in boxes:
        assert empty == 0, text
        assert 0.25 < wide < (45 if is_displayed else 20), text
        lowest = 0.2 if text == "=" else 0.3  # alone on the page before a frame that is cut
        assert lowest < tall < (40 if is_displayed else 5), text
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


LINES = """
const pieces = document.querySelectorAll(arguments[0] + " .cut > *");
const places = [...pieces].map(piece => piece.getBoundingClientRect().left);
return places.filter((place, number) => number === 0 || place <= places[number - 1]).length;
"""
CLIPPED = """
return [...document.querySelectorAll(".formula")].filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => box.textContent);
"""


def test_long_equations_break_on_a_phone_and_not_on_a_desk(visit: Callable[..., Any]) -> None:
    equation = "#eq-adjoint-x"
    assert visit("lstm", DESK).execute_script(LINES, equation) == 2  # the chain rule and what it gives
    assert visit("lstm", PHONE).execute_script(LINES, equation) > 3


@pytest.mark.parametrize("name", [*CELLS, *DIFFERENCES])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_equation_of_a_shipped_cell_needs_scrolling(
    visit: Callable[..., Any], name: str, width: int
) -> None:
    assert visit(name, width).execute_script(CLIPPED) == []


def test_equal_signs_stand_below_one_another(visit: Callable[..., Any]) -> None:
    browser = visit("gru")
    columns = browser.execute_script(
        'return [...document.querySelector("#forward .equations").querySelectorAll(".sides")]'
        ".map(sides => Math.round(sides.getBoundingClientRect().left));"
    )
    assert len(columns) == len(CELLS["gru"].equations)
    assert len(set(columns)) == 1


def test_links_lead_to_their_equations_and_pages(visit: Callable[..., Any]) -> None:
    browser = visit("gru")
    browser.find_element(By.CSS_SELECTOR, "#backward .ref").click()
    target = browser.execute_script("return document.querySelector(':target').id")
    assert browser.current_url.endswith(f"#{target}")
    assert target == "eq-c"
    top = browser.execute_script("return document.querySelector(':target').getBoundingClientRect().top")
    assert 0 <= top < 800
    browser.find_element(By.CSS_SELECTOR, ".up a").click()
    assert browser.title == "Recurrent cells"
    browser.find_element(By.CSS_SELECTOR, "a[href='lstm.html']").click()
    assert browser.current_url.endswith("/lstm.html")


def test_the_copy_button_copies_the_kernel(visit: Callable[..., Any]) -> None:
    browser = visit("elman")
    browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    for name, source in (
        ("elman_numba.py", sr.emit(CELLS["elman"], target="numba")),
        ("the plan", str(sr.plan(CELLS["elman"]))),
    ):
        button = browser.find_element(By.CSS_SELECTOR, f'button[aria-label="Copy {name}"]')
        button.click()
        copied = browser.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0], error => arguments[0](String(error)))"
        )
        assert copied == source
        assert button.find_element(By.XPATH, "../*[@role='status']").text == "Copied"


def test_selecting_a_kernel_leaves_its_line_numbers(visit: Callable[..., Any]) -> None:
    browser = visit("elman")
    browser.find_element(By.CSS_SELECTOR, "#numpy summary").click()
    selected = browser.execute_script(
        'getSelection().selectAllChildren(document.querySelector("#numpy .numbered"));'
        "return getSelection().toString()"
    )
    assert selected.strip() == sr.emit(CELLS["elman"], target="numpy").strip()


FOCUS = """
const element = document.activeElement, style = getComputedStyle(element);
return [element.tagName, element.textContent.slice(0, 40), style.outlineStyle];
"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Callable[..., Any]) -> None:
    browser = visit("elman")
    wanted = browser.execute_script(
        'return document.querySelectorAll("a[href], button, summary, #plan pre").length'
    )
    places = []
    for _ in range(wanted):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        places.append(tuple(browser.execute_script(FOCUS)))
    assert places[0][:2] == ("A", "Skip to the content")
    assert [place[0] for place in places].count("BUTTON") == 3
    assert [place[0] for place in places].count("SUMMARY") == 2
    assert "PRE" in {place[0] for place in places}
    assert {place[2] for place in places} == {"solid"}
    assert "BODY" not in {place[0] for place in places}
    browser.find_element(By.CSS_SELECTOR, "#numba summary").send_keys(Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "#numba pre").is_displayed()


INKS = """
const solid = colour => colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent";
const found = new Set();
for (const element of document.body.querySelectorAll("*")) {
  if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
  if (!element.checkVisibility()) continue;
  let behind = element;
  while (behind && !solid(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const style = getComputedStyle(element);
  const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
  found.add([ink, behind ? getComputedStyle(behind).backgroundColor : "none"].join("; "));
}
return [...found];
"""


def as_hex(colour: str) -> str:
    parts = colour[colour.index("(") + 1 : -1].split(",")
    assert len(parts) == 3, colour
    return "#" + "".join(f"{int(part):02x}" for part in parts)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["lstm", "index", "elman_gru"])
def test_all_text_can_be_read_in_light_and_in_dark(visit: Callable[..., Any], name: str, mode: str) -> None:
    browser = visit(name, DESK, mode)
    for summary in browser.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    found = [tuple(map(as_hex, pair.split("; "))) for pair in browser.execute_script(INKS)]
    assert len(found) >= (8 if name == "lstm" else 3)
    for ink, ground in found:
        assert contrast(ink, ground) >= 4.5, (ink, ground)
        assert (int(ground[1:], 16) > 0x808080) == (mode == "light")


MARKS = """
return [...document.querySelectorAll(".framed")].map(mark => {
  const style = getComputedStyle(mark), box = mark.getBoundingClientRect();
  const own = [...mark.querySelectorAll("mi, mo")].map(token => token.getBoundingClientRect());
  const within = own.every(token => token.left >= box.left - 1 && token.right <= box.right + 1);
  return [style.backgroundColor, style.borderBottomStyle, parseFloat(style.borderBottomWidth), within];
});
"""


@pytest.mark.parametrize("medium", ["light", "dark", "print"])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_differs_is_marked_by_more_than_colour(
    visit: Callable[..., Any], name: str, medium: str
) -> None:
    browser = visit(name, PHONE, "light" if medium == "print" else medium)
    if medium == "print":
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    marks = browser.execute_script(MARKS)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert len(marks) == (6 if name == "elman_gru" else 4)
    tints = {"#403a1e"} if medium == "dark" else {"#fbeec2"}
    assert {as_hex(ground) for ground, *_ in marks} == tints
    assert all(line == "solid" and thick >= 2 and within for _, line, thick, within in marks)


def test_what_differs_is_told_to_those_who_listen(visit: Callable[..., Any]) -> None:
    tree = visit("gru_gru_reset_after").execute_cdp_cmd("Accessibility.getFullAXTree", {})
    told = [node["name"]["value"] for node in tree["nodes"] if not node["ignored"] and "name" in node]
    for words in ("Different", "The same but for names", "Only in gru: r * c"):
        assert words in told
    for secret in visit("gru_gru_reset_after").find_elements(By.CLASS_NAME, "spoken"):
        assert secret.size["width"] <= 1


def test_without_scripts_the_page_is_whole_and_has_no_dead_button(visit: Callable[..., Any]) -> None:
    browser = visit("elman", scripts=False)
    assert browser.find_elements(By.TAG_NAME, "button") == []
    browser.find_element(By.CSS_SELECTOR, "#numpy summary").click()
    assert browser.find_element(By.CSS_SELECTOR, "#numpy pre").is_displayed()
    assert len(browser.find_elements(By.TAG_NAME, "math")) > 50


def test_paper_has_the_derivation_without_buttons_and_closed_kernels(visit: Callable[..., Any]) -> None:
    browser = visit("elman")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not any(button.is_displayed() for button in browser.find_elements(By.TAG_NAME, "button"))
    assert not browser.find_element(By.TAG_NAME, "nav").is_displayed()
    assert browser.find_element(By.ID, "results").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = base64.b64decode(browser.print_page())
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") <= 8
