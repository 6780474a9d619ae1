"""Claims against tables whose truth is known: supported, refuted, or the very runs that are missing."""

import pytest

from tests.ui import fake_store
from workbench import claims, compare
from workbench.claim_list import CLAIMS
from workbench.claims import Evidence, finding, findings
from workbench.comparison_rows import Row
from workbench.presets import MethodChoice
from workbench.spec import RunSpec
from workbench.statistics import Difference, Interval
from workbench.store import Store
from workbench.verdicts import Pair

BY_NAME = {claim.name: claim for claim in CLAIMS}


def table(*rows: Row, pairs=None, setting=None) -> compare.Comparison:
    return compare.Comparison(setting or fake_store.setting(), (), rows, (), pairs=pairs or {})


def row(method: str, *, seeds=(0, 1, 2), family="low_rank", options=None, **cells: float | Interval) -> Row:
    choice = MethodChoice(method, options or {}).choice()
    kept = {
        name: cell if isinstance(cell, Interval) else Interval(cell, cell, cell, 3)
        for name, cell in cells.items()
    }
    return Row(
        choice.id, choice.label, method, family, choice.options, choice.learning_rate, seeds, (), {}, (), kept
    )


def ruling(name: str, *rows: Row, pairs=None) -> str:
    return finding(BY_NAME[name], Evidence(table(*rows, pairs=pairs))).ruling


def apart(first: Row, second: Row, low: float, high: float) -> dict:
    """The second minus nothing: first is ahead by low to high."""
    difference = Difference((low + high) / 2, low, high, 0.01, 3, 400, (1e-4, 1e-4, 0.1))
    return {(first.key, second.key): Pair(difference, 0.01)}


def test_claims_have_names_of_their_own_sources_and_one_sentence():
    assert len(BY_NAME) == len(CLAIMS) >= 19
    for claim in CLAIMS:
        assert claim.url.startswith("https://")
        assert claim.sentence.endswith(".")
        assert claim.sentence.count(". ") == 0


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda one: one.name)
def test_an_empty_table_tells_nothing_and_says_what_is_missing(claim):
    judged = claim.judge(Evidence(table(row("head", accuracy=0.5))))
    assert judged.ruling == "cannot_tell"
    assert judged.why


@pytest.mark.parametrize(
    ("name", "method", "share", "expected"),
    [
        ("lora_trains_few", "lora", 0.008, "supported"),
        ("lora_trains_few", "lora", 0.08, "refuted"),
        ("full_trains_all", "full", 1.0, "supported"),
        ("full_trains_all", "full", 0.7, "refuted"),
        ("freeze_trains_few", "freeze", 0.2, "refuted"),
        ("adapter_trains_few", "adapter", 0.03, "supported"),
    ],
)
def test_shares_of_trained_weights(name, method, share, expected):
    assert ruling(name, row(method, trainable_share=share)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.98, 1.02, "supported"), (1.08, 1.2, "refuted"), (0.98, 1.2, "cannot_tell")],
)
def test_no_latency_means_an_interval_around_one(low, high, expected):
    cell = Interval((low + high) / 2, low, high, 3)
    assert ruling("merged_lora_is_free", row("lora", merged_latency_ratio=cell)) == expected


def test_a_cost_measured_once_asks_for_seeds():
    once = row("adapter", seeds=(0,), latency_ratio=Interval(1.2, None, None, 1))
    found = finding(BY_NAME["adapter_adds_latency"], Evidence(table(once)))
    assert found.ruling == "cannot_tell"
    assert [spec.seed for spec in found.missing] == [0, 1, 2]


def test_scores_are_judged_by_the_whole_interval():
    dora, lora = row("dora", options={"r": 4}), row("lora", options={"r": 4})
    for low, high, expected in (
        (0.01, 0.03, "supported"),
        (-0.03, -0.01, "refuted"),
        (-0.01, 0.02, "cannot_tell"),
    ):
        assert ruling("dora_beats_lora", dora, lora, pairs=apart(dora, lora, low, high)) == expected
    assert ruling("dora_beats_lora", row("dora", options={"r": 16}), lora) == "cannot_tell"


def test_two_parts_of_a_claim_must_both_hold():
    qlora = row("qlora", family="quantised", peak_memory_bytes=40e6)
    for memory, low, expected in (
        (70e6, -0.005, "supported"),
        (30e6, -0.005, "refuted"),
        (70e6, -0.05, "cannot_tell"),
    ):
        lora = row("lora", peak_memory_bytes=memory)
        assert ruling("qlora_saves_memory", qlora, lora, pairs=apart(qlora, lora, low, 0.01)) == expected


def test_an_easy_task_says_nothing_about_hard_ones():
    lora, bitfit = row("lora", accuracy=0.97), row("bitfit", accuracy=0.95)
    found = finding(
        BY_NAME["bitfit_is_weaker"], Evidence(table(lora, bitfit, pairs=apart(lora, bitfit, 0.01, 0.03)))
    )
    assert found.ruling == "cannot_tell"
    assert "97 %" in found.judged.why
    hard = row("lora", accuracy=0.7), row("bitfit", accuracy=0.6)
    assert ruling("bitfit_is_weaker", *hard, pairs=apart(*hard, 0.05, 0.15)) == "supported"


def test_a_fraction_of_the_tokens_is_part_of_the_claim():
    upft, full = row("upft", trained_tokens=100.0), row("full", trained_tokens=1000.0)
    judge = BY_NAME["few_tokens_are_enough"].judge
    close = apart(upft, full, -0.01, 0.01)
    assert judge(Evidence(table(upft, full, pairs=close))).ruling == "supported"
    many = row("upft", trained_tokens=900.0)
    assert judge(Evidence(table(many, full, pairs=close))).ruling == "refuted"


def test_forgetting_is_compared_seed_by_seed(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("lora", "dora"), seeds=(0, 1, 2))
    found = {one.claim.name: one for one in findings(store, compare.comparison(store))}
    # Invented: 44 s against 29 s, alike in every seed.
    assert found["dora_is_slower"].ruling == "supported"
    assert "44" in found["dora_is_slower"].judged.why
    assert found["full_forgets_more"].ruling == "cannot_tell"


def test_missing_runs_are_those_not_yet_made(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("lora",), seeds=(4, 7))
    found = {one.claim.name: one for one in findings(store, compare.comparison(store))}
    wanted = {(spec.choice.method, spec.seed) for spec in found["dora_is_slower"].missing}
    assert wanted == {("dora", 4), ("dora", 7), ("dora", 0), ("lora", 0)}
    store.add(found["dora_is_slower"].missing)
    again = {one.claim.name: one for one in findings(store, compare.comparison(store))}
    assert again["dora_is_slower"].missing == ()


def test_claims_about_other_tasks_are_left_out(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("lora",), seeds=(0,))
    found = findings(store, compare.comparison(store))
    assert "few_tokens_are_enough" not in {one.claim.name for one in found}
    assert all(isinstance(spec, RunSpec) for one in found for spec in one.missing)
    text = claims.to_text(found)
    assert text.count("cannot tell") == sum(one.ruling == "cannot_tell" for one in found)


def test_a_larger_model_closes_the_gap():
    def gap(low: float, high: float) -> compare.Comparison:
        full, prompt = row("full"), row("prompt", family="prompt")
        return table(full, prompt, pairs=apart(full, prompt, low, high))

    judge = BY_NAME["prompts_need_size"].judge
    sizes = lambda a, b: lambda: [(8_000_000, a), (80_000_000, b)]  # noqa: E731
    wide, narrow = gap(0.08, 0.12), gap(0.00, 0.02)
    assert judge(Evidence(wide, by_model=sizes(wide, narrow))).ruling == "supported"
    assert judge(Evidence(wide, by_model=sizes(narrow, wide))).ruling == "refuted"
    assert judge(Evidence(wide, by_model=sizes(wide, wide))).ruling == "cannot_tell"
    assert judge(Evidence(wide)).ruling == "cannot_tell"
