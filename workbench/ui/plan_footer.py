"""The footer of the Methods tab: what the button will queue, what of it cannot run, and the preset of it to keep."""

from __future__ import annotations

from markupsafe import Markup

from workbench import registry
from workbench.ui import parts
from workbench.ui.method_cards import Counts, Reasons, cannot_run, trained_share
from workbench.ui.plan import Plan, method_of, run_count, to_yaml


def plan_footer(plan: Plan, counts: Counts, reasons: Reasons | None = None) -> Markup:
    """What the button will queue, and the preset of it to keep."""
    choices, seeds, runs = len(plan["choices"]), len(plan["seeds"]), run_count(plan)
    product = Markup('<span class="wb-plan-product">{} method{} × {} seed{} = </span>{} run{}').format(
        choices, "" if choices == 1 else "s", seeds, "" if seeds == 1 else "s", runs, "" if runs == 1 else "s"
    )
    facts = [("Plan", product if choices else "No method ticked yet")]
    largest = _largest(plan, counts)
    no = cannot_run(plan, reasons)
    if no:
        titles = list(dict.fromkeys(registry.method(method_of(key)).title for key in no))
        more = f" and {len(titles) - 2} more" if len(titles) > 2 else ""
        facts.append(("Cannot run here", parts.badge("warn", ", ".join(titles[:2]) + more)))
    elif largest:
        facts.append(("Trains at most", largest))
    if plan["data"] and plan["data"].get("fingerprint"):
        facts.append(("Data", str(plan["data"].get("title") or plan["data"]["source"])))
    elif choices:
        facts.append(("Data", Markup('<span class="wb-muted">no data yet</span>')))
    rows = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in facts
    )
    return Markup(
        '<div class="wb-plan-line"><dl class="wb-plan-facts">{}</dl><span class="wb-space"></span>{}{}</div>'
    ).format(rows, _needs_link(plan), _save_button(plan))


def _needs_link(plan: Plan) -> Markup:
    """To the panel under the methods, which is a long way down."""
    if not plan["choices"]:
        return Markup("")
    return Markup(
        '<button type="button" class="wb-button wb-button-secondary" data-scroll="#needs">What they need</button>'
    )


def _save_button(plan: Plan) -> Markup:
    """Downloads what stands in it: no file is made on the server."""
    if not plan["choices"]:
        return Markup("")
    try:
        text = to_yaml(plan)
    except ValueError as error:
        return Markup(
            '<button type="button" class="wb-button wb-button-secondary" disabled title="{}">Save as preset</button>'
        ).format(str(error))
    return Markup(
        '<button type="button" class="wb-button wb-button-secondary" data-download="my-comparison.yaml" data-text="{}">'
        "Save as preset</button>"
    ).format(text)


def _largest(plan: Plan, counts: Counts) -> Markup | None:
    shares = [
        (share, entry) for entry in plan["choices"] if (share := trained_share(counts.get(entry["key"])))
    ]
    if not shares or len(shares) < len(plan["choices"]):
        return None
    share, entry = max(shares, key=lambda pair: pair[0])
    return Markup('{} <span class="wb-note">{}</span>').format(
        parts.number(parts.format_share(share)), registry.method(entry["method"]).title
    )


def queue_label(plan: Plan) -> str:
    runs = run_count(plan)
    return f"Queue {runs} run{'' if runs == 1 else 's'}" if runs else "Queue runs"
