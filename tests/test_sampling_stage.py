"""Methods that make their own rows: what they may see, what they train on, and that a second start samples nothing."""

import dataclasses
import json

import pytest

from tests.generation import generation_prepared, generation_spec
from tests.training import Heard, quickly, tiny_folder
from workbench import registry, sampling_stage, saving
from workbench.build import load_base, plan_run
from workbench.callbacks import Cancelled
from workbench.data import Prepared
from workbench.methods.upft import TEMPLATE, reworded
from workbench.models import resolve
from workbench.result import Result
from workbench.spec import Budget, Choice
from workbench.store import Store
from workbench.train import VALIDATION_OUTCOMES, read_outcomes, train

ANSWERS = ("completion", "references", "answer", "completion_ids")


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def skilled(decoder, tmp_path_factory):
    """A store with a run that has learnt to say some of it right."""
    store = Store(tmp_path_factory.mktemp("skilled") / "store")
    spec = generation_spec(decoder, "full", learning_rate=1e-2, budget=Budget("steps", 60), evaluations=1)
    (run_id,) = store.add([spec])
    store.claim()
    store.change_state(run_id, "running")
    result, _ = run(spec, store.run_folder(run_id))
    store.change_state(run_id, "finished", result=result)
    return store, f"run:{run_id}"


def chosen(spec, **options):
    known = registry.method(spec.choice.method)
    choice = Choice(known.name, known.options(**options).to_dict(), spec.choice.learning_rate)
    return dataclasses.replace(spec, choice=choice)


def run(spec, folder, heard=None, prepared=None, store=None, resume=True):
    heard = heard or Heard()
    result = train(
        spec,
        prepared or generation_prepared(),
        folder,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
        store=store,
        resume=resume,
    )
    return result, heard


class Poisoned(dict):
    """A row that does not say its answer, however it is asked."""

    def __getitem__(self, name):
        assert name not in ANSWERS, f"{name} was read"
        return super().__getitem__(name)

    def get(self, name, default=None):
        assert name not in ANSWERS, f"{name} was read"
        return super().get(name, default)

    def _all(self):
        raise AssertionError("the whole row was read")

    __iter__ = keys = values = items = copy = _all


def stage_of(spec, folder, prepared=None, store=None, **more):
    plan = plan_run(spec, generation_prepared(), device="cpu", store=store)
    plan = dataclasses.replace(plan, prepared=prepared or generation_prepared())
    made, stage = sampling_stage.sampled(
        plan, load_base(plan), folder, emit=lambda *a: None, tick=lambda: None, **more
    )
    return made.prepared.rows["train"], stage


def test_upft_reads_no_answer_and_gives_the_same_rows_without_any(decoder, tmp_path):
    spec = chosen(generation_spec(decoder, "upft"), prefix_length=4, structure_ratio=0.25)
    rows, _ = stage_of(spec, tmp_path / "plain")
    plain = generation_prepared()
    poisoned = Prepared(
        plain.spec, {part: [Poisoned(r) for r in found] for part, found in plain.rows.items()}
    )
    with pytest.raises(AssertionError, match="was read"):
        poisoned.rows["train"][0]["completion"]
    again, _ = stage_of(spec, tmp_path / "poisoned", poisoned)
    assert again == rows
    for row in rows:
        assert set(row) == {"prompt", "kind", "completion", "completion_ids"}


def test_upft_trains_to_the_same_weights_whatever_the_answers_are(decoder, tmp_path):
    """Neither the rows nor the choice of a checkpoint depend on them."""
    spec = chosen(generation_spec(decoder, "upft", learning_rate=1e-2), parameterisation="lora")
    plain = generation_prepared()
    wrong = Prepared(
        plain.spec,
        {
            part: rows
            if part == "test"
            else [{**row, "completion": "never", "references": ["never"]} for row in rows]
            for part, rows in plain.rows.items()
        },
    )
    results = [run(spec, tmp_path / name, prepared=p)[0] for name, p in (("a", plain), ("b", wrong))]
    weights = [(tmp_path / name / "trained" / "adapter_model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    assert results[0].best_step == results[1].best_step == 4
    assert results[0].metrics == results[1].metrics
    assert results[0].live is True
    assert [o["nats"] for o in read_outcomes(tmp_path / "a" / VALIDATION_OUTCOMES)] != [
        o["nats"] for o in read_outcomes(tmp_path / "b" / VALIDATION_OUTCOMES)
    ]


def test_a_share_is_learnt_whole_after_the_plain_prompt_the_rest_begins_after_the_template(skilled, tmp_path):
    store, model = skilled
    spec = chosen(generation_spec(model, "upft"), prefix_length=2, structure_ratio=0.25, samples_per_prompt=2)
    rows, stage = stage_of(spec, tmp_path, store=store)
    whole, begun = rows[:32], rows[32:]
    assert len(begun) == 96
    assert all(TEMPLATE.replace("{prompt}", "") not in row["prompt"] for row in whole)
    assert all(row["prompt"].endswith("encompass the entire solution.") for row in begun)
    assert all(len(row["completion_ids"]) <= 2 for row in begun)
    assert any(len(row["completion_ids"]) > 2 and row["completion_ids"][-1] == 3 for row in whole)
    assert stage.counts["sampled_tokens"] == sum(len(row["completion_ids"]) for row in rows)
    assert (stage.counts["whole_answers"], stage.counts["prefixes"], stage.counts["done"]) == (32, 96, 64)
    plan = plan_run(spec, generation_prepared(), device="cpu", store=store)
    encoded = plan.task.encode(plan.tokenizer, begun, (), 64, plan.task_options)
    learnt = [[i for i in row["labels"] if i != -100] for row in encoded]
    assert learnt == [row["completion_ids"] for row in begun]


def test_the_last_turn_of_a_conversation_is_reworded():
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    row = reworded({"prompt": "c", "messages": turns}, "{prompt} Begin.")
    assert row["prompt"] == row["messages"][-1]["content"] == "c Begin."
    assert row["messages"][:-1] == turns[:-1]
    assert turns[-1]["content"] == "c"
    with pytest.raises(ValueError, match="where the prompt goes"):
        registry.method("upft").options(task_template="Begin.")


def test_rejection_sampling_trains_on_right_answers_alone(skilled, tmp_path):
    store, model = skilled
    spec = chosen(generation_spec(model, "rft", learning_rate=1e-3), samples_per_prompt=4, temperature=1.0)
    result, heard = run(spec, tmp_path, store=store)
    rows = [json.loads(line) for line in (tmp_path / sampling_stage.ROWS).read_text().splitlines()]
    right = {row["prompt"]: row["references"] for row in generation_prepared().rows["train"]}
    assert rows
    assert all(" ".join(row["completion"].split()) in right[row["prompt"]] for row in rows)
    assert all(row["completion_ids"][-1] == 3 for row in rows)
    counts = json.loads((tmp_path / sampling_stage.FACTS).read_text())["counts"]
    assert 0 < len(rows) == counts["kept"] <= counts["right_answers"] < 4 * counts["of"]
    assert f"{counts['kept']:,} kept" in " ".join(result.notes)
    assert result.sampled_tokens == counts["sampled_tokens"] == heard.of("sample")[-1]["sampled_tokens"]
    assert result.sampled_tokens > result.trained_tokens > 0
    assert result.sampling_seconds > 0
    assert [one["name"] for one in result.stages] == ["sample", "train"]
    assert sum(one["seconds"] for one in result.stages) == result.train_seconds > result.sampling_seconds
    assert 0 <= result.metrics["prefix_agreement_start"] <= 1
    assert 0 <= result.metrics["prefix_agreement"] <= 1
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_without_a_right_answer_the_run_says_so(decoder, tmp_path):
    with pytest.raises(ValueError, match="none of 4 answers to each of 64 prompts was right"):
        run(generation_spec(decoder, "rft"), tmp_path)
    assert not (tmp_path / sampling_stage.FACTS).exists()


def test_a_bare_answer_is_what_counts_where_there_is_one():
    from workbench.methods.rft import is_right

    options = registry.task("generation").options()
    row = {"prompt": "?", "completion": "9 + 3 = 12\n#### 12", "answer": 12}
    assert is_right("whatever it is\n#### 12.0", row, options)
    assert not is_right("9 + 3 = 12", row, options)
    assert is_right(" a  b", {"prompt": "?", "completion": "a b"}, options)


def test_a_second_start_samples_nothing_and_a_cancel_leaves_nothing_half_done(decoder, tmp_path, monkeypatch):
    spec = chosen(generation_spec(decoder, "upft"), prefix_length=4)
    stop = Heard()
    stop.should_stop = lambda: len(stop.of("sample")) > 0
    with pytest.raises(Cancelled):
        run(spec, tmp_path, stop)
    assert not (tmp_path / sampling_stage.FACTS).exists()
    one, heard = run(spec, tmp_path)
    assert heard.of("sample")[0]["done"] == 0
    assert heard.of("sample")[-1]["done"] == heard.of("sample")[-1]["of"] == 64

    def never(*args, **kwargs):
        raise AssertionError("sampled again")

    known = registry.method
    with monkeypatch.context() as patched:
        changed = dataclasses.replace(known("upft"), make_rows=never)
        patched.setattr(
            "workbench.build.registry.method", lambda name: changed if name == "upft" else known(name)
        )
        two, again = run(spec, tmp_path)
    assert again.of("sample") == []
    assert two.metrics == one.metrics
    assert two.sampled_tokens == one.sampled_tokens


def test_a_model_that_was_taught_agrees_with_itself_more_than_one_that_was_not(skilled, decoder, tmp_path):
    store, model = skilled
    spec = generation_spec(model, "upft")
    plan = plan_run(spec, generation_prepared(), device="cpu", store=store)
    live = plan.live(load_base(plan))
    rows = sampling_stage.questions(generation_prepared().rows["validation"])

    def different(temperature):
        drawn = sampling_stage.draw(live, rows, per_row=3, temperature=temperature, seed=1)
        samples = [sample for batch in drawn for sample in batch]
        assert [s.row for s in samples] == [i for i in range(len(rows)) for _ in range(3)]
        return len({(s.row, s.ids) for s in samples})

    assert len(rows) <= different(0.01) < different(2.0) <= 3 * len(rows)
    found = sampling_stage.prefix_agreement(live, rows, 0)
    assert found == sampling_stage.prefix_agreement(live, rows, 0)
    plain = plan_run(generation_spec(decoder, "upft"), generation_prepared(), device="cpu")
    untaught = sampling_stage.prefix_agreement(plain.live(load_base(plain)), rows, 0)
    assert untaught["prefix_agreement"] < found["prefix_agreement"] <= 1


def test_what_was_trained_comes_back(decoder, tmp_path):
    spec = chosen(generation_spec(decoder, "upft", learning_rate=1e-2), parameterisation="full")
    run(spec, tmp_path)
    again = saving.load_trained(resolve(str(decoder)), saving.trained_folder(tmp_path))
    plan = plan_run(spec, generation_prepared(), device="cpu")
    rows = plan.task.encode(plan.tokenizer, plan.prepared.rows["test"], (), 32, plan.task_options, 64)
    found = plan.task.predict(plan.live(again), rows)
    kept = read_outcomes(tmp_path / "outcomes.jsonl")
    assert [o["nats"] for o in found] == pytest.approx([o["nats"] for o in kept], rel=1e-4)
