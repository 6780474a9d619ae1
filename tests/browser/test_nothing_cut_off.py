"""Every tab, a sheet, the drawer and a lesson, in both languages, wide and narrow: no text is cut off, squeezed or broken."""

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.pressing import press_until
from tests.browser.tabs import TABS, open_folds, open_tab, settle
from workbench.lessons import LANGUAGES

pytestmark = pytest.mark.browser

WIDTHS = (390, 1440)
CUT = """() => {
  const found = new Set();
  const say = (what, one) => found.add(`${what}: ${one.tagName.toLowerCase()}.${one.className} ${one.textContent.trim().replace(/\\s+/g, " ").slice(0, 80)}`);
  const apart = "svg, input, select, .js-plotly-plot, .cm-editor, .wb-hidden, .sr-only";
  const range = document.createRange();
  const rows = (rects) => new Set(rects.map((one) => Math.round(one.top / 4))).size;
  if (document.documentElement.scrollWidth > innerWidth) found.add(`wider than the window: ${document.documentElement.scrollWidth}`);
  for (const one of document.querySelectorAll("body *")) {
    if (!one.getClientRects().length || one.closest(apart)) continue;
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || style.clipPath !== "none" || style.visibility !== "visible") continue;
    const hides = (how) => ["hidden", "clip"].includes(how);
    if (one.textContent.trim() && hides(style.overflowX) && one.scrollWidth > one.clientWidth + 1) {
      // Dots may stand for what is said in full when one points at it.
      if (style.textOverflow !== "ellipsis" || !one.closest("[title], [aria-label]")) say("cut", one);
    }
    if (one.textContent.trim() && hides(style.overflowY) && one.scrollHeight > one.clientHeight + 2) say("cut below", one);
    for (const node of one.childNodes) {
      if (node.nodeType !== 3 || !node.data.trim()) continue;
      range.selectNodeContents(node);
      const rects = [...range.getClientRects()].filter((rect) => rect.width > 1);
      if (!rects.length) continue;
      const left = Math.min(...rects.map((rect) => rect.left)), right = Math.max(...rects.map((rect) => rect.right));
      const height = Math.max(...rects.map((rect) => rect.bottom)) - Math.min(...rects.map((rect) => rect.top));
      let scrolls = one;
      while (scrolls && getComputedStyle(scrolls).overflowX === "visible") scrolls = scrolls.parentElement;
      if (right > innerWidth + 1 && !scrolls) say("beyond the window", one);
      if (one.matches("button, .wb-badge, .wb-chip") && (right > box.right + 1 || height > box.height + 2)) say("larger than its frame", one);
      if (rects.length < 2) continue;
      if (rows(rects) > 1 && right - left < 60 && height > 1.3 * (right - left)) say("squeezed", one);
      if (one.closest("[translate=no], .notranslate, pre, code, .wb-mono")) continue;
      for (const word of node.data.matchAll(/[A-Za-z]{2,}/g)) {
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (rows([...range.getClientRects()].filter((rect) => rect.width > 0)) > 1) say(`“${word[0]}” is broken`, one);
      }
    }
  }
  return [...found];
}"""


def cut_off(page) -> list[str]:
    """What is still cut off at each width when the page has come to rest."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        try:
            page.wait_for_function(f"({CUT})().length === 0", timeout=10_000)
        except TimeoutError:
            found += [f"{width} px: {one}" for one in page.evaluate(CUT)]
    return found


def see_sheet(page) -> None:
    open_tab(page, "data")
    sheet = page.locator(".wb-sheet .wb-sheet-head >> visible=true")
    press_until(page.locator("[data-action=card] >> visible=true").first, sheet)


def close_sheet(page) -> None:
    page.locator(".wb-sheet [data-action=close] >> visible=true").click()
    page.locator(".wb-sheet").first.wait_for(state="hidden")


def see_drawer(page) -> None:
    open_tab(page, "methods")
    form = page.locator(".wb-drawer [data-form] >> visible=true")
    press_until(page.locator(".wb-pick[data-key=lora]").first, form)


def see_lesson(page) -> None:
    open_tab(page, "learn")
    lesson = page.locator('[data-action="open"][data-key="lesson-2"] >> visible=true')
    press_until(lesson.first, page.locator(".wb-lesson >> visible=true"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_cut_off(filled, visit, language):
    page = visit(filled.url, locale={"en": "en-GB", "zh": "zh-CN"}[language])
    page.locator(f"[data-language={language}][aria-pressed=true]").wait_for()
    found = {}
    for name in TABS:
        open_tab(page, name)
        open_folds(page)
        found[name] = cut_off(page)
    see_sheet(page)
    found["sheet"] = cut_off(page)
    close_sheet(page)
    see_drawer(page)
    found["drawer"] = cut_off(page)
    see_lesson(page)
    found["lesson"] = cut_off(page)
    assert found == {name: [] for name in found}
