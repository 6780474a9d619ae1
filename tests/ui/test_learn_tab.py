"""The Learn tab: what each view says, that results wait for a commitment, and what a click does."""

import re

import pytest

from tests.lesson_runs import finish
from tests.ui.fake_store import Click, page_context
from workbench import learners, lessons, replay
from workbench.learners import Progress
from workbench.ui import learn_tab, lesson_paper, replay_player
from workbench.ui.glossary_terms import explained, prose, with_terms
from workbench.ui.language import asked_language
from workbench.ui.learn_runs import shown
from workbench.ui.learn_tab import view_html
from workbench.ui.lesson_view import lesson_html


class Visit:
    """A request as Gradio hands it to a handler."""

    def __init__(self, language="en", chosen=""):
        self.headers = {"accept-language": language}
        self.cookies = {"workbench-language": chosen} if chosen else {}


@pytest.fixture
def wiring(store, monkeypatch):
    """The tab's handlers on a store, with what they would queue."""
    import gradio as gr

    queued = []
    monkeypatch.setattr(
        learn_tab, "queue", lambda context, preset, owner, key: queued.append((preset.name, owner, key))
    )
    with gr.Blocks():
        context = page_context(store)
        tab = learn_tab.build(context)
    made = learn_tab._Wiring(context, tab.parts)
    made.queued = queued
    return made


def act(wiring, view, action, key="", language="en"):
    """What a click leaves on the page: the last update of each part."""
    news = {}
    for update in wiring.act_on_lesson(view, "k1", Click(action, key), Visit(language)):
        news |= update
    return news


def test_the_list_shows_all_lessons_and_how_far_one_is(store):
    learners.predict(store, None, "lesson-1", 0)
    learners.commit(store, None, "lesson-1")
    for question in range(3):
        learners.answer(store, None, "lesson-1", question, 0)
    html = str(view_html(store, "list", "en", None))
    assert html.count('data-action="open"') == 7
    assert "1 of 7 done" in html
    right = sum(one.right == 0 for one in lessons.text("lesson-1", "en").questions)
    assert f"{right} of 3 right" in html


@pytest.mark.parametrize("language", lessons.LANGUAGES)
@pytest.mark.parametrize("view", [*lessons.lessons(), *lesson_paper.VIEWS, "list"])
def test_every_view_is_drawn_in_every_language(store, view, language):
    html = str(view_html(store, view, language, None))
    assert "[[" not in html
    assert "{#" not in html
    assert not re.search(r"\{[a-z_]+\}", re.sub(r"<[^>]*>", "", html))


def test_the_result_waits_for_a_commitment(store):
    finish(store, "lesson-2", (0.5, 0.85, 0.84, 0.84))
    html = str(view_html(store, "lesson-2", "en", None))
    assert "Commit to a prediction to see them" in html
    assert "85.0" not in html
    learners.predict(store, None, "lesson-2", 2)
    assert "85.0" not in str(view_html(store, "lesson-2", "en", None))
    learners.commit(store, None, "lesson-2")
    html = str(view_html(store, "lesson-2", "en", None))
    assert "85.0" in html
    assert "It came out otherwise." in html
    assert 'class="wb-happened"' in html


def test_a_prediction_that_came_true_is_said(store):
    finish(store, "lesson-2", (0.5, 0.85, 0.84, 0.84))
    now = shown(store, "lesson-2", Progress(1, True), None, "en", replay=False)
    html = str(lesson_html(now))
    assert "It came out as you predicted." in html
    assert "The verdict" in html
    assert "LoRA trains less than 5 % of the weights." in html


def test_one_who_cannot_be_told_apart_is_said_so(store):
    finish(store, "lesson-7", (0.80, 0.80, 0.79, 0.80, 0.79))
    html = str(lesson_html(shown(store, "lesson-7", Progress(0, True), None, "en", replay=False)))
    assert "Cannot tell" in html
    assert "无法判断" in str(
        lesson_html(shown(store, "lesson-7", Progress(0, True), None, "zh", replay=False))
    )


def test_failed_runs_are_said_with_their_reason_and_leave_the_question_open(store):
    finish(store, "lesson-2", (0.5, None, 0.8, 0.8))
    html = str(lesson_html(shown(store, "lesson-2", Progress(1, True), None, "en", replay=False)))
    assert "2 of 8 runs did not finish: The loss became infinite at step 3." in html
    assert "cannot be answered yet" in html


def test_a_wrong_answer_shows_the_right_one_and_why(store):
    question = lessons.text("lesson-3", "en").questions[0]
    wrong = (question.right + 1) % 3
    html = str(lesson_html(shown(store, "lesson-3", Progress(answers={0: wrong}), None, "en", replay=False)))
    assert "Not quite" in html
    assert html.count("wb-choice wb-right") + html.count("wb-on wb-right") == 1


def test_a_lesson_is_gone_through_by_clicks(wiring, store):
    news = act(wiring, "list", "open", "lesson-2")
    assert news[wiring.at["view"]] == "lesson-2"
    act(wiring, "lesson-2", "predict", "1")
    act(wiring, "lesson-2", "commit")
    act(wiring, "lesson-2", "answer", "0:1")
    assert learners.progress(store, None)["lesson-2"] == Progress(1, True, {0: 1})
    act(wiring, "lesson-2", "run", "lesson-2")
    assert wiring.queued == [("lesson-2", None, "k1:lesson-2:0")]
    act(wiring, "lesson-2", "over")
    assert learners.progress(store, None) == {}
    assert act(wiring, "lesson-2", "back")[wiring.at["view"]] == "list"


def test_nothing_runs_before_a_prediction_is_committed(wiring, monkeypatch):
    said = []
    monkeypatch.setattr("workbench.ui.context.gr.Warning", lambda text, **_: said.append(text))
    act(wiring, "lesson-2", "run", "lesson-2")
    assert wiring.queued == []
    assert "Commit to a prediction first" in said[0]


@pytest.mark.parametrize("key", ["9", "-1", "", "x", "0:9", "../1"])
def test_a_made_up_answer_is_refused(wiring, store, monkeypatch, key):
    monkeypatch.setattr("workbench.ui.context.gr.Warning", lambda *_, **__: None)
    act(wiring, "lesson-2", "predict", key)
    act(wiring, "lesson-2", "answer", f"0:{key}")
    assert learners.progress(store, None) == {}


@pytest.mark.parametrize(
    ("header", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de,en;q=0.5,zh;q=0.3", "en"), ("fr", "en"), ("", "en")],
)
def test_the_language_is_what_the_browser_asks_for_first(header, language):
    assert asked_language(Visit(header)) == language


@pytest.mark.parametrize(("chosen", "language"), [("zh", "zh"), ("en", "en"), ("xx", "zh")])
def test_the_readers_choice_outranks_the_browser(wiring, chosen, language):
    visit = Visit("zh-CN,zh;q=0.9", chosen)
    assert asked_language(visit) == language
    visit.query_params = {"language": "en"}
    assert asked_language(visit) == "en"


def test_the_tab_speaks_the_language_that_is_asked_for(wiring):
    drawn, *_ = wiring.refresh_learn("list", Visit("en", "zh"))
    assert lessons.words("zh")["lead"] in drawn


def test_the_exercise_sheet_holds_no_answers(store):
    html = str(view_html(store, "sheet", "en", None))
    assert "data-print" in html
    for lesson_id in lessons.lessons():
        for question in lessons.text(lesson_id, "en").questions:
            assert question.why not in html
    assert "[x]" not in html
    assert "wb-right" not in html


def test_terms_open_in_place_and_html_stays_text():
    assert 'role="tooltip"' in str(explained("lora"))
    html = str(prose("A [[lora|thin <b>product</b>]] & <script>alert(1)</script>"))
    assert "<script>" not in html
    assert "<b>" not in html
    assert html.count('role="tooltip"') == 1
    assert str(with_terms("<i>LoRA</i> and LoRA")).count('role="tooltip"') == 1
    assert "&lt;i&gt;" in str(with_terms("<i>LoRA</i>"))


@pytest.mark.parametrize("language", lessons.LANGUAGES)
def test_a_replay_says_that_it_is_one(language):
    for one in replay.recordings():
        html = str(replay_player.player_html(one, language))
        assert lessons.words(language)["replay"] in html
        assert one.recorded_at in html
        assert html.count("data-run=") == len(one.runs)


def test_a_lesson_offers_the_recording_of_its_own_preset(store):
    html = str(lesson_html(shown(store, "lesson-2", Progress(1, True), None, "en", replay=True)))
    assert 'data-action="replay"' in html
