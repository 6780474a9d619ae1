"""One finished run in detail: scores by label and what was taken for what, or scores by kind of row; and what was noted."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from workbench.curves import family_of
from workbench.metric import metric
from workbench.repeat import Repeated
from workbench.result import Result, Run
from workbench.ui.curve_table import plain_table
from workbench.ui.parts import badge, button, format_count, format_milliseconds, format_score, term
from workbench.ui.shown import head_of, in_sentence, in_words, judged_by, plain_figure, writes_text
from workbench.ui.stage_view import forms_table, stage_table

MOST_LABELS = 16
MOST_MIXED_UP = 10
MOST_KINDS = 30


def detail_html(run: Run | None, repeated: Repeated | None = None) -> Markup:
    """The tables of the run's task; a sentence where there is nothing to show."""
    if run is None or run.result is None:
        return Markup('<p class="wb-two">Label by label or kind by kind: here once a run has finished.</p>')
    parts = _written(run, run.result) if writes_text(run.spec.setting) else _labelled(run, run.result)
    parts += [stage_table(run.result, family_of(run.spec.choice.method)), forms_table(run.result)]
    return Markup('<div class="wb-detail">{}{}{}</div>').format(
        Markup("").join(parts), _notes(run.result), _repeat(run, repeated)
    )


def _repeat(run: Run, repeated: Repeated | None) -> Markup:
    """The button that trains it again; of a run that was such a repetition, how it went."""
    said = badge("ok" if repeated.same else "warn", repeated.sentence) if repeated else ""
    return Markup('<div class="wb-detail-wide wb-row">{}{}</div>').format(
        button("Repeat this run", "repeat", run.id),
        said or Markup('<span class="wb-note">{}</span>').format(REPEAT),
    )


REPEAT = "Trains it again from its record and compares every prediction."


def _labelled(run: Run, result: Result) -> list[Markup]:
    labels = run.spec.setting.data.labels
    parts = [_label_table(result, labels)]
    if result.confusion and len(result.confusion) == len(labels):
        draw = _confusion if len(labels) <= MOST_LABELS else _mixed_up
        parts.append(draw(result.confusion, labels))
    return parts


def _written(run: Run, result: Result) -> list[Markup]:
    """Scores by kind of row, the judged one first, and how fast an answer comes."""
    score = judged_by(run.spec.setting)
    names = [name for name in dict.fromkeys((score, *result.metrics)) if name in result.metrics]
    by_kind = sorted(result.per_kind.items(), key=lambda pair: pair[1].get(score) or 0.0)
    counted = bool(result.per_kind)
    rows = [
        (kind, format_count(values.get("rows")), *(plain_figure(values.get(name), name) for name in names))
        for kind, values in by_kind[:MOST_KINDS]
    ]
    whole = sum(values.get("rows", 0) for values in result.per_kind.values())
    rows.append(
        ("All rows", format_count(whole), *(plain_figure(result.metrics[name], name) for name in names))
    )
    heads = ("Kind of row", "Rows", *map(head_of, names))
    if not counted:
        heads, rows = (heads[0], *heads[2:]), [(row[0], *row[2:]) for row in rows]
    table = plain_table(heads, rows, "Scores by kind of row")
    note = "The lowest first. Kinds are the data's own." if counted else "These rows name no kinds."
    if len(by_kind) > MOST_KINDS:
        note += f" {len(by_kind) - MOST_KINDS} more kinds score higher."
    words = Markup(", ").join(term(metric(name).title, metric(name).help) for name in names)
    facts = {
        "First token after": format_milliseconds(result.first_token_ms),
        "Each further token": format_milliseconds(result.token_ms),
        "Best checkpoint": f"step {result.best_step:,}" if result.best_step else "",
    }
    if name := _validated(result):
        facts[f"Validation {in_sentence(name)}"] = in_words(result.validation[name], name)
    cells = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts.items() if fact[1]
    )
    speed = Markup('<dl class="wb-pace">{}</dl>').format(cells)
    return [
        Markup(
            '<div class="wb-detail-wide">{}<p class="wb-note">{} What the columns mean: {}.</p></div>'
        ).format(table, note, words),
        Markup('<div class="wb-detail-wide">{}</div>').format(speed),
    ]


def _validated(result: Result) -> str:
    return next((name for name in ("perplexity", "chrf", "rouge_l") if name in result.validation), "")


def _notes(result: Result) -> Markup:
    if not result.notes:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(note) for note in result.notes)
    return Markup(
        '<div class="wb-detail-wide"><ul class="wb-said-notes wb-small wb-two">{}</ul></div>'
    ).format(items)


def _label_table(result: Result, labels: Sequence[str]) -> Markup:
    per_label = result.per_label
    if not per_label:
        return Markup('<p class="wb-two">This run kept no scores by label.</p>')
    rows = [
        (
            Markup('<span translate="no">{}</span>').format(label),
            format_score(per_label[label].get("precision")),
            format_score(per_label[label].get("recall")),
            format_score(per_label[label].get("f1")),
            format_count(per_label[label].get("rows")),
        )
        for label in labels
        if label in per_label
    ]
    words = Markup('<p class="wb-note">{}, {} and {} in percent.</p>').format(
        term("Precision", "Of the rows that got this label, the share that deserved it."),
        term("recall", "Of the rows that deserve this label, the share that got it."),
        term("F1", "The harmonic mean of precision and recall."),
    )
    table = plain_table(("Label", "Precision", "Recall", "F1", "Rows"), rows, "Scores by label")
    return Markup("<div>{}{}</div>").format(table, words)


def _confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Markup:
    """Gold labels down, predicted ones across; the ground is the darker the larger the share of its row."""
    head = Markup("").join(
        Markup(
            '<th scope="col" class="wb-num"><span class="wb-cut" title="{0}" translate="no">{0}</span></th>'
        ).format(label)
        for label in labels
    )
    body = Markup("").join(
        Markup(
            '<tr><th scope="row"><span class="wb-cut" title="{0}" translate="no">{0}</span></th>{1}</tr>'
        ).format(
            label,
            Markup("").join(
                Markup('<td class="wb-num{}" style="--share:{:.3f}">{}</td>').format(
                    " wb-right" if i == j else "", count / max(sum(row), 1), count
                )
                for j, count in enumerate(row)
            ),
        )
        for i, (label, row) in enumerate(zip(labels, matrix))
    )
    return Markup(
        '<div><div class="wb-scroll"><table class="wb-plain wb-confusion"><caption class="wb-hidden">Confusion matrix</caption><thead>'
        "<tr><th></th>{}</tr></thead><tbody>{}</tbody></table></div>"
        '<p class="wb-note">Down: the right label. Across: what the model said.</p></div>'
    ).format(head, body)


def _mixed_up(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Markup:
    """Too many labels for a matrix: the pairs that were mixed up most often."""
    pairs = sorted(
        ((count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count),
        reverse=True,
    )
    rows = [(labels[i], labels[j], str(count)) for count, i, j in pairs[:MOST_MIXED_UP]]
    return plain_table(("Right label", "Taken for", "Times"), rows, "Labels most often mixed up")
