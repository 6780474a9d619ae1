"""The page's tabs for tests: what each shows once it is drawn, and how to get there."""

from playwright.sync_api import Page, TimeoutError

TABS = {
    "data": ".wb-set",
    "methods": ".wb-pick",
    "train": ".wb-event",
    "inference": ".wb-ask-text",
    "compare": ".wb-table tbody tr",
    "learn": ".wb-lesson-card",
}
"""What is on show in each tab once it is drawn."""
OPEN = """() => {
  for (const tab of document.querySelectorAll(".tabitem")) {
    if (!tab.getClientRects().length) continue;
    tab.querySelectorAll("details:not([open])").forEach((one) => { one.open = true; });
    tab.querySelectorAll("button.label-wrap:not(.open)").forEach((one) => one.click());
  }
}"""


def open_tab(page: Page, name: str) -> None:
    """Once more where nothing came of it: a press may come before the page listens."""
    shown = page.locator(f"{TABS[name]} >> visible=true").first
    for _ in range(4):
        # On a narrow window some tabs are behind a menu.
        page.locator(f"[role=tab][data-tab-id={name}]").first.evaluate("tab => tab.click()")
        try:
            shown.wait_for(timeout=15_000)
            return
        except TimeoutError:
            continue
    raise AssertionError(f"the tab {name} was not drawn")


def open_folds(page: Page) -> None:
    """Everything that is folded in the tab on show; what was opened may ask the server for what is in it."""
    page.evaluate(OPEN)
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_function("!document.querySelector('.pending, .generating')")
