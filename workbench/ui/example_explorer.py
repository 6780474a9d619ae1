"""The card "Examples, side by side" of the Compare tab: test rows with what each method said of them, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import example_rows
from workbench.compare import Comparison
from workbench.example_rows import Example, Order, Said, Voice
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.differences import LEAST_SHARED, marked, shared
from workbench.ui.parts import bar, button, chip, empty_state, icon, marker
from workbench.ui.shown import in_sentence, in_words, writes_text

PAGE = 5
MOST_VOICES = 12
USUAL_VOICES = 5
EVERY = "every kind"
ORDERS: tuple[tuple[str, Order], ...] = (
    ("Methods disagree", "disagree"),
    ("Hardest", "hard"),
    ("In order", "row"),
)
NONE_YET = "No rows to read yet: here once a run has finished."
Updates = dict[Any, Any]


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    p["ex_page"] = gr.State(0)
    with gr.Column(elem_classes="wb-card wb-examples-card"):
        with gr.Row(elem_classes="wb-card-head"):
            html_block(
                '<div class="wb-head"><h3>Examples, side by side</h3><span class="wb-note">test rows and what each method'
                " made of them</span></div>"
            )
            p["ex_kind"] = gr.Dropdown(
                [EVERY], value=EVERY, label="Kind of row", show_label=False, container=False, visible=False,
                elem_classes="wb-ex-kind",
            )  # fmt: skip
            p["ex_order"] = segmented(ORDERS, "disagree", label="Which rows first")
        p["ex_voices"] = gr.Dropdown(
            [], multiselect=True, max_choices=MOST_VOICES, label="Whose answers", elem_classes="wb-ex-voices"
        )
        p["ex_rows"] = html_block(str(empty_state(NONE_YET)))


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The card follows the tab: whenever that was redrawn, the runs on offer are looked up again."""
    h = _Handlers(context, p)
    setting = context.setting_id
    inputs = [setting, p["ex_voices"], p["ex_order"], p["ex_kind"]]
    parts = [p["ex_voices"], p["ex_kind"], p["ex_rows"], p["ex_page"]]
    p["drawn"].change(h.offer_examples, inputs, parts, **QUIET)
    for part in ("ex_voices", "ex_order", "ex_kind"):
        p[part].input(
            h.show_examples, inputs, [p["ex_rows"], p["ex_page"]], trigger_mode="always_last", **QUIET
        )
    p["ex_rows"].action(h.turn_page, [*inputs, p["ex_page"]], [p["ex_rows"], p["ex_page"]], **QUIET)


class _Handlers:
    """What the card does, with the context that it needs."""

    def __init__(self, context: PageContext, parts: Mapping[str, Any]) -> None:
        self.context, self.parts = context, parts

    @say_errors
    def offer_examples(
        self, setting_id: str | None, chosen: Sequence[str], order: Order, kind: str, request: gr.Request
    ) -> Updates:
        """Who may be shown; chosen ones stay, as far as they still exist."""
        p, found = self.parts, self._found(setting_id, request)
        known = example_rows.voices(found) if found else []
        if found is None or not known:
            return {
                p["ex_voices"]: gr.update(choices=[], value=[], visible=False),
                p["ex_kind"]: gr.update(visible=False),
                p["ex_rows"]: str(empty_state(NONE_YET)),
                p["ex_page"]: 0,
            }
        kept = [voice.key for voice in known if voice.key in (chosen or ())] or usual_voices(found, known)
        rows = example_rows.examples(self.context.store, found, kept)
        kinds = example_rows.kinds(rows)
        kind = kind if kind in kinds else EVERY
        choices = [(_voice_words(voice), voice.key) for voice in known]
        return {
            p["ex_voices"]: gr.update(choices=choices, value=kept, visible=True),
            p["ex_kind"]: gr.update(choices=[EVERY, *kinds], value=kind, visible=len(kinds) > 1),
            p["ex_rows"]: str(page_html(found, known, rows, order, kind, 0)),
            p["ex_page"]: 0,
        }

    @say_errors
    def show_examples(
        self, setting_id: str | None, chosen: Sequence[str], order: Order, kind: str, request: gr.Request
    ) -> tuple[str, int]:
        return self._page(setting_id, chosen, order, kind, 0, request), 0

    @say_errors
    def turn_page(
        self,
        setting_id: str | None,
        chosen: Sequence[str],
        order: Order,
        kind: str,
        page: int,
        event: gr.EventData,
        request: gr.Request,
    ) -> tuple[str, int]:
        page = max(0, page + (1 if event.action == "next" else -1))
        return self._page(setting_id, chosen, order, kind, page, request), page

    def _page(
        self,
        setting_id: str | None,
        chosen: Sequence[str],
        order: Order,
        kind: str,
        page: int,
        request: gr.Request,
    ) -> str:
        found = self._found(setting_id, request)
        if found is None:
            raise ValueError(shown.NO_RUNS)
        known = example_rows.voices(found)
        allowed = [voice.key for voice in known if voice.key in (chosen or ())]
        rows = example_rows.examples(self.context.store, found, allowed)
        return str(page_html(found, known, rows, order, kind, page))

    def _found(self, setting_id: str | None, request: gr.Request) -> Comparison | None:
        owner = owner_of(request)
        return shown.compared(self.context.store, setting_of(self.context, setting_id, owner), owner)


def usual_voices(found: Comparison, known: Sequence[Voice]) -> list[str]:
    """The best of the table and the reference that it is compared with."""
    references = {row.key for row in found.references}
    methods = [voice.key for voice in known if voice.key not in references][:USUAL_VOICES]
    return methods + [voice.key for voice in known if voice.key == found.yardstick]


def page_html(
    found: Comparison,
    known: Sequence[Voice],
    rows: Sequence[Example],
    order: Order,
    kind: str,
    page: int,
) -> Markup:
    """One page of rows with its buttons; sentences where there is none."""
    if not rows:
        return empty_state("Nobody is chosen, or their answers are gone: choose at least one above.")
    if not any(said.text for row in rows for said in row.said.values()):
        return empty_state("This task asks for no answers of its test rows: there is nothing to read here.")
    texts = writes_text(found.setting)
    wanted = [row for row in rows if kind in (EVERY, row.kind)]
    apart = [row for row in wanted if row.disagreement > 0]
    told = f"{len(wanted):,} rows; the methods differ on {len(apart):,} of them"
    if order == "disagree" and not texts:
        wanted = apart
    if not wanted:
        return empty_state(
            f"All of them say the same of these {len(rows):,} rows. “Hardest” shows where all are wrong."
        )
    pages = -(-len(wanted) // PAGE)
    page = min(page, pages - 1)
    voices = [voice for voice in known if any(voice.key in row.said for row in rows)]
    draw_row = _text_row if texts else _label_row
    body = Markup("").join(
        draw_row(row, voices, found.metric)
        for row in example_rows.ordered(wanted, order)[page * PAGE : (page + 1) * PAGE]
    )
    return Markup('<div class="wb-ex"><p class="wb-note">{}. {}</p>{}{}</div>').format(
        told, _explanation(found, texts), body, _buttons(page, pages)
    )


def _explanation(found: Comparison, texts: bool) -> str:
    seeds = "Each method speaks with its first finished seed."
    if not texts:
        return seeds
    return (
        f"{seeds} Scores are {in_sentence(found.metric)} row by row; underlined is what the nearest right answer does not"
        " have."
    )


def _buttons(page: int, pages: int) -> Markup:
    if pages < 2:
        return Markup("")
    return Markup(
        '<div class="wb-row wb-ex-pages">{}<span class="wb-note" aria-live="polite">page {:,} of {:,}</span>{}</div>'
    ).format(
        button("Previous", "previous", disabled=page == 0),
        page + 1,
        pages,
        button("Next", "next", disabled=page == pages - 1),
    )


def _head(row: Example, aside: str | Markup, kind: str) -> Markup:
    return Markup(
        '<div class="wb-row wb-ex-head"><span class="wb-note">row {:,}</span>{}<span class="wb-space"></span>'
        '<span class="wb-note">{}</span></div>'
    ).format(row.place, Markup('<span class="wb-tag">{}</span>').format(kind) if kind else "", aside)


def _text_row(row: Example, voices: Sequence[Voice], score: str) -> Markup:
    scores = [row.said[voice.key].score for voice in voices if voice.key in row.said]
    aside = f"{in_words(min(scores), score)} to {in_words(max(scores), score)}" if len(scores) > 1 else ""
    others = Markup("")
    if len(row.right) > 1:
        items = Markup("").join(Markup('<li translate="no">{}</li>').format(text) for text in row.right[1:])
        others = Markup(
            '<details class="wb-more"><summary>{} more right answers</summary><ul>{}</ul></details>'
        ).format(len(row.right) - 1, items)
    panes = Markup("").join(
        _text_pane(voice, row.said[voice.key], row.right, score) for voice in voices if voice.key in row.said
    )
    return Markup(
        '<article class="wb-example">{}<div class="wb-ex-asked"><div><h4>Prompt</h4><p class="wb-answer" translate="no">{}</p></div>'
        '<div><h4>Right answer</h4><p class="wb-answer" translate="no">{}</p>{}</div></div><div class="wb-ex-said">{}</div></article>'
    ).format(_head(row, aside, row.kind), row.prompt, row.right[0], others, panes)


def _text_pane(voice: Voice, said: Said, right: Sequence[str], score: str) -> Markup:
    nearest = max(right, key=lambda text: shared(text, said.text))
    if not said.text.strip():
        body = Markup('<span class="wb-two" translate="yes">An empty answer.</span>')
    elif shared(nearest, said.text) < LEAST_SHARED:
        body = Markup("{}").format(said.text)
    else:
        body = marked(nearest, said.text, removed=False)
    return Markup(
        '<div class="wb-ex-pane"><div class="wb-row wb-ex-who">{}<span class="wb-cut wb-strong" title="{}">{}</span>'
        '<span class="wb-space"></span><span class="wb-ex-score">{}{}</span></div><p class="wb-answer" translate="no">{}</p></div>'
    ).format(
        marker(voice.family, 11),
        voice.label,
        voice.label,
        bar(said.score, 1.0, voice.family),
        Markup('<span class="wb-num">{}</span>').format(in_words(said.score, score)),
        body,
    )


def _label_row(row: Example, voices: Sequence[Voice], score: str) -> Markup:
    """The text, its right label, and the methods grouped by the label that they gave."""
    groups: dict[str, list[Voice]] = {}
    for voice in voices:
        if voice.key in row.said:
            groups.setdefault(row.said[voice.key].text, []).append(voice)
    gold = row.right[0]
    lines = Markup("").join(
        Markup('<div class="wb-ex-group"><span class="wb-ex-label {}">{}<b translate="no">{}</b><span class="wb-hidden"> ({})</span></span>'
               "<span>{}</span></div>").format(
            "wb-ex-right" if label == gold else "wb-ex-wrong",
            icon("ok" if label == gold else "fail", 13),
            label,
            "right" if label == gold else "wrong",
            Markup(" ").join(chip(voice.family, voice.label) for voice in group),
        )
        for label, group in sorted(groups.items(), key=lambda pair: (pair[0] != gold, -len(pair[1])))
    )  # fmt: skip
    aside = f"{len(groups.get(gold, ())):,} of {len(row.said):,} right"
    return Markup(
        '<article class="wb-example">{}<p class="wb-answer" translate="no">{}</p><p class="wb-note">Its label: <b translate="no">{}</b></p>{}</article>'
    ).format(
        _head(row, aside, ""),
        row.prompt or Markup('<span translate="yes">The text of this row is gone.</span>'),
        gold,
        lines,
    )


def _voice_words(voice: Voice) -> str:
    return voice.label if voice.seed is None else f"{voice.label}, seed {voice.seed}"
