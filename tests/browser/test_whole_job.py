"""The whole job as a person does it: bring a file, tick three methods, train, reload, ask, compare, download."""

import csv
import io
import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from workbench.cli import main
from workbench.home import shipped

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
METHODS = ("full", "freeze", "lora")
expect.set_options(timeout=30_000)


@pytest.fixture
def reviews_file(tmp_path: Path) -> Path:
    """300 bundled reviews under other column names, with two faults that the doctor must find."""
    with (shipped("assets") / "datasets" / "reviews" / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:300]
    path = tmp_path / "my reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "stars"])
        writer.writerows([row["text"], row["label"]] for row in rows)
        writer.writerow([rows[0]["text"], rows[0]["label"]])
        writer.writerow(["", "positive"])
    return path


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).first.click()


def bring(page: Page, path: Path) -> None:
    """Upload a file on the Data tab and wait for the doctor."""
    page.get_by_text("Upload a file", exact=True).first.click()
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_text("report", exact=False).first).to_be_visible(timeout=90_000)
    expect(page.get_by_role("button", name="Next: choose methods")).to_be_visible(timeout=90_000)


def tick(page: Page, names: tuple[str, ...]) -> None:
    for name in names:
        card = page.locator(f'.wb-pick[data-key="{name}"]')
        expect(card).to_be_visible(timeout=120_000)
        box = card.get_by_role("checkbox")
        box.click()
        expect(box).to_be_checked()


def set_budget(page: Page, steps: int) -> None:
    page.get_by_label("Budget in").first.click()
    page.get_by_role("option", name="steps").click()
    amount = page.get_by_label("Amount").first
    amount.fill(str(steps))
    amount.press("Tab")


def runs_of(server) -> list[dict]:
    from workbench.compare import run_record
    from workbench.store import Store

    return [run_record(run) for run in Store(server.home).runs()]


def wait_for_runs(server, count: int, seconds: float = 300) -> list[dict]:
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        runs = runs_of(server)
        if len(runs) == count and all(
            r["state"] in ("finished", "failed", "cancelled", "lost") for r in runs
        ):
            return runs
        time.sleep(0.5)
    raise AssertionError(
        f"not ended within {seconds} s: {[(r['label'], r['state']) for r in runs_of(server)]}"
    )


def test_the_whole_job(server, visit, reviews_file, tmp_path, capsys, monkeypatch):
    page = visit(server.url)
    expect(page.get_by_role("button", name="Run the quickstart")).to_be_visible()
    bring(page, reviews_file)
    for fault, fix in (
        ("Text is empty", "Drop the row"),
        ("repeats an earlier one", "Keep the first of each"),
    ):
        expect(page.get_by_text(fault).first).to_be_visible()
        page.get_by_role("button", name=fix).click()
        expect(page.get_by_role("button", name=fix)).to_have_count(0, timeout=60_000)
    page.get_by_role("button", name="Next: choose methods").click()

    tick(page, METHODS)
    set_budget(page, 25)
    queue = page.get_by_role("button", name="Queue 3 runs")
    expect(queue).to_be_enabled(timeout=60_000)
    queue.dblclick()
    expect(page.get_by_role("tab", name="Train").first).to_have_attribute(
        "aria-selected", "true", timeout=90_000
    )
    expect(page.get_by_text("Running now").first).to_be_visible()

    page.reload()
    open_tab(page, "Train")
    expect(page.get_by_text("Full fine-tuning").locator("visible=true").first).to_be_visible(timeout=60_000)
    runs = wait_for_runs(server, 3)
    assert {(r["method"], r["state"]) for r in runs} == {(name, "finished") for name in METHODS}

    open_tab(page, "Inference")
    text = page.get_by_placeholder("A text for all of them to judge")
    text.fill("Not once did I regret going there.")
    text.press("Control+Enter")
    expect(page.locator(".wb-said")).to_have_count(4, timeout=120_000)  # three runs and TF-IDF
    assert page.locator(".wb-pane").count() == 5
    assert page.get_by_text("live", exact=True).locator("visible=true").count() == 3

    open_tab(page, "Compare")
    table = page.locator(".wb-comparison table").filter(has_text="TF-IDF").first
    expect(table.get_by_role("row").filter(has_text="TF-IDF")).to_be_visible(timeout=60_000)
    titles = {"full": "Full fine-tuning", "freeze": "Frozen layers", "lora": "LoRA"}
    for run in runs:  # the files to download are drawn with the table
        row = table.get_by_role("row").filter(has_text=titles[run["method"]]).first
        expect(row).to_contain_text(f"{100 * run['metrics']['accuracy']:.1f}", timeout=60_000)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").or_(page.get_by_role("link", name="CSV")).first.click()
    saved = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert {row["method"] for row in saved} == {*METHODS, "majority", "tfidf"}

    monkeypatch.setenv("WORKBENCH_HOME", str(server.home))
    assert main(["compare", "--json"]) == 0
    shown = {row["method"]: row for row in saved}
    for row in json.loads(capsys.readouterr().out)["summary"]:
        assert float(shown[row["method"]]["accuracy"]) == pytest.approx(row["columns"]["accuracy"]["mean"])
