"""The whole page in Chinese, as a browser set to Chinese shows it: no English is left, the switch holds."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.tabs import TABS, open_folds, open_tab, settle
from workbench import languages, registry
from workbench.data.bundled import bundled
from workbench.presets import shipped_presets
from workbench.published_rows import published_rows
from workbench.sources import embedded

pytestmark = pytest.mark.browser

UNITS = {
    "GiB",
    "MiB",
    "KiB",
    "tok",
    "CSV",
    "JSON",
    "Markdown",
    "workbench",
    "invented",
    "Invented",
    "processor",
    "float",
}
UNITS |= {"llama", "mistral", "gpt", "qwen", "Apache", "plotly", "AMD", "EPYC"}
WORD = re.compile(r"(?<![\w./=\-…])[A-Za-z][a-z]+(?![\w/=…-])")
TEXTS = """() => {
  const stays = "script, style, noscript, textarea, pre, code, kbd, .notranslate, .cm-editor, [translate=no], [contenteditable=true]";
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    const element = node.nodeType === 3 ? node.parentElement : node;
    if ((node.nodeType === 3 ? element : element.parentElement || element).closest(stays) || !element.getClientRects().length) continue;
    if (node.nodeType === 3) found.push(node.data.trim());
    else for (const name of ["aria-label", "title", "placeholder", "alt", "data-label", "data-count", "data-said"]) found.push(node.getAttribute(name) || "");
    if (node.matches?.("input[role=combobox]") && !node.parentElement.hasAttribute("data-said")) found.push(node.value);
  }
  return [...new Set(found)].filter((text) => /[A-Za-z]{2}/.test(text));
}"""


@pytest.fixture(scope="module")
def names():
    """Words that are the same in both languages: those of the translations themselves, of methods, options, models, data."""
    said = [re.sub(r"\{[^{}]*\}", " ", text) for text in languages.catalogue("zh").values()]
    for method in registry.methods().values():
        said += [method.name, method.title, *(fact.name for fact in method.options.facts())]
        said += [str(choice) for fact in method.options.facts() for choice in fact.choices or ()]
    said += [card.name for card in bundled(every=True)] + [card.name for card in embedded()]
    said += [row.label for row in published_rows()]
    said += [f"{preset.data} {preset.model}" for preset in shipped_presets()]
    return {word for text in said for word in re.findall(r"[A-Za-z]+", text)} | UNITS


def english(page, names):
    """Every text on show with an English word in it that is nobody's name."""
    return [text for text in page.evaluate(TEXTS) if set(WORD.findall(text)) - names]


@pytest.fixture
def chinese(filled, visit):
    """Opens the page as a browser set to Chinese does, and waits until the server's first answers are drawn."""

    def open_page():
        page = visit(filled.url, locale="zh-CN")
        page.locator(f"{TABS['data']} >> visible=true").first.wait_for()
        page.locator("[data-language=zh][aria-pressed=true]").wait_for()
        return page

    return open_page


def test_every_tab_speaks_chinese(chinese, names):
    page = chinese()
    page.wait_for_function("document.documentElement.lang === 'zh-Hans'")
    assert "微调" in page.title()
    left = {}
    for name in TABS:
        open_tab(page, name)
        open_folds(page)
        left[name] = english(page, names)
        # Not for want of anything to read.
        assert page.evaluate("document.body.innerText.match(/[\\u3400-\\u9fff]/g).length") > 200
    assert left == {name: [] for name in TABS}


def test_sheets_and_drawers_speak_chinese(chinese, names):
    page = chinese()
    open_tab(page, "data")
    page.locator("[data-action=card] >> visible=true").first.click()
    page.locator(".wb-sheet .wb-sheet-head >> visible=true").wait_for()
    assert english(page, names) == []
    page.locator(".wb-sheet [data-action=close] >> visible=true").click()
    open_tab(page, "methods")
    page.locator(".wb-pick[data-key=lora]").first.click()
    page.locator(".wb-drawer [data-form] >> visible=true").first.wait_for()
    for place in range(
        page.locator(".wb-drawer [role=radio], .wb-drawer label:has(input[type=radio])").count()
    ):
        page.locator(".wb-drawer label:has(input[type=radio])").nth(place).click()
        assert english(page, names) == []


def test_the_switch_holds_over_a_reload(filled, visit):
    page = visit(filled.url)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    data = page.locator("[role=tab][data-tab-id=data]").first
    assert data.inner_text() == "Data"
    page.reload()
    page.get_by_role("tab", name="Data").first.wait_for()
    assert [url for url in asked if "/language/" in url] == [], "an English page needs no catalogue"
    page.locator("[data-language=zh] >> visible=true").click()
    page.wait_for_function("document.documentElement.lang === 'zh-Hans'")
    page.get_by_role("tab", name="数据").first.wait_for()
    page.reload()
    page.get_by_role("tab", name="数据").first.wait_for()
    pressed = page.locator("[data-language=zh][aria-pressed=true]")
    pressed.wait_for()
    (kept,) = [one for one in page.context.cookies() if one["name"] == "workbench-language"]
    assert kept["value"] == "zh"
    assert kept["sameSite"] == "Lax"
    page.locator("[data-language=en] >> visible=true").focus()
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Data").first.wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_choice_is_found_by_what_it_is_called(chinese):
    page = chinese()
    open_tab(page, "methods")
    open_folds(page)
    field = page.get_by_role("combobox", name="学习率计划")
    field.wait_for()
    assert field.input_value() == "linear"
    field.click()
    page.locator("[role=option] >> visible=true").nth(2).wait_for()
    field.fill("余弦")
    option = page.locator("[role=option]:not([hidden])")
    expect(option).to_have_count(1)
    option.click()
    expect(page.locator("[data-said=余弦]")).to_have_count(1)
    settle(page)
    expect(page.locator("[data-said=余弦]")).to_have_count(1)
    assert field.input_value() == "cosine"
