"""On a hosted page: a comparison is shared, read by another visitor, taken back; and all that is one's own is removed."""

import statistics

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server
from tests.browser.pressing import press_until
from tests.ui import fake_store
from workbench.store import Store
from workbench.ui.owner import COOKIE
from workbench.ui.shared_page import GONE, PLACE
from workbench.ui.shown import NO_RUNS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosted")
    one = Server(folder / "home", folder / "page.log", WORKBENCH_HOSTED="1")
    one.start()
    yield one
    one.kill()


@pytest.fixture
def reader(chromium):
    """Somebody else, who comes by the link and not by the page; with what their browser complained of."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page, complaints
    context.close()


def owner_of(page):
    (token,) = [one["value"] for one in page.context.cookies() if one["name"] == COOKIE]
    return token.partition(".")[0]


def compared(server, page):
    """Finished runs of the visitor who has this page open (invented ones: training is tested elsewhere)."""
    store = Store(server.home)
    fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1), owner=owner_of(page))
    return store


def open_compare(page, shown):
    press_until(page.locator("[role=tab][data-tab-id=compare]").first, shown)


def test_shared_read_by_another_and_taken_back(hosted, visit, reader):
    page = visit(hosted.url)
    runs = compared(hosted, page).runs(owner=owner_of(page))
    open_compare(page, page.locator(".wb-table tbody tr >> visible=true").filter(has_text="LoRA"))
    # A second press would close it again: only one that was lost for good is made up for.
    now = page.get_by_role("button", name="Share this comparison").locator("visible=true")
    press_until(page.get_by_role("button", name="Share", exact=True).locator("visible=true"), now, seconds=60)
    expect(page.get_by_text("You share no comparison yet.")).to_be_visible()
    field = page.get_by_label("Link to the shared comparison")
    press_until(now, field, seconds=60)
    link = field.input_value()
    assert link.startswith(f"{hosted.url.rstrip('/')}{PLACE}")

    other, complaints = reader
    answer = other.goto(link)
    assert answer.status == 200
    row = other.get_by_role("table").first.get_by_role("row").filter(has_text="LoRA").first
    expect(row).to_be_visible()
    scores = [run.result.metrics["accuracy"] for run in runs if run.spec.choice.method == "lora"]
    expect(row).to_contain_text(f"{100 * statistics.mean(scores):.1f}")
    assert complaints == []
    assert owner_of(page) not in str(other.context.cookies())

    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_text("You share no comparison yet.")).to_be_visible()
    answer = other.reload()
    assert answer.status == 404
    expect(other.get_by_text(GONE)).to_be_visible()


def test_everything_of_ones_own_goes_after_a_question(hosted, visit):
    page = visit(hosted.url)
    store = compared(hosted, page)
    before = len(store.runs())
    press_until(
        page.get_by_role("button", name="Remove everything of mine"), page.get_by_text("4 runs with results")
    )
    assert len(store.runs()) == before
    page.get_by_role("button", name="Remove it all").click()
    expect(page.get_by_text("Removed, and nobody can bring it back:")).to_be_visible()
    assert store.runs(owner=owner_of(page)) == []
    assert len(store.runs()) == before - 4
    open_compare(page, page.get_by_text(NO_RUNS).locator("visible=true"))
