"""TRL's trainers as stages: their losses on our tokens, their references, rewards, and the model they give back."""

import math

import pytest
import torch

from tests.preferences import HeardStages, preference_prepared, preference_rows, preference_spec
from tests.training import quickly, tiny_folder
from workbench import checkers, models, preference_trainers, saving, stages
from workbench.build import apply_method, encode, load_base, plan_run
from workbench.callbacks import Job, TrainingFailed
from workbench.data import Prepared
from workbench.policy_trainers import _bare_reference, score_texts
from workbench.preference_trainers import _rated
from workbench.progress import Progress
from workbench.spec import Budget, DataSpec
from workbench.train import OUTCOMES, read_outcomes, train


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_folder("qwen2", tmp_path_factory.mktemp("models"))


def job_of(folder, method, tmp_path, task_options=None, prepared=None, **options):
    spec = preference_spec(folder, method, options=options, task_options=task_options)
    plan = plan_run(spec, prepared or preference_prepared(), device="cpu")
    built = apply_method(plan, load_base(plan))
    encoded = encode(plan, built.model)
    return Job(plan, encoded.rows["train"], encoded.rows["validation"], tmp_path), built


def trainer_of(job, built, place=-1, given=None):
    stage = job.plan.method.stages(job.plan.options, job.plan.context)[place]
    return stage.trainer(job, built.model, Progress(2), given or {}, False)


def first_loss(trainer):
    batch = next(iter(trainer.get_train_dataloader()))
    return trainer.compute_loss(trainer.model.eval(), batch).item()


@pytest.mark.parametrize("parameterisation", ["full", "lora"])
@pytest.mark.parametrize(("method", "loss"), [("dpo", math.log(2)), ("kto", 0.5)], ids=["dpo", "kto"])
def test_at_its_start_a_model_is_its_own_reference(folder, tmp_path, method, loss, parameterisation):
    job, built = job_of(folder, method, tmp_path, parameterisation=parameterisation)
    assert first_loss(trainer_of(job, built)) == pytest.approx(loss, abs=1e-5)


def test_without_a_reference_dpo_compares_the_answers_as_they_are(folder, tmp_path):
    job, built = job_of(folder, "dpo", tmp_path, reference_free=True, beta=1.0)
    trainer = trainer_of(job, built)
    assert trainer.ref_model is None
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        logits = built.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
        told = logits.log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
    chosen, rejected = (told * batch["completion_mask"][:, 1:]).sum(1).chunk(2)
    expected = -torch.nn.functional.logsigmoid(chosen - rejected).mean()
    assert first_loss(trainer) == pytest.approx(float(expected), abs=1e-4)


def test_the_odds_ratio_loss_is_the_papers(folder, tmp_path):
    job, built = job_of(folder, "orpo", tmp_path, beta=2.0)
    trainer = trainer_of(job, built)
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["chosen_input_ids"].shape[0] == 8

    def mean(side):
        ids, labels = batch[f"{side}_input_ids"], batch[f"{side}_labels"]
        with torch.no_grad():
            logits = built.model(ids, attention_mask=batch[f"{side}_attention_mask"]).logits[:, :-1]
        told = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return logits, (told * (labels[:, 1:] != -100)).sum(1) / (labels[:, 1:] != -100).sum(1)

    logits, chosen = mean("chosen")
    _, rejected = mean("rejected")
    odds = (chosen - rejected) - (torch.log1p(-chosen.exp()) - torch.log1p(-rejected.exp()))
    targets = batch["chosen_input_ids"].masked_fill(batch["chosen_attention_mask"] == 0, -100)[:, 1:]
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    expected = nats - 2.0 * torch.nn.functional.logsigmoid(odds).mean()
    assert first_loss(trainer) == pytest.approx(float(expected), abs=1e-4)


def test_a_pair_is_two_ratings_each_with_an_answer_to_another_prompt():
    pairs = [{"prompt_ids": [i], "chosen_ids": [10 + i], "rejected_ids": [20 + i]} for i in range(3)]
    rated = _rated(pairs)
    assert [one["label"] for one in rated] == [True] * 3 + [False] * 3
    assert [one["completion_ids"] for one in rated] == [[10], [11], [12], [20], [21], [22]]
    assert [one["KL_completion_ids"] for one in rated] == [[22], [10], [11], [12], [20], [21]]


@pytest.mark.parametrize("parameterisation", ["full", "lora"])
@pytest.mark.parametrize("method", ["dpo", "rlhf"])
def test_the_model_is_given_back_as_it_was_taken(folder, tmp_path, method, parameterisation):
    prepared = _bundled_rows()
    job, built = job_of(
        folder,
        method,
        tmp_path,
        {"checker": "tone"},
        prepared,
        parameterisation=parameterisation,
        **({"reward": "checker"} if method == "rlhf" else {}),
    )
    before = saving.trainable_state(built.model)
    trainer = trainer_of(job, built)
    assert set(saving.trainable_state(built.model)) == set(before)
    trainer.train()
    trainer.release()
    assert set(saving.trainable_state(built.model)) == set(before)
    plain = built.model.get_base_model() if saving.is_peft(built.model) else built.model
    assert "forward" not in plain.__dict__
    if saving.is_peft(built.model):
        assert list(built.model.peft_config) == ["default"]


def _bundled_rows():
    prompts = sorted(checkers._prompts("tone"))
    rows = [row | {"prompt": prompts[i]} for i, row in enumerate(preference_rows(40, 5))]
    parts = {"train": rows[:24], "validation": rows[24:32], "test": rows[32:]}
    return Prepared(DataSpec("polite", task="preference", fingerprint="f" * 16), parts)


def test_a_policy_follows_the_checker_and_is_held_by_its_own_start(folder, tmp_path):
    job, built = job_of(
        folder, "rlhf", tmp_path, {"checker": "tone"}, _bundled_rows(), reward="checker", kl_coefficient=0.3
    )
    with torch.no_grad():
        next(built.model.parameters()).add_(0.01)  # a stage before moved it away from the base
    trainer = trainer_of(job, built)
    assert trainer.beta == 0.3
    for mine, theirs in zip(built.model.parameters(), trainer.ref_model.parameters()):
        assert torch.equal(mine, theirs)
    row = job.train[0]
    (found,) = trainer.reward_funcs[0](completions=[" They liked it. "], place=[0])
    assert found == checkers.checker("tone")(row["row"]["prompt"], "They liked it.")
    assert trainer._tokenize_prompts([row["row"]["prompt"]])[0] == [row["prompt_ids"]]


def test_an_answer_without_an_end_costs_some_of_a_learnt_reward(folder, tmp_path):
    job, built = job_of(folder, "rlhf", tmp_path, missing_end_penalty=2.5)
    stage = job.plan.method.stages(job.plan.options, job.plan.context)[1]
    rewarder = stage.model(job.plan, built.model)
    trainer = trainer_of(job, built, given={"reward": rewarder.eval()})
    end = job.plan.tokenizer.eos_token_id
    reward = trainer.reward_funcs[0]
    texts = [[*job.train[0]["prompt_ids"], 7, 8], [*job.train[0]["prompt_ids"], 7, end]]
    plain = score_texts(rewarder, texts, job)
    torn, whole = reward(completion_ids=[[7, 8], [7, end]], place=[0, 0])
    spread = (plain[1] - plain[0]) / (whole - torn - 2.5)
    assert spread > 0
    again, _ = reward(completion_ids=[[7, 8], [7, 8]], place=[0, 0])
    assert again == pytest.approx(torn, abs=1e-5)


def test_the_reward_model_starts_as_a_copy_of_the_model(folder, tmp_path):
    job, built = job_of(folder, "rlhf", tmp_path, parameterisation="lora")
    stage = job.plan.method.stages(job.plan.options, job.plan.context)[1]
    rewarder = stage.model(job.plan, built.model)
    assert rewarder.config.num_labels == 1
    base = built.model.get_base_model().model.state_dict()
    copied = rewarder.model.state_dict()
    assert copied
    assert all(
        torch.equal(base[name.replace("q_proj.", "q_proj.base_layer.")], value)
        for name, value in copied.items()
        if "proj" not in name
    )


def test_a_copy_of_a_model_with_a_head_of_trls_has_none(folder):
    model = models.load_model(models.resolve(str(folder)), "preference", ())
    original = model.forward
    model.forward = lambda *a, **k: None
    copied = _bare_reference(model)
    assert "forward" in model.__dict__
    assert "forward" not in copied.__dict__
    assert original.__func__ is type(copied).forward


def test_samples_that_do_not_divide_a_step_are_refused(folder, tmp_path):
    job, built = job_of(
        folder, "rlhf", tmp_path, {"checker": "tone"}, _bundled_rows(), reward="checker", samples_per_prompt=3
    )
    with pytest.raises(ValueError, match="8 answers a step, which samples_per_prompt 3 does not divide"):
        trainer_of(job, built)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        pytest.param("sft_chosen", {"parameterisation": "lora"}, marks=pytest.mark.slow),
        ("kto", {"supervised_share": 0}),
        pytest.param("orpo", {"parameterisation": "freeze", "layers": 1}, marks=pytest.mark.slow),
        ("rlhf", {"parameterisation": "lora", "algorithm": "grpo", "reward": "checker", "iterations": 2}),
    ],
)
def test_whole_runs_are_live_measured_and_load_back(folder, tmp_path, method, options):
    heard = HeardStages()
    spec = preference_spec(
        folder,
        method,
        options=options,
        learning_rate=3e-3,
        budget=Budget("steps", 8),
        task_options={"checker": "tone"},
        precision="bfloat16" if method == "kto" else "float32",
        gradient_accumulation=2,
        batch_size=4,
    )
    result = train(
        spec, _bundled_rows(), tmp_path, emit=heard.emit, should_stop=heard.should_stop, device="cpu"
    )
    assert result.live is True
    assert {"mean_reward", "mean_reward_start", "win_rate", "kl_nats", "preference_accuracy"} <= set(
        result.metrics
    )
    outcomes = read_outcomes(tmp_path / OUTCOMES)
    assert all({"output", "start_output", "reward", "win", "kl"} <= set(row) for row in outcomes)
    assert not any("answer_ids" in row for row in outcomes)
    assert result.metrics["kl_nats"] > 0
    # an untouched base is its own start
    source = models.resolve(str(folder))
    plan = plan_run(spec, _bundled_rows(), device="cpu")
    encoded = encode(plan, load_base(plan))
    loaded = saving.load_trained(source, saving.trained_folder(tmp_path))
    again = plan.task.predict(plan.live(loaded), encoded.rows["test"])
    assert [row["output"] for row in again] == [row["output"] for row in outcomes]


def test_a_run_that_diverges_in_a_stage_says_so(folder, tmp_path, monkeypatch):
    heard = HeardStages()
    real = preference_trainers._Dpo.compute_loss
    monkeypatch.setattr(
        preference_trainers._Dpo, "compute_loss", lambda *a, **k: real(*a, **k) * float("nan")
    )
    with pytest.raises(TrainingFailed, match="loss became nan at step 1") as caught:
        train(
            preference_spec(folder, "dpo"),
            preference_prepared(),
            tmp_path,
            emit=heard.emit,
            should_stop=heard.should_stop,
            device="cpu",
        )
    assert caught.value.reason.code == "diverged"
    assert [one.name for one in stages.read(tmp_path)] == ["supervised"]


def test_the_distance_of_a_model_to_itself_is_none(folder, tmp_path):
    job, built = job_of(folder, "sft_chosen", tmp_path, {"checker": "tone"}, _bundled_rows())
    rows = job.validation
    live = job.plan.live(built.model)
    outcomes = job.plan.task.predict(live, rows)
    found = job.plan.task.drift(live, live, rows, outcomes)["metrics"]
    assert found["kl_nats"] == pytest.approx(0, abs=1e-6)
    assert found["win_rate"] == 0.5
    assert found["mean_reward_start"] == job.plan.task.score(outcomes)["mean_reward"]
