"""The browsers of bundled data sets and embedded models: everything is there with its card, and can be used from it."""

import json
import re

import pytest

from workbench import registry
from workbench.data import bundled
from workbench.home import shipped
from workbench.sources import embedded
from workbench.ui import data_browser, data_sources, model_browser, sheet
from workbench.ui import plan as plans

SETS = sorted(path.parent.name for path in (shipped("assets") / "datasets").glob("*/card.json"))


@pytest.fixture
def drawn():
    import gradio as gr

    with gr.Blocks():
        return sheet.draw_sheet()


def order(html, attribute="data-set"):
    return re.findall(rf'{attribute}="([^"]+)"', str(html))


def test_every_set_has_a_card_whatever_its_task_and_the_chosen_tasks_come_first():
    cards = bundled(every=True)
    html = data_browser.cards_html(cards, "reviews", "classification")
    assert sorted(order(html)) == SETS
    first = [card.name for card in cards if card.task == "classification"]
    assert set(order(html)[: len(first)]) == set(first)
    assert str(html).count("chosen") == 1
    for card in cards:
        piece = str(html).split(f'data-set="{card.name}"')[1].split("</article>")[0]
        use = re.search(r'<button[^>]*data-action="choose"[^>]*>', piece)[0]
        assert ("disabled" in use) == (card.task not in registry.tasks())
        assert data_browser.task_words(card.task).lower() in piece
        if card.task != "classification":
            assert "changes the task" in piece or "can’t be trained here yet" in piece


def test_a_search_looks_into_names_summaries_labels_and_tasks():
    cards = bundled(every=True)

    def found(words):
        return order(data_browser.cards_html(cards, None, "classification", words))

    assert found("weather") == ["fields_to_text"]
    assert found("CHINESE review") == ["reviews_zh"]
    assert set(found("preference")) == {"story_endings", "tone"}
    assert found("cancel_order") == ["intents"]
    html = data_browser.cards_html(cards, None, "classification", "<b>zebra</b>")
    assert order(html) == []
    assert "&lt;b&gt;zebra" in html


@pytest.mark.parametrize("name", SETS)
def test_the_sheet_about_a_set_has_its_readme_figures_and_first_rows(drawn, name):
    shown = data_browser.open_card(drawn, name)
    body, readme = shown[drawn.body], shown[drawn.readme].value
    card = next(card for card in bundled(every=True) if card.name == name)
    assert f"{card.rows['train']:,} train" in body
    rows = data_browser.first_rows(card.folder)
    assert set(rows) == {"train", "validation", "test"}
    assert body.count("<tr>") == sum(len(some) + 1 for some in rows.values())
    for score in card.reference.values():
        assert (f"{score * 100:.1f} %" if score <= 1 else f"{score}") in body
    assert "## How it was made" in readme
    assert "limits" in readme
    assert not readme.startswith("# ")


def test_a_set_of_another_task_changes_the_plans_task():
    assert data_sources.bundled_task("reviews") == "classification"
    assert data_sources.bundled_task("instructions") == "generation"
    with pytest.raises(ValueError, match="no bundled data set called 'nothing'"):
        data_sources.bundled_task("nothing")
    with pytest.raises(ValueError, match=r"no bundled data set called '\.\./reviews'"):
        data_browser.open_card(None, "../reviews")


def test_a_set_whose_task_is_missing_is_said_so(monkeypatch):
    card = bundled(every=True)[0]
    other = type(card)(**{**vars(card), "task": "fortune_telling"})
    html = data_browser.cards_html([other], None, "classification")
    assert "For fortune telling, which can’t be trained here yet" in html
    assert "disabled" in html


def test_hostile_rows_stay_text(tmp_path):
    (tmp_path / "train.jsonl").write_text(
        json.dumps({"text": "<script>alert(1)</script>", "n": None, "many": ["a", "b"]})
    )
    html = data_browser.rows_table(data_browser.first_rows(tmp_path)["train"])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a\nb" in html


def test_embedded_models_stand_with_type_size_and_tasks():
    html = str(model_browser.list_html(embedded(), [], "embedded:fable-8m"))
    assert sorted(order(html, "data-model")) == sorted(card.ref for card in embedded())
    assert html.count("chosen") == 1
    assert embedded()[0].ref == plans.empty_plan()["model"] == "embedded:fable-8m"
    assert "8,003,840 weights" in html
    assert "No earlier run yet" in html
    fable = next(card for card in embedded() if card.name == "fable-8m")
    encoder = type(fable)(**{**vars(fable), "kind": "encoder"})
    assert "classification" in model_browser.tasks_of(fable)
    assert {t.title.lower() for t in registry.tasks().values() if t.name == "generation"} <= set(
        model_browser.tasks_of(fable)
    )
    assert model_browser.tasks_of(encoder) == ["classification"]


@pytest.mark.parametrize("card", embedded(), ids=lambda card: card.name)
def test_the_sheet_about_a_model_has_its_card(drawn, card):
    shown = model_browser.open_card(drawn, card.name)
    readme = shown[drawn.readme].value
    for part in ("## Intended use", "## Limits", "## Training data", "## How it was made"):
        assert part in readme
    assert not readme.startswith(("---", "#"))
    assert f"{card.parameters:,} weights" in shown[drawn.body]
    assert f'data-key="{card.ref}"' in shown[drawn.head]


def test_a_model_says_what_its_pretraining_came_to(tmp_path, monkeypatch):
    """From pretraining.json, which `workbench pretrain` writes beside the card."""
    card = embedded()[0]
    folder = tmp_path / "models" / card.name
    folder.mkdir(parents=True)
    report = {
        "tokens_in_all": 55_000_000,
        "seconds": 3700.0,
        "seed": 0,
        "environment": {"device": "A machine"},
        "heldout": {
            "stories": {"bits_per_byte": 0.601, "token_accuracy": 0.5},
            "novels": {"bits_per_byte": None, "token_accuracy": 0.412},
            "counting": {"exact_match": 0.25, "token_accuracy": 0.9},
        },
    }
    (folder / "pretraining.json").write_text(json.dumps(report))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3_moe", "num_experts": 8}))
    monkeypatch.setattr("workbench.ui.model_browser.shipped", lambda kind: tmp_path)
    facts = dict(model_browser.card_facts(card))
    assert facts["Type"] == "decoder, qwen3_moe with 8 experts"
    assert facts["Tokens seen"] == "55,000,000"
    assert facts["Held-out text"] == (
        "stories 0.601 bits per byte, novels 41.2 % of hidden tokens, counting 25.0 % right"
    )
    assert (facts["Trained on"], facts["Seed"]) == ("A machine", "0")


def test_earlier_runs_stand_newest_first_and_can_be_searched(store):
    from tests.ui.fake_store import fill

    fill(store)
    runs = store.runs(states=("finished",))
    assert len(runs) > model_browser.MANY
    html = model_browser.list_html(embedded(), runs, f"run:{runs[0].id}")
    refs = order(html, "data-model")
    assert refs[len(embedded())] == f"run:{runs[-1].id}"
    few = order(model_browser.list_html(embedded(), runs, "", runs[0].id), "data-model")
    assert few == [f"run:{runs[0].id}"]
    assert "No model has" in model_browser.list_html(embedded(), runs, "", "zebra")
    assert all("%" in model_browser.score_words(run) for run in runs if run.result and run.result.metrics)


def test_a_readme_loses_its_front_matter_and_title():
    assert sheet.without_title("---\na: b\n---\n\n# Title\n\nText\n---\nmore") == "Text\n---\nmore"
    assert sheet.without_title("Text # not a title") == "Text # not a title"


def test_the_data_tabs_cards_follow_the_plan():
    plan = {**plans.empty_plan(), "data": {"source": "instructions"}, "task": "generation"}
    html = data_sources.bundled_cards(plan)
    assert order(html)[0] in {card.name for card in bundled(every=True) if card.task == "generation"}
    assert 'class="wb-set wb-on" data-set="instructions"' in html


@pytest.fixture(scope="module")
def address():
    import os

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    from workbench.ui.controls import html_block
    from workbench.ui.theme import head, theme

    with gr.Blocks() as page:
        found = html_block(data_browser.cards_html(bundled(every=True), None, "classification"))
        at = sheet.draw_sheet()

        def act(event: gr.EventData):
            if event.action == data_browser.CARD:
                return data_browser.open_card(at, event.key)
            return sheet.closed(at)

        for block in (found, at.head):
            block.action(act, None, at.outputs, show_progress="hidden")
    _, url, _ = page.launch(prevent_thread_lock=True, theme=theme(), head=head(), quiet=True)
    yield url
    page.close()


@pytest.mark.browser
def test_by_keyboard_a_sheet_opens_takes_the_focus_and_gives_it_back(address, chromium):
    page = chromium.new_page(viewport={"width": 400, "height": 800})
    page.goto(address)
    about = page.locator("[data-action=card][data-key=identity]")
    about.wait_for()
    about.focus()
    page.keyboard.press("Enter")
    page.locator(".wb-sheet-head h2").wait_for()
    page.wait_for_function("document.activeElement.dataset.action === 'close'")
    assert page.locator(".wb-sheet").get_attribute("role") == "dialog"
    assert page.locator(".wb-sheet").get_attribute("aria-label") == "Identity"
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.dataset.key === 'identity'")
    assert page.locator(".wb-sheet:visible").count() == 0
    page.close()
