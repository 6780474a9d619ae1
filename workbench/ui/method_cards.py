"""The Methods tab as HTML and card groups: what each method trains, why one can't, the drawer's words, the plan's footer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench import registry, stage_progress
from workbench.families import FAMILIES
from workbench.method import Context, Method, card_parts
from workbench.options import Options
from workbench.presets import choice_label
from workbench.sources import ModelCard
from workbench.ui import parts, well_known
from workbench.ui.cards import Card, CardGroup, Measure
from workbench.ui.plan import Plan, entry_of, method_of, repeated, usual_rate

DECADES = 5
"""Bars of trained shares run from 0.001 % to 100 %."""
COUNTING = "counting…"
UNFOLDED = 9
"""Cards shown of a family that has no well-known method."""
Counts = Mapping[str, Mapping[str, Any] | None]
"""By key of a choice: the estimate's row, or None while nobody knows."""
Reasons = Mapping[str, str | None]


def log_share(share: float) -> float:
    """Where a share stands on the bar."""
    if share <= 0:
        return 0.0
    return min(1.0, max(0.02, (math.log10(share) + DECADES) / DECADES))


def trained_share(row: Mapping[str, Any] | None) -> float | None:
    if not row or not row.get("trainable_parameters") or not row.get("total_parameters"):
        return None
    return float(row["trainable_parameters"]) / float(row["total_parameters"])


def card_groups(plan: Plan, reasons: Reasons | None, counts: Counts, words: str = "") -> list[CardGroup]:
    """One card per method, and one more for each repetition, by family: the well-known first, a long rest folded unless
    words are searched for. `reasons` has the methods of which something is known."""
    wanted = words.casefold().split()
    groups = []
    for family in FAMILIES:
        first: list[Card] = []
        rest: list[Card] = []
        methods = [one for one in registry.methods().values() if one.family == family.name]
        for method in sorted(methods, key=lambda one: well_known.order(one.name)):
            text = f"{method.name} {method.title} {method.card} {family.title}".casefold()
            if not all(word in text for word in wanted):
                continue
            keys = [method.name, *(e["key"] for e in repeated(plan) if e["method"] == method.name)]
            cards = [_card(plan, method, key, reasons, counts.get(key)) for key in keys]
            (first if wanted or method.name in well_known.WELL_KNOWN else rest).extend(cards)
        if not first:
            first, rest = rest[:UNFOLDED], rest[UNFOLDED:]
        if len(rest) == 1:
            first, rest = [*first, *rest], []
        if first:
            groups.append(
                CardGroup(
                    family.name,
                    family.title,
                    tuple(first),
                    family.sentence.rstrip("."),
                    family.name,
                    more=tuple(rest),
                )
            )
    return groups


def _card(
    plan: Plan, method: Method, key: str, reasons: Reasons | None, count: Mapping[str, Any] | None
) -> Card:
    entry = entry_of(plan, key)
    reason = unfit(method, plan, entry["options"]) or as_sentence((reasons or {}).get(method.name))
    measures: tuple[Measure, ...] = ()
    note = changed_words(plan, method, entry)
    if reason is None and count is not None and count.get("reason"):
        note = str(count["reason"])
    elif reason is None:
        share = trained_share(count)
        measures = (
            Measure(
                "trains",
                COUNTING if share is None else parts.format_share(share),
                None if share is None else log_share(share),
                True,
                DECADES,
            ),
        )
    return Card(key, method.title, method.sentence, method.family, measures, disabled=reason, note=note)


def unfit(method: Method, plan: Plan, options: Mapping[str, Any]) -> str | None:
    """Why it can't serve the task or the data."""
    task = plan["task"]
    if task not in method.tasks:
        return f"Made for {', '.join(map(task_title, method.tasks))}; your task is {task_title(task)}."
    singly = bool((plan["data"] or {}).get("rated_singly"))
    return as_sentence(
        method.refusal(method.options.from_dict(options), Context(task=task, rated_singly=singly))
    )


def task_title(name: str) -> str:
    """Within a sentence."""
    known = registry.tasks().get(name)
    return known.title.lower() if known else name.replace("_", " ")


def as_sentence(reason: str | None) -> str | None:
    """A library's or a method's own words with a capital and a full stop; None where there are none."""
    return (
        None if not reason else f"{_first_capital(reason)}{'' if reason.endswith(('.', '!', '?')) else '.'}"
    )


def cannot_run(plan: Plan, reasons: Reasons | None) -> dict[str, str]:
    """Ticked choices that this model or task can't take, each with the reason."""
    found = {}
    for entry in plan["choices"]:
        method = registry.method(entry["method"])
        reason = unfit(method, plan, entry["options"]) or as_sentence((reasons or {}).get(method.name))
        if reason:
            found[entry["key"]] = reason
    return found


def changed_words(plan: Plan, method: Method, entry: Mapping[str, Any]) -> str:
    """What of a choice differs from the defaults: `r=4 on q_proj`."""
    rate = entry["learning_rate"]
    usual = method.learning_rate if rate is None else usual_rate(plan, method)
    return (
        choice_label(method.name, entry["options"], rate or usual, usual)
        .removeprefix(method.title)
        .strip(" ,")
    )


def fitting(task: str, reasons: Reasons) -> list[str]:
    """Methods that serve the task and against which nothing was found."""
    return [n for n, method in registry.methods().items() if not reasons.get(n) and task in method.tasks]


def finding_out(done: int) -> Markup:
    """How far the search for what can run is; nothing once it is over."""
    total = len(registry.methods())
    if done >= total:
        return Markup("")
    return Markup('<div class="wb-finding">{}</div>').format(
        parts.progress_bar(done / total, label=f"Trying the methods on this model: {done} of {total}")
    )


def title_line(plan: Plan, reasons: Reasons | None, words: str = "", found: int | None = None) -> Markup:
    total = len(registry.methods())
    if not reasons:
        note = f"{total} ways to fine-tune"
    elif len(reasons) < total:
        note = f"Trying them on this model: {len(reasons)} of {total}"
    else:
        fits = fitting(plan["task"], reasons)
        cannot = len(registry.methods()) - len(fits)
        note = f"{len(fits)} can run on this model and data"
        note += f", {cannot} cannot and say{'s' if cannot == 1 else ''} why" if cannot else ""
    if words and found is not None:
        note = f"{found} of {total} are about “{words}”"
    return parts.page_title("Methods", note)


def scale_note() -> Markup:
    return Markup('<p class="wb-note">{}</p>').format(
        "Bars of “trains” are on a log scale: each step is ten times more, from 0.001 % to 100 % of all weights."
        " Counted on the real architecture, before anything is loaded."
    )


def drawer_head(key: str) -> Markup:
    method = registry.method(method_of(key))
    again = key.removeprefix(method.name).removeprefix("-")
    return Markup(
        '<div class="wb-drawer-head">{}<h2>{}{}</h2><span class="wb-space"></span>{}'
        '<button type="button" class="wb-button wb-button-quiet wb-small wb-drawer-close" data-close-drawer>Close</button></div>'
    ).format(
        parts.marker(method.family, 16),
        method.title,
        Markup(' <span class="wb-muted">no. {}</span>').format(again) if again else "",
        parts.chip(method.family),
    )


def drawer_card(method: Method) -> Markup:
    card = card_parts(method.card)
    lines = [("What", card.summary), ("Use it", card.use_it), ("Costs", card.costs), ("Watch", card.watch)]
    if method.needs:
        lines.append(("Needs", method.needs))
    rows = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, _first_capital(text)) for name, text in lines
    )
    rows += _stages(method)
    paper = Markup(
        '<dt>Paper</dt><dd><a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a></dd>'
    ).format(method.paper)
    return Markup('<dl class="wb-method-card">{}{}</dl>').format(rows, paper if method.paper else "")


def _stages(method: Method) -> Markup:
    """What is trained one after the other, with the defaults; nothing where that is one thing."""
    outline = stage_progress.outline(method, method.options(), Context(task=method.tasks[0]))
    if len(outline) < 2:
        return Markup("")
    # Of sampling nobody knows beforehand how long it takes.
    known = method.make_rows is None
    lines = Markup("").join(
        Markup("<li>{}{}: {}</li>").format(
            part.title,
            f", {part.share:.0%} of the budget" if known else "",
            part.sentence[:1].lower() + part.sentence[1:],
        )
        for part in outline
    )
    return Markup("<dt>Stages</dt><dd><ol>{}</ol></dd>").format(lines)


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def count_box(count: Mapping[str, Any] | None, head: bool = True) -> Markup:
    """What these options train, for the model and labels of the plan."""
    if count is None:
        body = Markup('<span class="wb-muted">{}</span>').format(COUNTING)
    elif count.get("reason"):
        body = Markup("<span>{}</span>").format(count["reason"])
    else:
        body = Markup('<span><strong>{}</strong> trained</span><span class="wb-muted">{}</span>').format(
            parts.format_count(count["trainable_parameters"]), parts.format_share(trained_share(count))
        )
        if count.get("head_parameters"):
            body += Markup('<div class="wb-note">{} of them in the new {}.</div>').format(
                parts.format_count(count["head_parameters"]),
                parts.term(
                    "head",
                    "The last layer, which turns the model’s numbers into one score per label. Every method trains it.",
                ),
            )
    return Markup(
        '<div class="wb-count"><div class="wb-two wb-small">With these options</div><div class="wb-count-line">{}</div></div>'
    ).format(body)


def model_cards(cards: Sequence[ModelCard], chosen: str) -> Markup:
    return Markup('<div class="wb-models" role="group" aria-label="Embedded models">{}</div>').format(
        Markup("").join(
            Markup(
                '<button type="button" class="wb-model{}" data-action="model" data-key="{}" aria-pressed="{}">'
                '<span class="wb-dot" aria-hidden="true"></span><span><span class="wb-strong">{}</span>'
                '<span class="wb-note">{}</span></span></button>'
            ).format(
                " wb-on" if card.ref == chosen else "",
                card.ref,
                str(card.ref == chosen).lower(),
                card.title,
                card.summary,
            )
            for card in cards
        )
    )


def model_facts(facts: Mapping[str, Any]) -> Markup:
    """What the model's config and files say; what nobody knows is left out."""
    width = Markup("{} {}").format(
        parts.format_count(facts["width"]),
        Markup('<span class="wb-unit">heads {}</span>').format(facts["heads"]),
    )
    rows: list[tuple[str, str | Markup]] = [
        ("Parameters", parts.format_count(facts["parameters"])),
        ("Layers", parts.format_count(facts["layers"])),
        ("Width", width if facts["width"] else ""),
        ("Vocabulary", parts.format_count(facts["vocabulary"])),
        ("Longest input", parts.number(parts.format_count(facts["longest_input"]), "tokens", strong=False)),
        ("On disk", parts.format_bytes(facts["bytes"])),
        ("Bias terms", "yes" if facts["bias_terms"] else "none"),
        ("Licence", facts.get("license") or ""),
    ]
    return parts.fact_list([row for row in rows if row[1]])


def model_summary(title: str, parameters: int | None) -> Markup:
    """On narrow screens: the model in one line, and a button that unfolds the rest."""
    return Markup(
        '<div class="wb-model-line"><div><div class="wb-note">Base model</div><div class="wb-strong">{}</div></div>'
        '<div><div class="wb-note">Parameters</div><div>{}</div></div><span class="wb-space"></span>'
        '<button type="button" class="wb-button wb-button-secondary" data-toggle=".wb-methods-left">Change</button></div>'
    ).format(title, parts.format_count(parameters))


def options_of(plan: Plan, key: str) -> tuple[Method, Options]:
    entry = entry_of(plan, key)
    method = registry.method(entry["method"])
    return method, method.options.from_dict(entry["options"])
