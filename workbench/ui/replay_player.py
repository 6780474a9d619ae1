"""Plays a recording in the browser at a chosen speed, marked as a replay; the server sends it once and does nothing more."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import lessons, replay
from workbench.families import family
from workbench.replay import Recording
from workbench.ui import parts
from workbench.ui import shown as figures
from workbench.ui.context import QUIET, say_errors
from workbench.ui.controls import html_block
from workbench.ui.frame import data_title, model_title
from workbench.ui.language import asked_language
from workbench.ui.lesson_result import column_title
from workbench.ui.theme import page_file


def draw(at: dict[str, Any]) -> None:
    """The list of recordings and the player, which stays hidden until one is chosen."""
    at["player"] = gr.HTML(
        "",
        visible=False,
        elem_classes=["wb-html"],
        apply_default_css=False,
        js_on_load=page_file("replay.js").read_text(encoding="utf-8"),
    )
    at["replays"] = html_block(str(list_html("en")))


def wire(at: dict[str, Any]) -> None:
    @say_errors
    def open_replay(event: gr.EventData, request: gr.Request) -> Any:
        return shown(replay.named(event.key), asked_language(request))

    at["replays"].action(open_replay, None, at["player"], trigger_mode="once", **QUIET)


def chooser(language: str, *, visible: bool) -> Any:
    return gr.update(value=str(list_html(language)), visible=visible and bool(replay.recordings()))


def shown(found: Recording | None, language: str) -> Any:
    """The update that opens the player with a recording, or closes it."""
    return gr.update(value=str(player_html(found, language)) if found else "", visible=found is not None)


def list_html(language: str) -> Markup:
    """One line per recording."""
    words = lessons.words(language)
    rows = Markup("").join(
        Markup(
            '<li><div class="wb-grow"><span class="wb-strong">{}</span> {}<div class="wb-note">{}</div></div>{}</li>'
        ).format(
            one.title,
            parts.badge("warn", words["replay"]),
            words["replay_of"].format(date=one.recorded_at, machine=one.machine),
            parts.button(words["replay_play"], "watch", one.name, icon_name="play"),
        )
        for one in replay.recordings()
    )
    return Markup(
        '<section class="wb-card wb-replays"><h2>{}</h2><p class="wb-two">{}</p><ul>{}</ul></section>'
    ).format(words["replays"], words["replays_lead"], rows)


def player_html(found: Recording, language: str) -> Markup:
    """The player's frame; replay.js draws the curves from the data that it carries."""
    words = lessons.words(language)
    rows = Markup("").join(
        Markup(
            '<tr data-run="{place}"><th scope="row"><span class="wb-lesson-choice">{marker}{label}</span></th>'
            '<td class="wb-num" data-step></td><td class="wb-num" data-loss></td><td class="wb-num" data-score></td>'
            '<td class="wb-num" data-final hidden>{final}</td></tr>'
        ).format(
            place=place,
            marker=parts.marker(run.family),
            label=f"{run.label}, seed {run.seed}",
            final=figures.in_words(run.final, found.metric),
        )
        for place, run in enumerate(found.runs)
    )
    speeds = Markup("").join(
        Markup('<option value="{0}"{1}>{0}×</option>').format(
            speed, Markup(" selected") if speed == 20 else ""
        )
        for speed in replay.SPEEDS
    )
    name = (
        column_title(found.on_the_way, language)
        if language != "en"
        else figures.in_sentence(found.on_the_way)
    )
    score = words["replay_score"].format(score=name) + (
        ", %" if language == "en" and figures.is_share(found.on_the_way) else ""
    )
    return Markup(
        '<section class="wb-card wb-replay" data-replay="{data}" data-step-words="{step}" data-share="{share}">'
        '<div class="wb-head"><h2>{title}</h2>{badge}</div><p class="wb-two">{of}</p><p class="wb-note">{setting}</p>'
        '<div class="wb-replay-bar"><button type="button" class="wb-button wb-button-primary wb-small" data-play'
        ' data-play-word="{play}" data-pause-word="{pause}">{play}</button>'
        '<label class="wb-small">{speed_word} <select data-speed>{speeds}</select></label>'
        '<input type="range" min="0" max="1000" value="0" data-place aria-label="{place_word}">'
        '<output class="wb-num wb-small" data-clock></output></div>'
        '<div class="wb-replay-plots"><figure><figcaption class="wb-strong">{loss}</figcaption>{svg_loss}</figure>'
        '<figure><figcaption class="wb-strong">{score}</figcaption>{svg_score}</figure></div>'
        '<div class="wb-scroll"><table class="wb-plain"><thead><tr><th scope="col">{replay}</th><th scope="col" class="wb-num">'
        '</th><th scope="col" class="wb-num">{loss}</th><th scope="col" class="wb-num">{score}</th>'
        '<th scope="col" class="wb-num">{end}</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    ).format(
        data=json.dumps({"seconds": found.seconds, "runs": [_plain(run) for run in found.runs]}),
        step=words["replay_step"],
        share="1" if figures.is_share(found.on_the_way) else "",
        title=found.title,
        badge=parts.badge("warn", words["replay"]),
        of=words["replay_of"].format(date=found.recorded_at, machine=found.machine),
        setting=f"{data_title(found.data)}, {model_title(found.model)}",
        play=words["replay_play"],
        pause=words["replay_pause"],
        speed_word=words["replay_speed"],
        speeds=speeds,
        place_word=words["replay_place"],
        loss=words["replay_loss"],
        score=score,
        svg_loss=_svg("loss", words["replay_loss"]),
        svg_score=_svg("score", score),
        replay=words["replay"],
        end=f"{words['replay_end']}, {column_title(found.metric, language)}",
        rows=rows,
    )


def _plain(run: replay.RecordedRun) -> dict[str, Any]:
    values = asdict(run)
    return {key: values[key] for key in ("steps", "seconds", "loss", "score")} | {
        "css": family(run.family).css_class
    }


def _svg(name: str, label: str) -> Markup:
    return Markup(
        '<svg class="wb-replay-plot" viewBox="0 0 420 180" role="img" aria-label="{}" data-plot="{}"></svg>'
    ).format(label, name)
