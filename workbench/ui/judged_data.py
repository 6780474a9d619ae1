"""Makes readers' judgements the data set of the plan: the file of preference rows, and the way to the Data tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from workbench import judgements
from workbench.spec import DataSpec
from workbench.ui.context import PageContext, owner_of
from workbench.ui.frame import data_title
from workbench.ui.live_plan import change_plan
from workbench.ui.plan import Plan


def learn_from(
    context: PageContext,
    plan: Plan,
    rows: Sequence[Mapping[str, str]],
    kind: str,
    data: DataSpec,
    request: gr.Request,
) -> tuple[Plan, Any]:
    """`kind` names the file: votes or rated, on prompts of `data`."""
    name = f"{kind}-{data_title(data.source)}.jsonl"
    source = judgements.keep_as_data(context.store, rows, owner_of(request), name)
    chosen = {"task": "preference", "data": {"source": source, "title": name}}
    gr.Info(
        f"{len(rows)} pairs of answers are the data set now: methods of the task preference learn from them.",
        duration=8,
    )
    return change_plan(plan, request, lambda newest: {**newest, **chosen}), gr.Tabs(selected="data")
