"""The panel under the methods that says before any run what the ticked ones will need, and answers "what if" at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from workbench import background, closed_form, costs, devices, registry
from workbench.optimizers import FACTS
from workbench.spec import Setting, canonical_json
from workbench.ui import asking
from workbench.ui.asking import Choice
from workbench.ui.context import QUIET, PageContext, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.estimate_table import Need, needs_table
from workbench.ui.live_plan import MOST_PAGES, current_plan
from workbench.ui.owner import owner_of
from workbench.ui.plan import Plan, setting_value

Updates = dict[Any, Any]
POOL = "costs"
LABELS = 2
# More would keep a small machine busy for minutes: the formula serves for the rest until fewer are ticked.
FOLLOWED = 12
MOST_ANSWERS = 2000
HERE = "This machine"
WEIGHTS = (("32 bits", "float32"), ("16 bits", "bfloat16"), ("4 bits (QLoRA)", "4bit"))
CONTROLS = (
    "need_batch",
    "need_length",
    "need_checkpointing",
    "need_weights",
    "need_optimizer",
    "need_device",
    "need_gib",
)
_answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
_turns: OrderedDict[str, int] = OrderedDict()
_lock = threading.Lock()


def draw_needs(at: dict[str, Any]) -> None:
    """The panel's place: what is asked above, the answers below."""
    with gr.Column(elem_id="needs", elem_classes="wb-card wb-needs-panel"):
        html_block(
            '<div class="wb-head"><h3>What the ticked methods will need</h3></div>'
            '<p class="wb-two">Told before any run, without loading a weight. Move what is below to ask \u201cwhat if\u201d:'
            " the plan itself stays as it is.</p>"
        )
        with gr.Row(elem_classes="wb-needs-asked"):
            at["need_batch"] = gr.Slider(1, 256, 16, step=1, label="Batch", info="Rows in a step.")
            at["need_length"] = gr.Slider(8, 4096, 128, step=8, label="Length", info="Tokens of a row.")
            at["need_weights"] = gr.Dropdown(
                list(WEIGHTS), value="float32", label="Base kept in", min_width=120,
                info="4 bits is how QLoRA keeps a large base.",
            )  # fmt: skip
            at["need_optimizer"] = gr.Dropdown(
                [(fact.title, fact.name) for fact in FACTS], value=Setting.optimizer,
                label="Optimiser", min_width=150, info="Those of 8 bits remember in less.",
            )  # fmt: skip
            at["need_device"] = gr.Dropdown(
                [(HERE, costs.HERE), *((gpu.title, gpu.name) for gpu in devices.GPUS)],
                value=costs.HERE, label="Trained on", min_width=140, info="A GPU\u2019s time is from its maker\u2019s figures.",
            )  # fmt: skip
            at["need_gib"] = gr.Number(
                0, label="GPU memory in GiB", minimum=0, min_width=110, info="0: that of the GPU chosen."
            )
            at["need_checkpointing"] = gr.Checkbox(
                False, label="Gradient checkpointing",
                info="Keeps few results in between and computes them again: smaller, about a third slower.",
            )  # fmt: skip
        at["needs"] = html_block(needs_table([]))


def wire_needs(context: PageContext, at: dict[str, Any]) -> None:
    controls = [at[name] for name in CONTROLS]

    @say_errors
    def take_plan(plan: Plan, request: gr.Request, *values: Any) -> Iterator[Updates]:
        """The plan changed: batch, length and optimiser are the setting's again."""
        plan = current_plan(plan, request)
        given = dict(zip(CONTROLS, values))
        given |= {
            "need_batch": setting_value(plan, "batch_size"),
            "need_length": setting_value(plan, "max_length"),
            "need_optimizer": setting_value(plan, "optimizer"),
        }
        first: Updates = {at[name]: given[name] for name in ("need_batch", "need_length", "need_optimizer")}
        for shown in _needs(context, plan, given, request):
            yield first | {at["needs"]: shown}
            first = {}

    @say_errors
    def ask_what_if(plan: Plan, request: gr.Request, *values: Any) -> Iterator[Updates]:
        plan = current_plan(plan, request)
        for shown in _needs(context, plan, dict(zip(CONTROLS, values)), request):
            yield {at["needs"]: shown}

    asked = [context.plan, *controls]
    outputs = [at["needs"], at["need_batch"], at["need_length"], at["need_optimizer"]]
    context.plan.change(take_plan, asked, outputs, trigger_mode="always_last", **QUIET)
    gr.on(
        [control.input for control in controls],
        ask_what_if,
        asked,
        at["needs"],
        trigger_mode="always_last",
        **QUIET,
    )


def _needs(context: PageContext, plan: Plan, given: Mapping[str, Any], request: gr.Request) -> Iterator[str]:
    """The formula's rows at once, then each method's own as it was followed, until something newer is asked."""
    training, gib = training_of(plan, given)
    choices = [(entry["key"], (entry["method"], _options(entry))) for entry in plan["choices"]]
    turn, owner = _next_turn(request), owner_of(request)
    labels = int((plan["data"] or {}).get("labels") or LABELS)
    shape = closed_form.shape_of(plan["model"])
    needs = {key: _at_once(context, plan, shape, choice, training, owner, labels) for key, choice in choices}
    missing = [(key, choice) for key, choice in choices if not needs[key].exact][:FOLLOWED]
    yield str(needs_table(list(needs.values()), asked_gib=gib, busy=bool(missing)))
    for number, (key, choice) in enumerate(missing, 1):
        if _turns.get(_page(request)) != turn:
            return
        needs[key] = _followed(context, plan, choice, training, owner, labels, needs[key])
        yield str(needs_table(list(needs.values()), asked_gib=gib, busy=number < len(missing)))


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    return registry.method(entry["method"]).options.from_dict(dict(entry["options"])).to_dict()


def training_of(plan: Plan, given: Mapping[str, Any]) -> tuple[dict[str, Any], float | None]:
    """What `costs.Training` is asked, and the memory whose largest batch is wanted."""
    device = str(given["need_device"] or costs.HERE)
    gib = float(given["need_gib"]) if given["need_gib"] else None
    training = {
        "batch_size": max(1, int(given["need_batch"] or 1)),
        "max_length": max(4, int(given["need_length"] or 4)),
        "precision": setting_value(plan, "precision"),
        "weights": given["need_weights"],
        "optimizer": given["need_optimizer"] or setting_value(plan, "optimizer"),
        "gradient_checkpointing": bool(given["need_checkpointing"]),
        "device": device,
        "gib": gib,
    }
    return training, gib or (None if device == costs.HERE else devices.gpu(device).gib)


def _at_once(
    context: PageContext,
    plan: Plan,
    shape: closed_form.Shape | None,
    choice: Choice,
    training: Mapping[str, Any],
    owner: str | None,
    labels: int,
) -> Need:
    """What was followed before, else what the formula says."""
    method = registry.method(choice[0])
    known = _answers.get(_key(context, plan, choice, training, owner, labels))
    if known is not None:
        return _need(choice, known)
    count = asking.known_count(context.store, plan["model"], owner, choice, plan["task"], labels)
    if count and count.get("reason"):
        return Need(method.title, method.family, reason=str(count["reason"]), exact=True)
    if shape is None or not count or count.get("trainable_parameters") is None:
        return Need(method.title, method.family)
    guess = closed_form.memory(
        shape,
        base=count["base_parameters"],
        trained=count["trainable_parameters"],
        total=count["total_parameters"],
        training=training,
        narrow=training["device"] != costs.HERE or training["precision"] in ("bfloat16", "float16"),
        on_cuda=training["device"] != costs.HERE,
        language=plan["task"] != "classification",
    )
    return Need(method.title, method.family, {**count, "memory": guess})


def _followed(
    context: PageContext,
    plan: Plan,
    choice: Choice,
    training: Mapping[str, Any],
    owner: str | None,
    labels: int,
    before: Need,
) -> Need:
    """A training step of it, followed in the background process."""
    key = _key(context, plan, choice, training, owner, labels)
    try:
        row = background.call(
            "workbench.costs:rows_of", str(context.store.folder), owner, plan["model"], [choice],
            plan["task"], labels, dict(training), pool=POOL,
        )[0]  # fmt: skip
    except Exception as error:  # said in the method's own row, the other rows go on
        return Need(before.title, before.family, reason=sentence_of(error), exact=True)
    with _lock:
        _answers[key] = row
        while len(_answers) > MOST_ANSWERS:
            _answers.popitem(last=False)
    return _need(choice, row)


def _need(choice: Choice, row: Mapping[str, Any]) -> Need:
    method = registry.method(choice[0])
    reason = str(row.get("reason") or row.get("memory_reason") or "")
    return Need(method.title, method.family, row, True, reason)


def _key(
    context: PageContext,
    plan: Plan,
    choice: Choice,
    training: Mapping[str, Any],
    owner: str | None,
    labels: int,
) -> str:
    asked = [
        str(context.store.folder),
        owner,
        plan["model"],
        list(choice),
        plan["task"],
        labels,
        dict(training),
    ]
    return canonical_json(asked)


def _page(request: gr.Request | None) -> str:
    return str(getattr(request, "session_hash", None))


def _next_turn(request: gr.Request | None) -> int:
    """An older question of the same page stops when a newer one is asked."""
    with _lock:
        page = _page(request)
        _turns[page] = turn = _turns.pop(page, 0) + 1
        while len(_turns) > MOST_PAGES:
            _turns.popitem(last=False)
    return turn


__all__: Sequence[str] = ("draw_needs", "training_of", "wire_needs")
