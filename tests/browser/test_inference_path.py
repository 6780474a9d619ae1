"""Inference in a real browser: four panes written at once, a blind vote, who was who, the ranking, and a reload."""

import re

import pytest

from tests.browser.conftest import Server
from tests.generation import generation_prepared
from tests.served import served
from workbench import votes
from workbench.data.prepared import save_prepared

pytestmark = pytest.mark.browser
PROMPT = "Why does bread go stale?"


@pytest.fixture
def writers(tmp_path):
    """A page with three runs that answer with texts."""
    found = served(
        tmp_path / "home", [("lora", {"r": 2}), ("lora", {"r": 4}), "ia3"], task="generation",
        model="embedded:fable-8m", spread=0.1, max_length=128, task_options={"max_new_tokens": 24},
    )  # fmt: skip
    prepared = generation_prepared()
    save_prepared(prepared, found.store.data_folder(prepared.spec.fingerprint))
    server = Server(found.store.folder, tmp_path / "page.log")
    server.start()
    yield found, server.url
    server.kill()


def test_four_panes_a_blind_vote_and_its_ranking(writers, visit):
    found, url = writers
    page = visit(url)
    page.get_by_role("tab", name="Inference").first.click()
    page.locator(".wb-ask-text textarea").fill(PROMPT)
    page.locator("button.wb-ask-run").click()
    page.locator(".wb-pane .wb-answer").nth(3).wait_for(timeout=180_000)
    page.locator("button.wb-ask-run:not([disabled])").wait_for(timeout=180_000)
    page.locator(".wb-pane .wb-badge.wb-ok").nth(2).wait_for(timeout=60_000)
    assert page.locator(".wb-pane .wb-answer").count() >= 4
    assert page.locator(".wb-pane .wb-badge.wb-ok").count() == 3
    assert "loaded once" in page.locator(".wb-loaded summary").inner_text()
    page.get_by_label("blind vote").check()
    page.locator("button.wb-ask-run").click()
    page.locator(".wb-blind").first.wait_for(timeout=180_000)
    hidden = page.locator(".wb-all-panes").first.inner_text()
    assert not re.search("LoRA|IA|Base|live|tok/s", hidden)
    page.locator(".wb-blind h3, .wb-letter").first.click()
    page.keyboard.press("2")
    page.get_by_text("your vote").first.wait_for(timeout=60_000)
    assert "1 vote" in page.locator(".wb-ranking").first.inner_text()
    setting = found.store.run(found.ids[0]).spec.setting
    (vote,) = votes.votes(found.store, setting.id)
    assert vote.prompt == PROMPT
    assert len(vote.answers) == 4
    page.reload()
    page.get_by_role("tab", name="Inference").first.click()
    page.locator(".wb-ranking").first.wait_for(timeout=60_000)
