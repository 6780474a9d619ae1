"""The panel "Take it home" of the Compare tab: a finished run as files, as code, scored in every form, on its way to the Hub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench import background, deployed_record
from workbench.exporting import calls, forms, push
from workbench.result import Run
from workbench.standalone import claims
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, run_of, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.downloads import fresh_folder
from workbench.ui.export_view import forms_html, scores_html, sending_html
from workbench.ui.parts import empty_state, format_bytes, notice, progress_bar

NONE_FINISHED = "Nothing to take home yet: here once a run has finished."
POLL_SECONDS = 0.4
_threads = ThreadPoolExecutor(4, thread_name_prefix="export")
_FACES = (
    "words",
    "body",
    "forms",
    "file",
    "scores",
    "score",
    "code_words",
    "code",
    "code_file",
    "sending",
    "command",
)
Updates = dict[Any, Any]


def draw(p: dict[str, Any]) -> None:
    """Add the panel's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card wb-export"):
        with gr.Row(elem_classes="wb-card-head"):
            html_block(
                '<div class="wb-head"><h3>Take it home</h3><span class="wb-note">a finished run as files, and as code</span></div>'
            )
            p["export_run"] = gr.Dropdown(
                [], label="Run", show_label=False, container=False, elem_classes="wb-export-run"
            )
        p["export_words"] = html_block(str(empty_state(NONE_FINISHED)))
        with gr.Column(visible=False, elem_classes="wb-export-body") as p["export_body"]:
            p["export_forms"] = html_block("")
            p["export_file"] = gr.DownloadButton("Download", visible=False, elem_classes="wb-export-file")
            with gr.Accordion("Every form scored and timed", open=False, elem_classes="wb-as-table"):
                p["export_scores"] = html_block("")
                p["export_score"] = gr.Button("Score every form", elem_classes="wb-export-do")
            with gr.Accordion("The code, without the workbench", open=False, elem_classes="wb-as-table"):
                p["export_code_words"] = html_block("")
                p["export_write"] = gr.Button("Write the code", elem_classes="wb-export-do")
                p["export_code"] = gr.Code(
                    "", language="python", label="train.py", interactive=False, visible=False, max_lines=30
                )
                p["export_code_file"] = gr.DownloadButton(
                    "Download script, notebook and rows", visible=False, elem_classes="wb-export-file"
                )
            with gr.Accordion("The model card", open=False, elem_classes="wb-as-table"):
                p["export_card"] = gr.Code(
                    "", language="markdown", label="README.md", interactive=False, max_lines=30
                )
            with gr.Accordion("To the Hugging Face Hub: a dry run", open=False, elem_classes="wb-as-table"):
                with gr.Row(elem_classes="wb-line"):
                    p["export_repo"] = gr.Textbox(
                        label="Repository",
                        placeholder="your-name/your-model",
                        max_lines=1,
                        max_length=200,
                        elem_classes="wb-export-repo",
                    )
                    p["export_dry"] = gr.Button("Say what would be sent")
                p["export_sending"] = html_block("")
                p["export_command"] = gr.Code(
                    "", language="shell", label="Command", interactive=False, visible=False
                )


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The panel follows the tab: whenever that was redrawn, the runs on offer are looked up again."""
    h = _Handlers(context, p)
    chosen = [context.setting_id, p["export_run"]]
    faces = [p["export_run"], *(p[f"export_{name}"] for name in _FACES), p["export_card"]]
    p["drawn"].change(h.offer_runs_to_export, chosen, faces, **QUIET)
    p["export_run"].input(h.choose_run_to_export, p["export_run"], faces[1:], **QUIET)
    p["export_forms"].action(
        h.make_form, p["export_run"], [p["export_forms"], p["export_file"], p["export_card"]], **QUIET
    )
    p["export_score"].click(
        h.score_forms, p["export_run"], [p["export_scores"], p["export_score"]], trigger_mode="once", **QUIET
    )
    p["export_write"].click(
        h.write_code, p["export_run"], [p["export_code_words"], p["export_code"], p["export_code_file"]], trigger_mode="once", **QUIET
    )  # fmt: skip
    p["export_dry"].click(
        h.say_what_would_be_sent,
        [p["export_run"], p["export_repo"]],
        [p["export_sending"], p["export_command"]],
        **QUIET,
    )


class _Handlers:
    """What the panel does, with the context that it needs."""

    def __init__(self, context: PageContext, parts: dict[str, Any]) -> None:
        self.context, self.store = context, context.store
        self.at = {
            name.removeprefix("export_"): part for name, part in parts.items() if name.startswith("export_")
        }

    @say_errors
    def offer_runs_to_export(
        self, setting_id: str | None, run_id: str | None, request: gr.Request
    ) -> Updates:
        """The finished runs, the best first; the chosen one stays."""
        _, runs = shown.setting_and_runs(self.context, setting_id, owner_of(request))
        done = sorted((run for run in runs if run.state == "finished"), key=shown.place_of)
        ids = [run.id for run in done]
        chosen = run_id if run_id in ids else ids[0] if ids else None
        choices = [(f"{run.label} seed {run.spec.seed}", run.id) for run in done]
        new: Updates = {self.at["run"]: gr.update(choices=choices, value=chosen)}
        run = next((one for one in done if one.id == chosen), None)
        return new | self._drawn(run)

    @say_errors
    def choose_run_to_export(self, run_id: str | None, request: gr.Request) -> Updates:
        return self._drawn(self._run(run_id, request))

    def _run(self, run_id: str | None, request: gr.Request) -> Run:
        if not run_id:
            raise ValueError(NONE_FINISHED)
        return run_of(self.context, run_id, owner_of(request))

    def _drawn(self, run: Run | None) -> Updates:
        """Everything of one run that is known without asking anybody."""
        hidden = gr.update(value=None, visible=False)
        empty: Updates = {
            self.at["words"]: gr.update(
                value=str(empty_state(NONE_FINISHED)) if run is None else "", visible=run is None
            ),
            self.at["body"]: gr.update(visible=run is not None),
            self.at["file"]: hidden,
            self.at["code"]: gr.update(value="", visible=False),
            self.at["code_file"]: hidden,
            self.at["sending"]: "",
            self.at["command"]: gr.update(value="", visible=False),
        }
        if run is None:
            return empty
        known = deployed_record.read(self.store.run_folder(run.id))
        return empty | {
            self.at["forms"]: self._forms(run),
            self.at["scores"]: str(scores_html(known)),
            self.at["score"]: gr.update(
                value="Score again" if known else "Score every form", interactive=True
            ),
            self.at["code_words"]: self._code_words(run),
            self.at["card"]: self._card(run),
        }

    def _forms(self, run: Run, busy: tuple[str, str, float | None] | None = None) -> str:
        return str(forms_html(forms.offers(self.store, run), calls.made(self.store, run.id), busy))

    def _code_words(self, run: Run) -> str:
        reason = claims.refusal(self.store, run)
        words = reason or (
            "A script of at most 120 lines, a notebook of the same, the rows and the order of the batches: it trains this run"
            " again with transformers and peft alone and prints its score beside the workbench's."
        )
        return str(Markup('<p class="wb-two">{}</p>').format(words))

    def _card(self, run: Run) -> str:
        """The card of the newest export; before the first one, what it will say is not known yet."""
        name = self._newest(run)
        if name is None:
            return "Made with each form: data, method, numbers with intervals, environment, and the fields to fill in."
        return (calls.exports(self.store, run.id) / name / "README.md").read_text(encoding="utf-8")

    def _newest(self, run: Run) -> str | None:
        folder = calls.exports(self.store, run.id)
        found = [name for name in calls.made(self.store, run.id) if (folder / name / "README.md").is_file()]
        return max(found, key=lambda name: (folder / name / "README.md").stat().st_mtime, default=None)

    @say_errors
    def make_form(
        self, run_id: str | None, event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Write the form, load it back, pack it; the line says how far that is."""
        run, form = self._run(run_id, request), forms.form(event.key)
        work = self._ask("make", run, form.name, str(fresh_folder()), forms.PRUNED_SHARE, "")
        try:
            for words, share in self._waiting(work, run):
                yield self._forms(run, (form.name, words, share)), gr.update(visible=False), gr.skip()
            done = work.result()
        except Exception as error:
            gr.Warning(sentence_of(error), duration=12)
            yield self._forms(run), gr.update(visible=False), gr.skip()
            return
        label = f"Download {form.title.lower()} ({format_bytes(done['zip_bytes'])})"
        yield self._forms(run), gr.update(value=done["zip"], label=label, visible=True), self._card(run)

    @say_errors
    def score_forms(self, run_id: str | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        run = self._run(run_id, request)
        work = self._ask("score", run, forms.PRUNED_SHARE)
        try:
            for words, share in self._waiting(work, run):
                bar = progress_bar(share if share and share < 1 else None, label=words)
                yield str(notice("busy", words, bar)), gr.update(interactive=False)
            found = work.result()
        except Exception as error:
            yield (
                str(notice("fail", "The forms can’t be scored", sentence_of(error))),
                gr.update(interactive=True),
            )
            return
        yield str(scores_html(found)), gr.update(value="Score again", interactive=True)

    @say_errors
    def write_code(self, run_id: str | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        run = self._run(run_id, request)
        if reason := claims.refusal(self.store, run):
            raise ValueError(reason)
        work = self._ask("code", run, str(fresh_folder()))
        bar = str(notice("busy", "Writing the code", progress_bar(None, label="Writing the code")))
        while not work.done():
            yield bar, gr.skip(), gr.skip()
            time.sleep(POLL_SECONDS)
        done = work.result()
        words = (
            f'<p class="wb-two">{done["lines"]} lines. Unpack it and run: <code>python train.py</code></p>'
        )
        label = f"Download script, notebook and rows ({format_bytes(done['zip_bytes'])})"
        yield (
            words,
            gr.update(value=done["script"], visible=True),
            gr.update(value=done["zip"], label=label, visible=True),
        )

    @say_errors
    def say_what_would_be_sent(self, run_id: str | None, repo: str, request: gr.Request) -> tuple[str, Any]:
        run = self._run(run_id, request)
        name = self._newest(run)
        if name is None:
            raise ValueError("Make a form first: a push sends its folder.")
        sending = push.dry_run(calls.exports(self.store, run.id) / name, (repo or "").strip())
        command = f"workbench export {run.id} --as {name} --to {name}-{run.id} --push {sending.repo}"
        title = forms.form(name).title.lower()
        return str(sending_html(sending, title)), gr.update(value=command, visible=True)

    def _ask(self, function: str, run: Run, *arguments: Any) -> Future[dict[str, Any]]:
        """In the background process. A page that is closed meanwhile leaves it to finish."""
        return _threads.submit(
            background.call,
            f"workbench.exporting.calls:{function}",
            str(self.store.folder),
            run.id,
            *arguments,
            pool="export",
        )

    def _waiting(self, work: Future[dict[str, Any]], run: Run) -> Iterator[tuple[str, float | None]]:
        while not work.done():
            yield calls.progress(self.store, run.id) or ("Starting", None)
            time.sleep(POLL_SECONDS)
