"""Inference in a real browser: four panes written at once, a blind vote, who was who, the ranking, a reload; and the way out."""

import json
import re
import zipfile

import pytest
import torch

from tests.browser.conftest import Server
from tests.exports import fresh
from tests.generation import generation_prepared
from tests.served import served
from workbench import votes
from workbench.data.prepared import save_prepared
from workbench.exporting.opened import open_run

pytestmark = pytest.mark.browser
PROMPT = "Why does bread go stale?"


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    """A page with three runs that answer with texts."""
    folder = tmp_path_factory.mktemp("writers")
    found = served(
        folder / "home", [("lora", {"r": 2}), ("lora", {"r": 4}), "ia3"], task="generation",
        model="embedded:fable-8m", spread=0.1, max_length=128, task_options={"max_new_tokens": 24},
    )  # fmt: skip
    prepared = generation_prepared()
    save_prepared(prepared, found.store.data_folder(prepared.spec.fingerprint))
    server = Server(found.store.folder, folder / "page.log")
    server.start()
    yield found, server.url
    server.kill()


OPEN = """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained("base", dtype=torch.float32)
model = PeftModel.from_pretrained(base, ".").eval()
with torch.no_grad():
    logits = model(input_ids=torch.tensor([[5, 40, 7, 300, 2]])).logits[0, -1]
assert not [name for name in sys.modules if name.startswith("workbench")]
print(json.dumps(logits.tolist()))
"""


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


def test_an_adapter_taken_home_opens_in_a_process_that_knows_peft_alone(writers, visit, tmp_path):
    found, url = writers
    page = visit(url)
    page.get_by_role("tab", name="Compare").first.click()
    page.locator(".wb-export-body").wait_for(timeout=180_000)
    page.locator('.wb-forms [data-action="make"][data-key="adapter"]').click()
    button = page.locator("a:has-text('Download adapter'), button:has-text('Download adapter')").first
    button.wait_for(timeout=180_000)
    with page.expect_download(timeout=180_000) as download:
        button.click()
    (run_id,) = [one for one in found.ids if one in download.value.suggested_filename]
    with zipfile.ZipFile(download.value.path()) as packed:
        packed.extractall(tmp_path / "home")
    told = torch.tensor(json.loads(fresh(OPEN, tmp_path / "home").splitlines()[-1]))
    model = open_run(found.store, found.store.run(run_id)).model()
    with torch.no_grad():
        mine = model(input_ids=torch.tensor([[5, 40, 7, 300, 2]])).logits[0, -1]
    assert torch.allclose(told, mine, atol=1e-4)
