"""The card "Claims, on your runs" of the Compare tab: what papers say, the verdict of this setting's runs, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.claims import WORDS, Finding, findings
from workbench.compare import Comparison
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block
from workbench.ui.parts import badge, button

SHOWN = 4
BADGES: dict[str, Any] = {"supported": "ok", "refuted": "fail", "cannot_tell": "busy"}


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    p["every_claim"] = gr.State(False)
    p["claims"] = html_block("", elem_classes="wb-claims-block")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The card follows the tab; its buttons queue the runs that a claim lacks, or show all claims."""

    def told(
        setting_id: str | None, request: gr.Request
    ) -> tuple[Comparison | None, list[Finding], str | None]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        return found, findings(context.store, found, owner=owner) if found else [], owner

    @say_errors
    def show_claims(setting_id: str | None, every: bool, request: gr.Request) -> str:
        found, judged, _ = told(setting_id, request)
        return str(claims_html(judged, every)) if found else ""

    @say_errors
    def act_on_claim(
        setting_id: str | None, every: bool, event: gr.EventData, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        found, judged, owner = told(setting_id, request)
        if found is None:
            raise ValueError(shown.NO_RUNS)
        if event.action == "every":
            return gr.skip(), bool(event.key), str(claims_html(judged, bool(event.key)))
        chosen = next((one for one in judged if one.claim.name == event.key), None)
        specs = chosen.missing if chosen else ()
        key = f"claim:{found.setting.id}:{event.key}:{len(found.runs)}:{owner}"
        ids = shown.queue_more(context, specs, owner, key)
        gr.Info(f"{len(ids)} runs queued. Train shows how they go on.", duration=6)
        return gr.Timer(active=True), gr.skip(), gr.skip()

    inputs = [context.setting_id, p["every_claim"]]
    p["drawn"].change(show_claims, inputs, p["claims"], **QUIET)
    outputs = [context.timer, p["every_claim"], p["claims"]]
    p["claims"].action(act_on_claim, inputs, outputs, trigger_mode="once", **QUIET)


def claims_html(judged: Sequence[Finding], every: bool = False) -> Markup:
    """Told claims first; of those that can't be told the ones that runs here would tell."""
    kept = list(judged) if every else list(judged[:SHOWN])
    note = f"{sum(one.ruling != 'cannot_tell' for one in judged)} of {len(judged)} told"
    toggle = ""
    if len(judged) > SHOWN:
        words = "Show fewer" if every else f"Show all {len(judged)}"
        toggle = button(words, "every", "" if every else "1", kind="quiet")
    items = Markup("").join(map(_claim, kept))
    return Markup(
        '<section class="wb-card wb-claims"><div class="wb-head"><h3>Claims, on these runs</h3><span class="wb-note">{}</span>'
        '<span class="wb-space"></span>{}</div>{}</section>'
    ).format(note, toggle, items or Markup('<p class="wb-two">No claim is about this task yet.</p>'))


def _claim(one: Finding) -> Markup:
    count = len(one.missing)
    ask = ""
    if count:
        hidden = Markup('<span class="wb-hidden"> for: {}</span>').format(one.claim.sentence)
        ask = button(
            Markup("Queue {} run{}{}").format(count, "" if count == 1 else "s", hidden),
            "claim",
            one.claim.name,
        )
    return Markup(
        '<div class="wb-claim"><div class="wb-row">{}<span class="wb-space"></span>'
        '<a class="wb-small" href="{}" target="_blank" rel="noreferrer">{}</a></div>'
        '<p class="wb-claim-words">{}</p><div class="wb-claim-why"><span class="wb-note">{}</span>{}</div></div>'
    ).format(
        badge(BADGES[one.ruling], WORDS[one.ruling]),
        one.claim.url,
        one.claim.source,
        one.claim.sentence,
        one.judged.why,
        ask,
    )
