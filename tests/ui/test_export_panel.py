"""The panel "Take it home": a line for each form, what is being made, scores, code and a dry run, with a fake in the background's place."""

import json
import struct
import time

import gradio as gr
import pytest

from tests.ui import fake_store
from workbench import background, deployed_record
from workbench.exporting import calls, forms
from workbench.store import Store
from workbench.ui import compare_tab, export_panel
from workbench.ui.export_view import forms_html, scores_html

EVIL = "<script>alert(1)</script>"


def trained(store: Store, method: str, names=("model.w",), peft=None) -> str:
    """Give a run's folder what its training would have left there."""
    run = next(run for run in store.runs() if run.spec.choice.method == method)
    folder = store.run_folder(run.id) / forms.TRAINED
    folder.mkdir(parents=True)
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in names}
    ).encode()
    (folder / forms.TENSORS).write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    if peft:
        (folder / forms.PEFT_CONFIG).write_text(json.dumps({"peft_type": peft}))
    return run.id


class Panel:
    def __init__(self, store: Store) -> None:
        with gr.Blocks():
            self.context = fake_store.page_context(store)
            self.tab = compare_tab.build(self.context)
        self.handlers = export_panel._Handlers(self.context, self.tab.parts)
        self.names = {id(part): name for name, part in self.tab.parts.items()}

    def named(self, updates) -> dict:
        return {self.names[id(part)].removeprefix("export_"): value for part, value in updates.items()}


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    fake_store.fill(store, methods=("full", "lora", "adapter"), seeds=(0,))
    monkeypatch.setattr(export_panel, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(export_panel, "owner_of", lambda request: None)
    return store


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    found: list = []

    def call(function: str, *arguments, pool: str):
        assert pool == "export"
        found.append((function, *arguments))
        time.sleep(0.05)
        name = function.partition(":")[2]
        if name == "make":
            to = calls.exports(Store(arguments[0]), arguments[1]) / arguments[2]
            to.mkdir(parents=True)
            (to / "README.md").write_text("# A card\nFILL IN: the licence\n")
            (to / calls.NOTE).write_text(json.dumps({"check": {"texts": 8, "same": 8, "what": "labels"}}))
            return {"zip": f"{arguments[3]}/x.zip", "zip_bytes": 2048}
        raise ValueError("no such thing today")

    monkeypatch.setattr(background, "call", call)
    return found


class Click:
    def __init__(self, key: str) -> None:
        self.action, self.key = "make", key


def test_before_the_first_finished_run_it_says_what_will_be_here(store):
    drawn = Panel(store).handlers.offer_runs_to_export(None, None, None)
    panel = Panel(store)
    drawn = panel.named(panel.handlers.offer_runs_to_export(None, None, None))
    assert export_panel.NONE_FINISHED in drawn["words"]["value"]
    assert drawn["body"]["visible"] is False


def test_each_form_has_a_button_or_a_reason(filled):
    run_id = trained(filled, "full")
    panel = Panel(filled)
    drawn = panel.named(panel.handlers.choose_run_to_export(run_id, None))
    assert drawn["forms"].count('data-action="make"') == 4
    assert "changed the model&#39;s own weights" in drawn["forms"]
    assert drawn["forms"].count("wb-button-primary") == 1
    assert "Not measured yet" in drawn["scores"]
    assert "with transformers and peft alone" in drawn["code_words"]


def test_a_form_is_made_with_progress_and_can_be_fetched(filled, asked):
    run_id = trained(filled, "lora", peft="LORA")
    panel = Panel(filled)
    steps = list(panel.handlers.make_form(run_id, Click("adapter"), None))
    assert "wb-deployed-wait" in steps[0][0]
    assert steps[0][0].count(" disabled") == 4, "one at a time"
    forms_now, file, card = steps[-1]
    assert "8 of 8 labels the same" in forms_now
    assert "Make again" in forms_now
    assert file["visible"] is True
    assert file["label"] == "Download adapter (2\N{NO-BREAK SPACE}KiB)"
    assert card.startswith("# A card")
    assert asked[0][0] == "workbench.exporting.calls:make"
    html, command = panel.handlers.say_what_would_be_sent(run_id, "me/model", None)
    assert "Nothing was sent" in html
    assert "FILL IN: the licence" in html
    assert command["value"].endswith("--push me/model")


def test_trouble_is_said_and_the_buttons_come_back(filled, asked, monkeypatch):
    run_id = trained(filled, "full")
    warned = []
    monkeypatch.setattr(gr, "Warning", lambda text, **_: warned.append(text))
    panel = Panel(filled)
    scored = list(panel.handlers.score_forms(run_id, None))
    assert "no such thing today" in scored[-1][0]
    assert scored[-1][1]["interactive"] is True
    monkeypatch.setattr(background, "call", lambda *a, **k: (_ for _ in ()).throw(ValueError("full disk")))
    made = list(panel.handlers.make_form(run_id, Click("merged"), None))
    assert warned == ["full disk"]
    assert " disabled" not in made[-1][0]


def test_a_push_without_a_form_and_a_code_that_can_not_be_are_sentences(filled, asked, monkeypatch):
    warned = []
    monkeypatch.setattr(gr, "Warning", lambda text, **_: warned.append(text))
    run_id = trained(filled, "adapter", names=("model.layers.0.adapter.down.weight",))
    panel = Panel(filled)
    panel.handlers.say_what_would_be_sent(run_id, "me/model", None)
    list(panel.handlers.write_code(run_id, None))
    assert "Make a form first" in warned[0]
    assert "modules are the workbench" in warned[1]
    assert asked == []


def test_scores_are_a_table_and_texts_stay_texts(filled):
    row = dict.fromkeys(deployed_record.COLUMNS)
    document = {
        "metric": "accuracy",
        "rows": 32,
        "notes": [EVIL],
        "forms": [
            row | {"form": "trained", "title": "As trained", "score": 0.9, "bytes": 1000, "latency_ms_p50": 2.0},
            row | {"form": "int8", "title": "8-bit model", "score": 0.875, "drift": -0.025, "drift_low": -0.06, "drift_high": 0.01, "changed_rows": 1},
            row | {"form": "nf4", "title": "4-bit model", "reason": EVIL},
        ],
    }  # fmt: skip
    html = str(scores_html(document))
    for words in ("90.0 %", "87.5 %", "−2.5", "−6.0 to +1.0", "1 of 32", "4-bit model: "):
        assert words in html
    assert EVIL not in html
    offers = [forms.Offer(forms.form("adapter"), EVIL), forms.Offer(forms.form("merged"), None, EVIL)]
    assert EVIL not in str(forms_html(offers, {}, ("merged", EVIL, 0.5)))
