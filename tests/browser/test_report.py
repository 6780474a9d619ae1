"""The report as a reader opens it: a file, no network, light and dark, on a wide and on a narrow screen."""

import pytest

from tests.ui import fake_store
from workbench import compare
from workbench.report_content import gather
from workbench.report_html import write
from workbench.store import Store

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (400, "dark")])
def test_it_is_complete_with_the_network_off(
    chromium, store: Store, tmp_path, monkeypatch: pytest.MonkeyPatch, width, scheme
):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("full", "lora", "head", "dora"), seeds=(0, 1, 2), failing="dora")
    path = tmp_path / "report.html"
    report = gather(store, compare.comparison(store))
    write(report, path)
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_offline(True)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert said == []
    for title in (
        "What the numbers say",
        "Comparison",
        "Plots",
        "What did not finish",
        "Setting",
        "Repeat it",
    ):
        assert page.get_by_role("heading", name=title, exact=True).is_visible(), title
    assert page.locator("svg").count() == len(report.plots) > 1
    assert all(box["width"] > 200 for box in (svg.bounding_box() for svg in page.locator("svg").all()))
    assert page.get_by_text(report.verdicts[0][0], exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in ground.strip("rgb()").split(",")[:3]) / 3
    assert (lightness < 80) == (scheme == "dark")
    context.close()
