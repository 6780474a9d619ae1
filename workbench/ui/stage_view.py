"""Draws the stages of a run: how far each has come while it trains, and what each took and reached once it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.families import family as find_family
from workbench.metric import metric
from workbench.result import Result
from workbench.stage_progress import Part
from workbench.ui.parts import bar, format_bytes, format_count, format_seconds, term
from workbench.ui.shown import in_sentence, in_words

MOST_SCORES = 4
FORMS = {
    "trained": "As trained, at full width",
    "rounded": "Rounded for good",
    "adapter": "Adapter on the stored base",
    "merged": "Folded in, widened",
    "merged_in_few_bits": "Folded in, stored in few bits again",
}


def stage_bar(parts: Sequence[Part], family: str, label: str) -> Markup:
    """One bar cut into stages as long as their shares; each fills by itself. Their names stand below."""
    done = sum(part.share * part.done for part in parts)
    cells = Markup("").join(
        Markup('<i style="flex-grow:{:.4f}" title="{}: {:.0f} %"><b style="width:{:.1f}%"></b></i>').format(
            part.share, part.title, 100 * part.done, 100 * part.done
        )
        for part in parts
    )
    names = Markup("").join(
        Markup('<li class="{}" title="{}">{}</li>').format(_state(part), part.sentence, part.title)
        for part in parts
    )
    return Markup(
        '<div class="wb-stage-bar {}" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{:.0f}"'
        ' aria-label="{}">{}</div><ol class="wb-stage-names">{}</ol>'
    ).format(find_family(family).css_class, 100 * done, label, cells, names)


def _state(part: Part) -> str:
    return "wb-stage-done" if part.done >= 1 else "wb-stage-now" if part.done > 0 else "wb-stage-next"


def stage_table(result: Result, family: str) -> Markup:
    """What each stage took and reached; nothing for a method that has one."""
    found = result.stages
    if not found:
        return Markup("")
    longest = max(float(one.get("seconds") or 0.0) for one in found)
    largest = max(int(one.get("peak_memory_bytes") or 0) for one in found)
    heads = ("Stage", "Time", "Peak memory", "Steps", "Rows seen", "Best checkpoint", "Reached")
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(words) for words in heads)
    body = Markup("").join(_row(number, one, longest, largest, family) for number, one in enumerate(found, 1))
    note = Markup('<p class="wb-note">{} {}</p>').format(
        "The run’s peak memory is that of its highest stage; its time is the sum.",
        "Scores of a stage are from the test part where the stage was scored there, else from the validation part.",
    )
    return Markup(
        '<div class="wb-detail-wide"><div class="wb-scroll"><table class="wb-plain wb-stages"><caption class="wb-hidden">'
        "Stages of this run</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}</div>"
    ).format(head, body, note)


def _row(number: int, one: Mapping[str, Any], longest: float, largest: int, family: str) -> Markup:
    seconds, size = one.get("seconds"), one.get("peak_memory_bytes")
    best = f"step {one['best_step']:,}" if one.get("best_step") else ""
    return Markup(
        '<tr><th scope="row"><span>{}. {}</span><span class="wb-note">{}</span></th><td>{}{}</td><td>{}{}</td>'
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
    ).format(
        number,
        one.get("title", one.get("name", "")),
        one.get("sentence", ""),
        format_seconds(seconds),
        bar(seconds, longest, family) if longest else "",
        format_bytes(size),
        bar(size, largest, family) if largest and size else "",
        format_count(one.get("steps")),
        format_count(one.get("samples")),
        best,
        _scores(one.get("metrics") or {}, one.get("gain")),
    )


def _scores(metrics: Mapping[str, float], gain: Mapping[str, Any] | None) -> Markup:
    """The first few scores in words, and what the stages after this one have added."""
    known = [(name, value) for name, value in metrics.items() if _is_known(name)][:MOST_SCORES]
    lines = [f"{in_sentence(name)} {in_words(value, name)}" for name, value in known]
    if gain:
        lines.append(f"the stages after it win {gain['win_rate']:.0%} of the test prompts")
    return Markup("").join(Markup("<span>{}</span>").format(line) for line in lines)


def _is_known(name: str) -> bool:
    try:
        metric(name)
    except KeyError:
        return False
    return True


def forms_table(result: Result) -> Markup:
    """What else a result with weights in few bits could be kept as, and how far its answers would move."""
    if not result.forms:
        return Markup("")
    rows = [
        Markup("<tr><th scope='row'>{}</th>{}</tr>").format(
            FORMS.get(name, name),
            Markup("").join(Markup('<td class="wb-num">{}</td>').format(cell) for cell in _form(numbers)),
        )
        for name, numbers in result.forms.items()
    ]
    score = next((one for numbers in result.forms.values() for one in numbers if _is_known_score(one)), "")
    words = (
        "",
        term(
            "Weights",
            "Bytes of the body's weights as they lie in memory, read off the tensors; embeddings apart.",
        ),
        term(
            "Bits each", "What one weight of the stored matrices takes, its scales included, packed or not."
        ),
        f"Validation {in_sentence(score)}" if score else "Score",
        term(
            "Answers move by",
            "Mean and largest difference of the logits from the first row’s, on the same texts.",
        ),
    )
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="wb-num"') if place else "", text)
        for place, text in enumerate(words)
    )
    return Markup(
        '<div class="wb-detail-wide"><h4 class="wb-strong">Forms of this result</h4><div class="wb-scroll"><table class="wb-plain">'
        '<caption class="wb-hidden">Forms of this result</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></div>'
    ).format(heads, Markup("").join(rows))


FORM_FIGURES = ("stored_weight_bytes", "weight_bits", "logit_difference_max", "logit_difference_mean")


def _is_known_score(name: str) -> bool:
    return name not in FORM_FIGURES and _is_known(name)


def _form(numbers: Mapping[str, float]) -> list[str]:
    size, bits = numbers.get("stored_weight_bytes"), numbers.get("weight_bits")
    score = next(((name, value) for name, value in numbers.items() if _is_known_score(name)), None)
    mean, most = numbers.get("logit_difference_mean"), numbers.get("logit_difference_max")
    return [
        "" if size is None else format_bytes(int(size)),
        "" if bits is None else f"{bits:.2f}",
        "" if score is None else in_words(score[1], score[0]),
        "" if mean is None or most is None else f"{mean:.2g}, at most {most:.2g}",
    ]
