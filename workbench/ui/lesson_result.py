"""A lesson's result beside the prediction: a row per choice with markers and intervals, the verdict in words, the claims."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from workbench import lessons
from workbench.claims import Finding
from workbench.comparison_rows import Row
from workbench.lesson_outcome import Judged, Outcome, Place
from workbench.lessons import Lesson
from workbench.metric import metric
from workbench.ui import parts, shown
from workbench.verdicts import MINUS

_RULING: Mapping[str, parts.frame.BadgeKind] = {"supported": "ok", "refuted": "fail", "cannot_tell": "busy"}


def result_html(
    lesson: Lesson, found: Outcome, predicted: int, language: str, *, active: bool = False
) -> Markup:
    """Prediction and outcome in one place; the rows are those that have finished so far. `active`: more are under way."""
    words, text = lessons.words(language), lessons.text(lesson.id, language)
    if found.happened is None:
        head = parts.notice("busy", words["partly" if active else "nothing_told"])
    else:
        right = found.happened == predicted
        head = parts.notice("ok" if right else "busy", words["came_true" if right else "came_otherwise"])
    sides = [(words["your_prediction"], text.choices[predicted])]
    if found.happened is not None:
        sides.append((words["what_happened"], text.choices[found.happened]))
    beside = Markup("").join(
        Markup(
            '<div class="wb-side"><div class="wb-note">{}</div><div class="wb-strong">{}</div></div>'
        ).format(*side)
        for side in sides
    )
    return Markup('{}<div class="wb-sides">{}</div>{}').format(
        head, beside, _table(lesson, found, predicted, language) if _has_rows(found) else ""
    )


def _has_rows(found: Outcome) -> bool:
    return any(place.row is not None and place.row.cells for place in found.places)


def _table(lesson: Lesson, found: Outcome, predicted: int, language: str) -> Markup:
    words = lessons.words(language)
    marks = lesson.asks.rule != "told_apart"
    scale = _scale(lesson, found)
    first = lesson.columns[0]
    heads = [words["examples" if lesson.asks.rule == "first_to_beat" else "method"]]
    heads += [column_title(name, language) for name in lesson.columns]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="wb-num"') if place else "", title)
        for place, title in enumerate(heads)
    )
    axis = Markup('<th scope="col" class="wb-hide-narrow">{}</th>').format(
        parts.scale_axis(scale[0], scale[1]) if scale else ""
    )
    rows = Markup("").join(
        _row(
            lesson,
            place,
            language,
            scale,
            predicted=marks and i == predicted,
            happened=marks and i == found.happened,
            text=_name(lesson, place, i, language),
        )
        for i, place in enumerate(found.places)
    )
    note = words["interval_note"]
    reference = next((place.reference for place in found.places if place.reference), None)
    if reference is not None:
        note += " " + words["reference"].format(name=shown.yardstick_words(reference)) + "."
    return Markup(
        '<div class="wb-scroll"><table class="wb-plain wb-lesson-table"><caption class="wb-hidden">{caption}</caption>'
        '<thead><tr>{head}{axis}</tr></thead><tbody>{rows}</tbody></table></div><p class="wb-note">{note}</p>'
    ).format(
        caption=f"{words['result']}: {column_title(first, language)}",
        head=head,
        axis=axis,
        rows=rows,
        note=note,
    )


def _name(lesson: Lesson, place: Place, i: int, language: str) -> str:
    if place.size is not None:
        return lessons.words(language)["rows"].format(count=f"{place.size:,}")
    if lesson.asks.rule == "told_apart":
        return place.row.label if place.row else lesson.preset.methods[i].choice().label
    return lessons.text(lesson.id, language).choices[i]


def _row(
    lesson: Lesson,
    place: Place,
    language: str,
    scale: tuple[float, float] | None,
    *,
    predicted: bool,
    happened: bool,
    text: str,
) -> Markup:
    words, row = lessons.words(language), place.row
    badges = Markup("")
    if predicted:
        badges += parts.badge("busy", words["your_prediction"])
    if happened:
        badges += parts.badge("ok", words["what_happened"])
    cells = Markup("").join(
        Markup('<td class="wb-num" data-label="{}">{}</td>').format(
            column_title(name, language), _figure(row, name)
        )
        for name in lesson.columns
    )
    return Markup(
        '<tr{}><th scope="row"><span class="wb-lesson-choice">{}{}</span>{}</th>{}<td class="wb-hide-narrow">{}</td></tr>'
    ).format(
        Markup(' class="wb-happened"') if happened else "",
        parts.marker(row.family) if row else "",
        text,
        Markup('<span class="wb-row">{}</span>').format(badges) if badges else "",
        cells,
        _whisker(place, lesson.columns[0], scale),
    )


def _figure(row: Row | None, name: str) -> str | Markup:
    cell = row.cells.get(name) if row else None
    if cell is None:
        return ""
    if shown.is_share(name) and cell.half_width is not None:
        return parts.plus_minus(
            shown.plain_figure(cell.mean, name), shown.plain_figure(cell.half_width, name), "%"
        )
    return parts.number(shown.in_words(cell.mean, name))


def _whisker(place: Place, name: str, scale: tuple[float, float] | None) -> Markup:
    cell = place.row.cells.get(name) if place.row else None
    if cell is None or scale is None or place.row is None:
        return Markup("")
    unit = shown.times(name)
    reference = place.reference.mean(name) if place.reference else None
    return parts.whisker(
        cell.mean * unit,
        None if cell.low is None else cell.low * unit,
        None if cell.high is None else cell.high * unit,
        *scale,
        place.row.family,
        reference=None if reference is None else reference * unit,
        label=shown.in_words(cell.mean, name),
    )


def _scale(lesson: Lesson, found: Outcome) -> tuple[float, float] | None:
    """Over all means and references, with room for intervals; those that reach further end in an arrow."""
    name, unit = lesson.columns[0], shown.times(lesson.columns[0])
    rows = [row for place in found.places for row in (place.row, place.reference) if row is not None]
    means = [row.cells[name].mean * unit for row in rows if name in row.cells]
    if not means:
        return None
    spread = max(max(means) - min(means), 0.02 * max(abs(mean) for mean in means), 1e-6)
    low, high = min(means) - 0.6 * spread, max(means) + 0.6 * spread
    return (max(low, 0.0), min(high, 100.0)) if shown.is_share(name) else (low, high)


def verdict_html(judged: Judged | None, language: str) -> Markup:
    """What may be said of the two rows on which the answer hangs."""
    if judged is None:
        return Markup("")
    sentence, detail = verdict_words(judged, language)
    kind: parts.frame.BadgeKind = "ok" if judged.told else "busy"
    return parts.notice(kind, sentence, detail)


def verdict_words(judged: Judged, language: str) -> tuple[str, str]:
    """The sentence, and what it rests on or what is missing."""
    words, difference = lessons.words(language), judged.difference
    if not judged.second:
        return words["best_itself"].format(first=judged.first), ""
    if difference is None:
        return words["nothing_told"], ""
    first, second = judged.first, judged.second
    if judged.told and difference.mean * _sign(judged.column) < 0 and difference.p is not None:
        first, second = second, first
    said = {
        "first": first,
        "second": second,
        "amount": _amount(difference.mean, judged.column, language),
        "column": column_title(judged.column, language),
    }
    if difference.rows == 0:
        key = "differs" if judged.told else "overlaps"
        return words[key].format(**said), words[f"{key}_note"]
    if difference.low is None or difference.high is None:
        return words["cannot_tell"].format(**said), words["cannot_tell_one"]
    low, high = (_signed(bound, judged.column) for bound in (difference.low, difference.high))
    bounds = words["bounds"].format(low=low, high=high, rows=f"{difference.rows:,}", seeds=difference.seeds)
    if judged.told:
        return words["beats"].format(**said) + ("。" if language == "zh" else "."), bounds
    return words["cannot_tell"].format(**said), f"{bounds} {words['cannot_tell_more']}"


def _sign(column: str) -> int:
    return -1 if metric(column).better == "lower" else 1


def _amount(value: float, column: str, language: str) -> str:
    if shown.is_share(column):
        return lessons.words(language)["points"].format(value=f"{abs(value) * 100:.1f}")
    return shown.in_words(abs(value), column).lstrip("+")


def _signed(value: float, column: str) -> str:
    scaled = value * 100 if shown.is_share(column) else value
    return f"{scaled:+.1f}".replace("-", MINUS) if math.isfinite(scaled) else ""


def claims_html(findings: Sequence[Finding], language: str) -> Markup:
    """The claims that this lesson is about, each with its ruling."""
    if not findings:
        return Markup("")
    words = lessons.words(language)
    items = Markup("").join(
        Markup(
            '<li>{}<div class="wb-grow"><div>{} <span class="wb-note">{}</span></div><div class="wb-note">{}</div></div></li>'
        ).format(
            parts.badge(_RULING[one.ruling], words[f"ruling_{one.ruling}"]),
            one.claim.sentence,
            one.claim.source,
            one.judged.why,
        )
        for one in findings
    )
    return Markup('<h4 class="wb-lesson-sub">{}</h4><ul class="wb-lesson-claims">{}</ul>').format(
        words["claims"], items
    )


def column_title(name: str, language: str) -> str:
    """A column's title in this language, with the unit of a score."""
    title = lessons.words(language)["columns"]
    known: Mapping[str, str] = title if isinstance(title, Mapping) else {}
    said = known.get(name, metric(name).title)
    return f"{said}, %" if shown.is_share(name) and metric(name).group == "how good" else said
