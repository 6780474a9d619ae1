"""Which runs the stand-alone script can repeat to the same score, and for the others the one sentence why not."""

from __future__ import annotations

from pathlib import Path

from workbench import registry
from workbench.compare import judged_by
from workbench.exporting import forms
from workbench.method import Method
from workbench.result import Run
from workbench.store import Store

TASKS = ("classification", "generation")
OPTIMIZERS = ("adamw_torch_fused", "adamw_torch")
# Tuners that the workbench puts right where PEFT's own would do otherwise.
MENDED = ("POLY", "MULTITASK_PROMPT_TUNING", "CPT", "SHADOW")
HOOKS = {
    "stages": "it trains in several stages",
    "make_rows": "it makes its training rows by itself",
    "prepare_model": "it stores the base in few bits in its own way",
    "after_training": "it changes the model after training",
    "objective": "it has a loss of its own",
    "optimizer": "it has an optimiser of its own",
}


def refusal(store: Store, run: Run) -> str | None:
    """None where the script repeats the run."""
    if run.state != "finished" or run.result is None:
        return f"This run is {run.state}: code is written for finished runs, whose score it is held against."
    why = _why_not(store, run)
    return None if why is None else f"No script of a hundred lines repeats {run.label}: {why}."


def _why_not(store: Store, run: Run) -> str | None:
    setting = run.spec.setting
    if setting.task not in TASKS:
        return f"the task {setting.task} needs more than transformers and peft"
    method = registry.methods().get(run.spec.choice.method)
    if method is None:
        return "its method is not installed here"
    trained = store.run_folder(run.id) / forms.TRAINED
    if not trained.is_dir():
        return "its trained weights are gone"
    return why_not_trained(method, trained, setting.task) or _setting(run)


def why_not_trained(method: Method, trained: Path, task: str) -> str | None:
    """Why a script can't make what was trained so, whatever the setting; None where it can."""
    for hook, words in HOOKS.items():
        if getattr(method, hook) is not None:
            return words
    made = forms.made_of(trained)
    if made == forms.PARTS:
        return "its modules are the workbench's own (the export of its adapter brings them)"
    return _tuner(forms.peft_config(trained), task) if made == forms.PEFT else None


def _tuner(config: dict[str, object], task: str) -> str | None:
    if config.get("peft_type") in MENDED:
        return f"PEFT's {config.get('peft_type')} needs corrections that the workbench makes"
    if config.get("peft_type") == "PREFIX_TUNING" and task == "generation":
        return "of padded rows plain PEFT drops the positions, so that its batches write other words than were measured"
    if config.get("num_virtual_tokens") and task == "classification":
        return "with prompts in front, plain PEFT reads the wrong word of padded rows"
    return None


def _setting(run: Run) -> str | None:
    setting = run.spec.setting
    if setting.budget.kind == "seconds":
        return "its budget was a time, and another machine gets farther in it"
    if setting.search_trials:
        return "its learning rate was searched for"
    if setting.optimizer not in OPTIMIZERS:
        return f"its optimiser {setting.optimizer} is not one of torch's own"
    if setting.precision == "float16" or "run:" in setting.model:
        return "it rests on an earlier run" if "run:" in setting.model else "float16 needs a loss scaler"
    if setting.task == "generation":
        options = setting.task_options
        if options.get("do_sample"):
            return "its answers are sampled"
        if options.get("choose_by", "perplexity") != "perplexity":
            return "its checkpoint is picked by generated answers"
        if judged_by(setting) not in ("chrf", "exact_match", "answer_match"):
            return f"its score {judged_by(setting)} takes a library of its own"
    return None
