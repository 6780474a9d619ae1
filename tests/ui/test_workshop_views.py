"""The workshop on the page: the teacher's view and its buttons, the projector's panes, and who may see them."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.lesson_runs import finish
from tests.ui.fake_store import page_context
from workbench import learners, workshop
from workbench.ui import workshop_bar, workshop_panes, workshop_projector, workshop_teacher
from workbench.ui.guard import Guard, Visitors

A, B, T = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def context(store, monkeypatch):
    import gradio as gr

    monkeypatch.setenv(workshop.ENVIRONMENT, "FABLE-8")
    workshop.join(store, T, workshop.teacher_code(store, "FABLE-8"), "Tina")
    workshop.join(store, A, "FABLE-8", "<b>Ada</b>")
    with gr.Blocks():
        return page_context(store)


def test_no_workshop_no_bar(store, monkeypatch):
    import gradio as gr

    monkeypatch.delenv(workshop.ENVIRONMENT, raising=False)
    with gr.Blocks() as demo:
        before = len(demo.blocks)
        workshop_bar.build(page_context(store), demo)
        made = [type(one).__name__ for one in list(demo.blocks.values())[before:]]
    assert "HTML" not in made


def test_the_teacher_sees_everybody_and_names_stay_text(context, store):
    workshop.seen(store, A, "lesson-2")
    learners.predict(store, A, "lesson-2", 1)
    learners.commit(store, A, "lesson-2")
    html = str(workshop_teacher.teacher_html(store, "en"))
    assert "&lt;b&gt;Ada" in html
    assert "<b>Ada" not in html
    assert "Lesson 2" in html
    assert "Committed" in html
    assert html.count('data-action="start"') == 7


def test_only_the_teacher_acts(context, store):
    with pytest.raises(ValueError, match="Only the teacher"):
        workshop_teacher.act(context, A, "pause", "")
    assert not store.is_paused()
    workshop_teacher.act(context, T, "pause", "")
    assert store.is_paused()
    workshop_teacher.act(context, T, "pause", "")
    assert not store.is_paused()


def test_start_for_all_queues_once_for_the_class(context, store, monkeypatch):
    queued = []

    def queue(given, preset, owner, key):
        assert given.limits is None
        queued.append((preset.name, owner))

    monkeypatch.setattr(workshop_teacher, "queue", queue)
    workshop_teacher.act(context, T, "start", "lesson-2")
    assert queued == [("lesson-2", workshop.class_owner("FABLE-8"))]
    assert workshop.board(store) == workshop.Board("progress", "lesson-2")


def test_the_class_runs_are_everybodys_result(context, store):
    from workbench.lessons import lesson
    from workbench.ui.learn_runs import learners_runs

    finish(store, "lesson-2", (0.6, 0.8, 0.8, 0.8), owner=workshop.class_owner("FABLE-8"))
    runs, of_class = learners_runs(store, lesson("lesson-2"), A)
    assert len(runs) == 8
    assert of_class
    finish(store, "lesson-2", (0.6, 0.8, 0.8, 0.8), owner=A)
    runs, of_class = learners_runs(store, lesson("lesson-2"), A)
    assert not of_class
    assert {run.owner for run in runs} == {A}


def test_the_tally_shows_the_answer_only_once_the_class_runs_are_in(context, store):
    workshop.show(store, pane="tally", lesson="lesson-2")
    html = str(workshop_panes.pane_html(store, "en", "http://x/"))
    assert "What happened" not in html
    finish(store, "lesson-2", (0.6, 0.8, 0.8, 0.8), owner=workshop.class_owner("FABLE-8"))
    assert "What happened" in str(workshop_panes.pane_html(store, "en", "http://x/"))


@pytest.mark.parametrize("pane", workshop.PANES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_pane_is_drawn(context, store, pane, language):
    finish(store, "lesson-2", (0.6, 0.8, 0.8, 0.8), owner=A, peak_memory_bytes=(1, 2, 3, 4))
    workshop.show(store, pane=pane, lesson="lesson-2")
    html = str(workshop_panes.pane_html(store, language, "http://teacher:7860/"))
    assert "第 2 课" in html or "Lesson 2" in html or pane == "join"
    assert "<b>Ada" not in html
    assert ("http://teacher:7860/" in html) == (pane == "join")


def test_the_projector_is_for_those_who_joined(context, store, monkeypatch):
    app = FastAPI()
    workshop_projector.add_routes(app, store)
    client = TestClient(app)
    monkeypatch.setattr(workshop_projector, "owner_of", lambda request: B)
    assert client.get("/projector").status_code == 403
    assert client.get("/projector/pane").status_code == 403
    monkeypatch.setattr(workshop_projector, "owner_of", lambda request: A)
    assert "FABLE-8" in client.get("/projector").text
    assert "FABLE-8" in client.get("/projector/pane").text


def test_the_guard_lets_the_projector_through(context, store):
    app = FastAPI()
    workshop_projector.add_routes(app, store)
    client = TestClient(Guard(app, Visitors(lambda: (b"k" * 32,))))
    for path in ("/projector", "/projector/pane"):
        assert (client.get(path).status_code, client.get(path).text) == (403, "Join the workshop first.")
    assert client.get("/projector/else").status_code == 404


def test_without_a_workshop_there_is_no_projector(store, monkeypatch):
    monkeypatch.delenv(workshop.ENVIRONMENT, raising=False)
    app = FastAPI()
    workshop_projector.add_routes(app, store)
    assert TestClient(app).get("/projector").status_code == 404
