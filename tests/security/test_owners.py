"""What is one visitor's is nobody else's: runs, settings, logs, uploads, files, sessions and event streams, by raw requests."""

from __future__ import annotations

import pytest

from tests.raw_protocol import COOKIE, file_data
from tests.ui import fake_store
from workbench.hosted import owners
from workbench.store import Store
from workbench.ui.plan import empty_plan
from workbench.uploads import keep_upload

PLAN = empty_plan()
SECRET_NAME = "annas-secret-name"


@pytest.fixture
def anna(hosted_page):
    """A visitor with a comparison: ended runs, a running and a waiting one."""
    visitor = hosted_page.visitor()
    fill(hosted_page.store, visitor.owner)
    yield visitor
    for run in hosted_page.store.runs(owner=visitor.owner):
        hosted_page.store.request_cancel(run.id)
        hosted_page.store.change_state(run.id, "cancelled")
        hosted_page.store.delete(run.id)


def fill(store: Store, owner: str) -> None:
    """Runs as on a page of one's own, then given to the visitor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOSTED", "0")
        before = set(store.all_ids())
        fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1), running=1)
        with store._write(full=True) as db:
            for run_id in set(store.all_ids()) - before:
                db.execute("UPDATE runs SET owner = ?, name = ? WHERE id = ?", (owner, SECRET_NAME, run_id))


@pytest.fixture
def ben(hosted_page):
    return hosted_page.visitor()


def ids(store, visitor):
    return [run.id for run in store.runs(owner=visitor.owner)]


def test_each_visitor_is_somebody_else(hosted_page, anna, ben):
    assert anna.owner != ben.owner
    assert len(ids(hosted_page.store, anna)) >= 4
    assert ids(hosted_page.store, ben) == []


def test_ones_own_runs_are_there(hosted_page, anna):
    """Without this, the tests below could pass on a page that shows nothing to anybody."""
    assert "LoRA" in anna.redraw("compare").text
    assert "LoRA" in anna.redraw("train").text


READS = {
    "compare": ("refresh_compare", None),
    "train": ("refresh_train", None),
    "inference": ("refresh_inference", None),
    "header": ("show_header", lambda s, r: (PLAN, s, "compare")),
    "setting": ("show_setting", lambda s, r: (s,)),
    "log": ("show_log", lambda s, r: (r, "output", True)),
    "events": ("show_log", lambda s, r: (r, "events", True)),
    "detail": ("show_detail", lambda s, r: (r,)),
    "table": ("filter_table", lambda s, r: (s, "", [])),
    "scatter": ("redraw_scatter", lambda s, r: (s, "trainable_parameters")),
    "learning": ("redraw_learning", lambda s, r: (s, "step")),
    "curves": ("redraw_curves", lambda s, r: (s, None, "step", 0)),
    "code": ("show_code", lambda s, r: (s,)),
}


@pytest.mark.parametrize("what", READS)
def test_other_peoples_runs_are_not_shown(what, hosted_page, anna, ben):
    run_id = ids(hosted_page.store, anna)[0]
    setting_id = hosted_page.store.run(run_id).spec.setting.id
    handler, data = READS[what]
    # What the page keeps for a session can't be sent, but a tab could have been told to keep it.
    ben.call("show_setting", setting_id)
    answer = ben.call(handler, *(data(setting_id, run_id) if data else ben.page.inputs[handler]))
    for run in hosted_page.store.runs(owner=anna.owner):
        assert run.id not in answer.text.replace(run_id, "")  # what was sent may come back in a notice
    assert SECRET_NAME not in answer.text
    assert "LoRA" not in answer.text


ACTS = {
    "cancel": ("act_on_run", "cancel", ()),
    "cancel in the list": ("act_on_list", "cancel", (None,)),
    "delete": ("act_on_list", "delete_now", (None,)),
    "retry": ("act_on_list", "retry", (None,)),
    "resume": ("act_on_list", "resume", (None,)),
    "failure": ("act_on_failure", "retry", (None,)),
    "row": ("act_on_row", "retry", (None,)),
}


@pytest.mark.parametrize("what", ACTS)
def test_other_peoples_runs_are_not_touched(what, hosted_page, anna, ben):
    handler, action, data = ACTS[what]
    before = {run.id: (run.state, run.cancel_requested) for run in hosted_page.store.runs()}
    for run_id in ids(hosted_page.store, anna):
        ben.call(handler, *data, event={"action": action, "key": run_id})
    ben.call("cancel_all", None)
    assert {run.id: (run.state, run.cancel_requested) for run in hosted_page.store.runs()} == before


def test_a_plan_cannot_go_on_from_anothers_run(hosted_page, anna, ben):
    (finished, *_) = hosted_page.store.runs(owner=anna.owner, states=("finished",))
    for model in (f"run:{finished.id}", f"run:{finished.id[:8]}", f"best:{finished.id}+{finished.id}"):
        plan = {
            **PLAN,
            "model": model,
            "data": {"source": "reviews"},
            "choices": [{"key": "head", "method": "head"}],
        }
        answer = ben.call("queue_plan", plan, None)
        assert answer.said, model
    assert ids(hosted_page.store, ben) == []


def test_a_plan_cannot_read_anothers_upload(hosted_page, anna, ben, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n" + "ANNAS-ROW,yes\nANNAS-OTHER,no\n" * 20)
    source = keep_upload(hosted_page.store, file, "mine.csv", anna.owner)
    plan = {**PLAN, "data": {"source": source, "title": "mine.csv"}}
    assert "ANNAS-ROW" in anna.call("show_data", plan).text
    for data in ({"source": source}, {"source": "reviews", "mix": [{"source": source, "share": 0.5}]}):
        assert "ANNAS-ROW" not in ben.call("show_data", {**PLAN, "data": data}).text


def test_anothers_events_are_not_read_and_nothing_is_sent_in_their_name(anna, ben):
    joined = anna.join("find_sets", "reviews", PLAN)
    assert joined.status_code == 200
    stolen = ben.http.get("/gradio_api/queue/data", params={"session_hash": anna.session})
    assert stolen.status_code == 403
    assert "process" not in stolen.text
    assert ben.http.get(f"/gradio_api/heartbeat/{anna.session}").status_code == 403
    assert ben.join("find_sets", "reviews", PLAN, session_hash=anna.session).status_code == 403
    body = {"session_hash": anna.session, "fn_index": 1, "event_id": joined.json()["event_id"]}
    assert ben.http.post("/gradio_api/cancel", json=body).status_code == 403
    assert anna.call("find_sets", "reviews", PLAN).success, "the session is still Anna's own"


def test_what_a_session_keeps_stays_in_it(hosted_page, anna, ben):
    """The setting on show is kept by the server for each session."""
    setting_id = hosted_page.store.runs(owner=anna.owner)[0].spec.setting.id
    anna.call("show_setting", setting_id)
    assert setting_id not in ben.call("show_code", "ignored").text


def test_files_are_for_those_who_sent_them_or_were_shown_them(anna, ben):
    path = anna.upload("mine.csv", b"text,label\nANNAS-FILE,yes\n")
    assert anna.file(path).text.startswith("text,label")
    assert ben.file(path).status_code == 404
    assert ben.join("take_upload", file_data(path), PLAN).status_code == 403
    assert anna.call("take_upload", file_data(path), PLAN).success


def test_downloads_are_for_those_who_were_shown_them(anna, ben):
    shown = anna.redraw("compare")
    paths = {one["path"] for one in files_in(shown.events)}
    assert len(paths) >= 3
    for path in paths:
        assert anna.file(path).status_code == 200
        assert ben.file(path).status_code == 404


def files_in(value):
    if isinstance(value, dict):
        if isinstance(value.get("path"), str) and value["path"].startswith("/"):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from files_in(one)


def test_the_same_content_may_be_uploaded_by_two(anna, ben):
    content = b"text,label\nequal,yes\n"
    one, two = anna.upload("a.csv", content), ben.upload("a.csv", content)
    assert anna.file(one).status_code == 200
    assert ben.file(two).status_code == 200


@pytest.mark.parametrize("how", ["forged", "other key", "unsigned", "none", "with another's owner"])
def test_nobody_becomes_somebody_by_a_cookie_of_their_own_making(how, hosted_page, anna, ben):
    owner = anna.owner
    token = {
        "forged": f"{owner}.{'0' * 64}",
        "other key": owners.sign(owner, [b"k" * 32]),
        "unsigned": owner,
        "none": "",
        "with another's owner": f"{owner}.{ben.token.partition('.')[2]}",
    }[how]
    run_id = ids(hosted_page.store, anna)[0]
    visitor = hosted_page.visitor()
    visitor.http.cookies.clear()
    visitor.http.cookies.set(COOKIE, token, domain="127.0.0.1")
    assert run_id not in visitor.redraw("compare").text
    visitor.session += "again"  # that answer came with a cookie, and with it a new visitor
    visitor.http.cookies.clear()
    visitor.http.cookies.set(COOKIE, token, domain="127.0.0.1")
    plan = {**PLAN, "data": {"source": "reviews"}, "choices": [{"key": "head", "method": "head"}]}
    assert visitor.call("queue_plan", plan, None).said
    assert not hosted_page.store.runs(owner=owners.STRANGER)


def test_a_rotated_key_keeps_visitors_who_they_are(hosted_page, anna):
    before, token = anna.owner, anna.token
    owners.rotate(hosted_page.store.folder)
    assert anna.http.get("/health").status_code == 200
    assert anna.token != token
    assert anna.owner == before


def test_the_health_route_and_the_status_page_name_nobody(hosted_page, anna, ben):
    for path in ("/health", "/status"):
        text = ben.http.get(path).text
        assert anna.owner not in text
        assert SECRET_NAME not in text
        assert str(hosted_page.store.folder) not in text
