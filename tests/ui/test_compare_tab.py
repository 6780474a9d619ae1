"""The Compare tab: verdicts with their buttons, one honest table, downloads, and nothing of anybody else's."""

import csv
import json
import re
from pathlib import Path

import gradio as gr
import pytest

from tests.ui import fake_store
from tests.ui.fake_store import Click
from workbench import compare, presets
from workbench.advice import USUAL
from workbench.hosted import Limits
from workbench.store import Store
from workbench.ui import compare_actions, compare_tab, shown
from workbench.ui.comparison_columns import GROUPS, best_values, plain_grid, score_scale, usual_columns
from workbench.ui.comparison_table import comparison_table
from workbench.ui.downloads import commands, preset_yaml, write_reports
from workbench.ui.verdicts import shared_limit, verdicts_card, worth_reading

EVIL = "<script>alert(1)</script>"


class Page:
    def __init__(self, store: Store, **changes) -> None:
        with gr.Blocks():
            self.context = fake_store.page_context(store, **changes)
            self.tab = compare_tab.build(self.context)
        self.handlers = self.tab.refresh.__self__
        self.actions = self.handlers.actions

    def refresh(self, *, setting_id=None, drawn="", asked="", columns=()) -> dict:
        values = self.tab.refresh(
            setting_id, drawn, False, "", list(columns), "peak_memory_bytes", "step", None, asked,
            None, None, "By score", *USUAL.values(), None,
        )  # fmt: skip
        assert len(values) == len(self.tab.outputs)
        for update in values:
            lists_what_it_holds(update)
        return dict(zip(compare_tab._PARTS, values))


def lists_what_it_holds(update) -> None:
    """Gradio refuses all later events of a list that lacks its own value."""
    if isinstance(update, dict) and update.get("choices") is not None and update.get("value") is not None:
        offered = [one[1] if isinstance(one, tuple) else one for one in update["choices"]]
        held = update["value"] if isinstance(update["value"], list) else [update["value"]]
        assert set(held) <= set(offered), update


@pytest.fixture(autouse=True)
def invented_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "reference_records", fake_store.references)


@pytest.fixture
def filled(store: Store) -> Store:
    fake_store.fill(
        store, methods=("full", "lora", "adapter", "head", "dora"), seeds=(0, 1, 2), failing="dora"
    )
    return store


def _row(html: str, label: str) -> str:
    return next(row for row in re.findall(r"<tr .*?</tr>", html, re.S) if f">{label}</span>" in row)


def _cell(row: str, column: str) -> str:
    return re.search(rf'data-column="{column}".*?</t[dh]>', row, re.S)[0]


def test_before_anything_is_measured_every_list_holds_its_own_value(store: Store):
    fake_store.fill(store, methods=("full",), seeds=(0,), running=1)
    for run in store.runs(states=("finished",)):
        store.delete(run.id)
    page = Page(store)
    drawn = page.refresh()
    assert [value for _, value in drawn["across"]["choices"]] == ["peak_memory_bytes"]
    assert drawn["body"]["visible"]


def test_an_empty_store_shows_one_sentence_and_one_action(store: Store):
    drawn = Page(store).refresh()
    assert drawn["empty"]["visible"]
    assert not drawn["downloads"]["visible"]


def test_everything_is_drawn_once_and_again_only_when_a_run_changes_its_state(filled: Store):
    page = Page(filled)
    first = page.refresh()
    assert all(first[name] != gr.skip() for name in compare_tab._PARTS if name != "detail_run")
    assert page.refresh(drawn=first["drawn"])["table"] == gr.skip()
    filled.delete(filled.runs()[0].id)
    assert page.refresh(drawn=first["drawn"])["table"] != gr.skip()


def test_the_learning_curve_shows_where_settings_differ_in_training_rows_alone(
    filled: Store, monkeypatch: pytest.MonkeyPatch
):
    assert not Page(filled).refresh()["sizes_card"]["visible"]
    small = fake_store.setting(fingerprint="0ddb" * 4)
    fake_store.fill(filled, methods=("full", "lora"), seeds=(0, 1), shared=small)
    rows = {small.data.fingerprint: 10}
    monkeypatch.setattr("workbench.learning_curve._held_out", lambda folder: "equal")
    monkeypatch.setattr(
        "workbench.learning_curve.train_rows", lambda store, setting: rows.get(setting.data.fingerprint, 100)
    )
    page = Page(filled)
    drawn = page.refresh()
    assert drawn["sizes_card"]["visible"]
    assert "2 sizes" in drawn["sizes_title"]
    assert "10 rows" in drawn["sizes_table"]
    assert page.refresh(drawn=drawn["drawn"])["sizes"] == gr.skip()
    fake_store.fill(filled, methods=("head",), seeds=(0,), shared=small)
    assert page.refresh(drawn=drawn["drawn"])["sizes"] != gr.skip()


def test_the_table_is_a_table_with_scopes_groups_and_sorting(filled: Store):
    html = str(comparison_table(compare.comparison(filled)))
    assert 'scope="colgroup"' in html
    assert html.count('aria-sort="descending"') == 1
    assert [name for name in GROUPS if f">{name}</th>" in html] == list(GROUPS)
    order = re.findall(r'<tr role="row" class="[^"]*" data-key="[^"]*"', html)
    assert len(order) == 7
    labels = re.findall(r'scope="row".*?title="([^"]+)"', html, re.S)
    assert labels[-3:] == ["DoRA", "TF-IDF + logistic regression", "Always “positive”"]


def test_the_best_of_a_column_follows_the_metrics_own_direction(filled: Store):
    found = compare.comparison(filled)
    html = str(comparison_table(found))
    scored = [row for row in found.rows if row.cells]
    best = best_values(scored)
    assert best["accuracy"] == max(row.mean("accuracy") for row in scored)
    assert best["peak_memory_bytes"] == min(row.mean("peak_memory_bytes") for row in scored)
    assert best["samples_per_second"] == max(row.mean("samples_per_second") for row in scored)
    assert "head_parameters" not in best
    head = _row(html, "Linear probe")
    for column in ("peak_memory_bytes", "train_seconds", "trainable_parameters", "adapter_bytes"):
        assert '<span class="wb-hidden"> best</span>' in _cell(head, column)
    assert "wb-best" in head
    assert "wb-best" not in _row(html, "TF-IDF + logistic regression")


def test_scores_have_an_interval_and_a_whisker_that_speaks(filled: Store):
    found = compare.comparison(filled)
    row = _row(str(comparison_table(found)), "LoRA")
    cell = next(r for r in found.rows if r.label == "LoRA").cells["accuracy"]
    assert f"{100 * cell.mean:.1f}" in _cell(row, "accuracy")
    assert f"±\u00a0{100 * cell.half_width:.1f}" in _cell(row, "accuracy")
    assert "95 % interval" in _cell(row, "whisker")


def test_what_was_not_measured_is_empty_and_what_does_not_merge_says_so(filled: Store):
    html = str(comparison_table(compare.comparison(filled)))
    assert "cannot" in _cell(_row(html, "Bottleneck adapter"), "merged_latency_ratio")
    assert "–" in _cell(_row(html, "Full fine-tuning"), "merged_latency_ratio")
    assert "1.00" in _cell(_row(html, "LoRA"), "merged_latency_ratio")
    reference = _row(html, "TF-IDF + logistic regression")
    assert 'data-value="' not in _cell(reference, "peak_memory_bytes")


def test_memory_on_a_processor_is_never_called_vram(filled: Store):
    html = str(comparison_table(compare.comparison(filled)))
    assert "tensor bytes, counted" in html
    assert "vram" not in html.lower()
    assert "predicted" not in html


def test_a_failed_row_keeps_count_reason_and_a_way_out(filled: Store):
    row = _row(str(comparison_table(compare.comparison(filled))), "DoRA")
    assert "3 of 3 failed" in row
    assert "The loss became infinite at step" in row
    assert 'data-action="retry"' in row
    key = next(r.key for r in compare.comparison(filled).rows if r.label == "DoRA")
    Page(filled).actions.act_on_row(None, Click("retry", key), None)
    assert [run.label for run in filled.runs(states=("queued",))] == ["DoRA"] * 3


def test_find_and_columns_narrow_the_table(filled: Store):
    found = compare.comparison(filled)
    html = str(comparison_table(found, find="lo", chosen=["trainable_parameters"]))
    assert "LoRA" in html
    assert "Linear probe" not in html
    assert 'data-column="trainable_parameters"' in html
    assert 'data-column="adapter_bytes"' not in html


def test_rarely_read_columns_wait_until_they_are_chosen_and_a_choice_stays(filled: Store):
    found = compare.comparison(filled)
    usual = usual_columns(found)
    assert "samples_per_second" not in usual
    assert 'data-column="samples_per_second"' not in str(comparison_table(found))
    page = Page(filled)
    first = page.refresh()
    assert first["columns"]["value"] == usual
    assert ("Speed", "samples_per_second") in first["columns"]["choices"]
    filled.delete(filled.runs()[0].id)
    again = page.refresh(drawn=first["drawn"], columns=["samples_per_second", "gone"])
    assert again["columns"]["value"] == ["samples_per_second"]
    assert 'data-column="samples_per_second"' in again["table"]
    assert 'data-column="adapter_bytes"' not in again["table"]


def test_the_plain_grid_has_the_same_rows_name_first(filled: Store):
    heads, rows = plain_grid(compare.comparison(filled))
    assert heads[0] == "Method"
    assert [row[0] for row in rows][-1] == "Always “positive”"
    assert all(len(row) == len(heads) for row in rows)


def test_whiskers_share_one_scale_that_holds_them(filled: Store):
    found = compare.comparison(filled)
    low, high = score_scale(found)
    cells = [row.cells["accuracy"] for row in found.rows if row.cells]
    assert all(low <= 100 * cell.low <= 100 * cell.high <= high for cell in cells)
    tfidf = next(row for row in found.references if row.key == "tfidf")
    assert low <= 100 * tfidf.mean("accuracy") <= high


def test_verdicts_are_few_share_a_scale_and_queue_exactly_their_seeds(filled: Store):
    found = compare.comparison(filled)
    told = worth_reading(found.verdicts)
    assert 0 < len(told) <= 6
    bounds = [abs(100 * b) for v in told for b in (v.difference.low, v.difference.high) if b is not None]
    assert bounds
    assert shared_limit(told) >= min(max(bounds), 100)
    verdict = found.verdicts[0]
    pair = (verdict.first_key, verdict.second_key)
    Page(filled).actions.act_on_verdict(None, Click("seeds", f"{pair[0]}:{pair[1]}:2"), None)
    queued = filled.runs(states=("queued",))
    assert sorted((run.spec.choice.id, run.spec.seed) for run in queued) == sorted(
        (key, seed) for key in pair for seed in (3, 4)
    )


def test_a_verdict_on_a_reference_queues_the_method_alone(filled: Store):
    key = compare.comparison(filled).rows[0].key
    Page(filled).actions.act_on_verdict(None, Click("seeds", f"{key}:tfidf:1"), None)
    assert [run.spec.choice.id for run in filled.runs(states=("queued",))] == [key]


def test_one_seed_has_no_whiskers_and_says_so_once(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,))
    found = compare.comparison(store)
    html = str(verdicts_card(found))
    assert html.count("one seed: no error bars yet") == 1
    assert "Queue 2 more seeds" in html
    assert 'data-action="seeds"' not in html
    table = str(comparison_table(found))
    assert "wb-interval" not in table
    assert "One seed: no whiskers yet." in table
    page = Page(store)
    for _ in range(2):
        page.actions.act_on_verdict(None, Click("all_seeds", "2"), None)
        break
    assert sorted(run.spec.seed for run in store.runs(states=("queued",))) == [1, 1, 2, 2]


def test_a_hosted_page_keeps_its_limits_for_more_seeds(filled: Store, monkeypatch: pytest.MonkeyPatch):
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(filled, limits=Limits(runs=3))
    page.actions.act_on_verdict(None, Click("all_seeds", "2"), None)
    assert "takes 3 runs of a visitor at a time" in warned[0]
    assert not filled.runs(states=("queued",))


def test_deleting_asks_first_and_never_takes_an_active_run(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), running=1)
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(store)
    done, running = store.runs()
    _, asked, html = page.actions.act_on_list(None, Click("delete", done.id), None)
    assert asked == done.id
    assert "Delete it with its files?" in html
    assert len(store.runs()) == 2
    page.actions.act_on_list(None, Click("delete_now", running.id), None)
    assert "cancel it first" in warned[0]
    page.actions.act_on_list(None, Click("delete_now", done.id), None)
    assert [run.id for run in store.runs()] == [running.id]


def test_another_visitors_runs_are_neither_shown_nor_deleted(filled: Store, monkeypatch: pytest.MonkeyPatch):
    for module in (compare_tab, compare_actions):
        monkeypatch.setattr(module, "owner_of", lambda request: "a" * 32)
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(filled)
    setting_id = filled.runs()[0].spec.setting.id
    assert page.refresh(setting_id=setting_id)["empty"]["visible"]
    page.actions.act_on_list(setting_id, Click("delete_now", filled.runs()[0].id), None)
    page.handlers.show_detail(filled.runs()[0].id, None)
    page.handlers.filter_table(setting_id, "", [], "By score", *USUAL.values(), None)
    assert len(filled.runs()) == 15
    assert len(warned) == 3


def test_downloads_are_what_the_command_line_prints_under_safe_names(filled: Store):
    drawn = Page(filled).refresh()
    found = compare.comparison(filled)
    paths = {kind: Path(drawn[kind]["value"]) for kind in ("csv", "json", "preset")}
    html, markdown = (Path(path) for path in write_reports(filled, found, None))
    names = [p.name for p in (*paths.values(), html, markdown)]
    assert all(re.fullmatch(r"comparison-[0-9a-f]{16}\.(csv|json|html|md|yaml)", name) for name in names)
    assert found.rows[0].label in html.read_text(encoding="utf-8")
    assert markdown.read_text(encoding="utf-8").startswith("# ")
    rows = list(csv.DictReader(paths["csv"].open(encoding="utf-8")))
    assert rows[0]["label"] == found.rows[0].label
    assert len(json.loads(paths["json"].read_text(encoding="utf-8"))["runs"]) == 15
    assert presets.load(paths["preset"]).seeds == (0, 1, 2)
    assert paths["preset"].name in commands(found)


def test_an_uploaded_file_stands_in_the_preset_by_its_name(store: Store):
    shared = fake_store.setting(source="/srv/store/uploads/own/0123456789abcdef/my reviews.csv")
    fake_store.fill(store, methods=("lora",), seeds=(0,), shared=shared)
    text = preset_yaml(compare.comparison(store))
    assert text.startswith("# Put my reviews.csv beside this file.")
    assert "/srv/store" not in text


def test_names_given_by_people_stay_text(store: Store):
    shared = fake_store.setting(source=EVIL)
    fake_store.fill(store, methods=("lora", "full"), seeds=(0, 1), shared=shared, name=EVIL, failing="lora")
    drawn = Page(store).refresh()
    html = (
        "verdicts",
        "facts",
        "table",
        "table_title",
        "runs",
        "detail",
        "scatter_table",
        "learning_table",
        "head",
    )
    assert not any("<script" in str(drawn[name]) for name in html)
    assert "&lt;script&gt;" in drawn["facts"]
    assert "&lt;script&gt;" in drawn["runs"]


def test_the_chooser_offers_earlier_settings_newest_first(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,))
    fake_store.fill(
        store, methods=("lora",), seeds=(0,), shared=fake_store.setting("invented mail", "beef" * 4)
    )
    page = Page(store)
    update = shown.show_choices(page.context, None, None)
    assert [title.split(" / ")[0] for title, _ in update["choices"]] == ["invented mail", "invented reviews"]
    assert update["visible"]
    earlier = update["choices"][1][1]
    assert "invented reviews" in page.refresh(setting_id=earlier)["facts"]
