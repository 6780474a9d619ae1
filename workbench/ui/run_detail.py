"""One finished run label by label: precision, recall, F1, and which label was taken for which."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from workbench.result import Run
from workbench.ui.curve_table import plain_table
from workbench.ui.parts import format_count, format_score, term

MOST_LABELS = 16
MOST_MIXED_UP = 10


def detail_html(run: Run | None) -> Markup:
    """Both tables; a sentence where there is nothing to show."""
    if run is None or run.result is None:
        return Markup('<p class="wb-two">Label by label: here once a run has finished.</p>')
    labels = run.spec.setting.data.labels
    parts = [_label_table(run, labels)]
    if run.result.confusion and len(run.result.confusion) == len(labels):
        parts.append(
            _confusion(run.result.confusion, labels)
            if len(labels) <= MOST_LABELS
            else _mixed_up(run.result.confusion, labels)
        )
    return Markup('<div class="wb-detail">{}</div>').format(Markup("").join(parts))


def _label_table(run: Run, labels: Sequence[str]) -> Markup:
    assert run.result is not None
    per_label = run.result.per_label
    if not per_label:
        return Markup('<p class="wb-two">This run kept no scores by label.</p>')
    rows = [
        (
            label,
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
        Markup('<th scope="col" class="wb-num"><span class="wb-cut" title="{0}">{0}</span></th>').format(
            label
        )
        for label in labels
    )
    body = Markup("").join(
        Markup('<tr><th scope="row"><span class="wb-cut" title="{0}">{0}</span></th>{1}</tr>').format(
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
