"""A page that is being left, on a server slow to answer, asks for nothing more until the next one is there."""

import time

import pytest
from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SLOW_SECONDS = 4.0  # Gradio's page looks for its server anew two seconds after it has lost it


def test_a_reload_is_one_reload(filled, visit):
    page: Page = visit(filled.url)
    asked: list[str] = []

    def late(route: Route) -> None:
        time.sleep(SLOW_SECONDS)
        route.continue_()

    page.locator("[role=tab][data-tab-id=train]").first.click()
    page.wait_for_timeout(2_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("framenavigated", lambda frame: asked.append("the next page"))
    page.route(filled.url, late)
    with page.expect_navigation():
        # An event is on its way when the page is told to go.
        page.evaluate(
            "document.querySelector('[role=tab][data-tab-id=compare]').click(); setTimeout(() => location.reload(), 5)"
        )
    page.locator("[role=tab][data-tab-id=data]").first.wait_for()
    while_leaving = asked[asked.index(filled.url) + 1 : asked.index("the next page")]
    assert while_leaving == []
    assert asked.count(filled.url) == 1
