"""Takes the README's pictures from the real page: `python -m tests.browser.pictures`. Trains the workshop preset first.

`python -m tests.browser.pictures STORE` shows a store's newest setting; `... STORE FOLDER` takes every tab in Chinese, wide
and narrow, into a folder instead.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ROOT, Server
from tests.conftest import CHROMIUM, FLAGS
from workbench.cli import main as workbench
from workbench.ui.context import TAB_IDS

PICTURES = ROOT / "assets" / "pictures"
WIDTH, NARROW = 1440, 390
QUESTION = "Everyone told me to expect a mess, but not for one minute did I regret going there."


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).first.click()
    page.wait_for_timeout(4000)


def take(page: Page, name: str, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(f"{name}.png", file=sys.stderr)


def ask(page: Page) -> None:
    page.get_by_placeholder("A text for all of them to judge").fill(QUESTION)
    page.keyboard.press("Control+Enter")
    page.locator(".wb-said").first.wait_for(timeout=120_000)


def tour(page: Page) -> None:
    """Every tab, with real runs behind it."""
    page.get_by_role("tab", name="Data").first.wait_for()
    page.wait_for_timeout(3000)
    page.locator("[data-action=choose][data-key=reviews]").first.click()
    page.get_by_role("button", name="Next: choose methods").wait_for(timeout=90_000)
    take(page, "data", 1240)
    open_tab(page, "Methods")
    page.get_by_role("button", name="A sensible handful").click()
    page.wait_for_timeout(8000)
    take(page, "methods", 1240)
    open_tab(page, "Train")
    take(page, "train", 1000)
    open_tab(page, "Inference")
    ask(page)
    take(page, "inference", 760)
    open_tab(page, "Compare")
    page.wait_for_timeout(4000)
    take(page, "compare", 1420)


def tour_in_chinese(browser: Browser, url: str, folder: Path) -> None:
    """Every tab at both widths, from top to bottom."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in (WIDTH, NARROW):
        page = browser.new_page(viewport={"width": width, "height": 900}, locale="zh-CN")
        page.goto(f"{url}?__theme=light")
        for name in TAB_IDS:
            # On a narrow window some tabs are behind a menu.
            page.locator(f"[role=tab][data-tab-id={name}]").first.evaluate("tab => tab.click()")
            page.wait_for_timeout(5000)
            page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
            print(f"{name}-{width}.png", file=sys.stderr)
        page.close()


def main(home: Path | None = None, chinese: Path | None = None) -> None:
    """With a store given, its newest setting is shown; else the workshop preset is trained first."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(home or Path(folder) / "home", Path(folder) / "page.log")
        if home is None:
            begun = time.monotonic()
            workbench(["run", "workshop", "--store", str(server.home)])
            print(f"trained in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                if chinese is not None:
                    tour_in_chinese(browser, server.url, chinese)
                    return
                page = browser.new_page(viewport={"width": WIDTH, "height": 900})
                page.goto(f"{server.url}?__theme=light")
                tour(page)
        finally:
            server.kill()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
