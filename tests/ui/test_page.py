"""The page as a server: what it loads, that it answers and stops, whom it knows, and its header."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import gradio as gr
import pytest

from workbench.runner import Runner
from workbench.spec import Choice, DataSpec, RunSpec, Setting
from workbench.ui import context, frame, owner, page
from workbench.ui import plan as plans

ROOT = Path(__file__).parents[2]
KEPT_PLAN = "localStorage.getItem('workbench-plan')"
HEAVY = {
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "bitsandbytes",
    "accelerate",
    "evaluate",
    "sklearn",
    "scipy",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port, path="/health"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


def wait_for(port, process, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read()
        try:
            return answers(port)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the page did not answer")


def spec(seed=0, model="embedded:fable-8m"):
    setting = Setting(DataSpec("reviews", labels=("no", "yes"), fingerprint="ab"), model)
    return RunSpec(setting, Choice("lora", {}, 1e-3, "LoRA"), seed)


def test_building_the_page_loads_no_deep_learning_library(tmp_path):
    script = (
        "import sys\nfrom workbench.store import Store\nfrom workbench.ui import page\n"
        f"page.application(Store({str(tmp_path)!r}), None)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & HEAVY


def test_app_py_answers_and_stops_in_order(tmp_path):
    port = free_port()
    environment = {**os.environ, "WORKBENCH_HOME": str(tmp_path), "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert '"status":"ok"' in wait_for(port, process)
        html = answers(port, "/")
        assert "fonts.googleapis" not in html
        taken = subprocess.run(
            [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert taken.returncode == 2
        assert f"port {port} on 127.0.0.1 can't be used" in taken.stderr
        assert len(taken.stderr.strip().splitlines()) == 1
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize(("value", "sentence"), [("x", "GRADIO_SERVER_PORT"), ("70000", "from 1 to 65535")])
def test_a_bad_port_is_said(value, sentence, monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", value)
    with pytest.raises(ValueError, match=sentence):
        page._port(None)
    assert page._port(8000) == 8000


@pytest.fixture
def client(store, monkeypatch):
    from fastapi.testclient import TestClient

    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    app = page.application(store, None)
    return lambda: TestClient(app)


def test_each_visitor_of_a_hosted_page_gets_a_cookie_that_scripts_cannot_read(client):
    first, second = client(), client()
    said = first.get("/health").headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    second.get("/health")
    assert first.cookies[owner.COOKIE] != second.cookies[owner.COOKIE]
    assert "set-cookie" not in first.get("/health").headers


def test_a_forged_cookie_is_nobodys_and_is_replaced(client):
    visitor = client()
    visitor.cookies.set(owner.COOKIE, "0" * 32 + ".forged")
    assert "set-cookie" in visitor.get("/health").headers
    request = gr.Request(cookies={owner.COOKIE: "0" * 32 + ".forged"})
    assert owner.owner_of(request) == owner.STRANGER
    assert owner.owner_of(None) == owner.STRANGER


def test_what_another_site_sends_is_refused(client):
    visitor = client()
    answer = visitor.post("/gradio_api/queue/join", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert visitor.post("/gradio_api/queue/join", json={}).status_code != 403


def test_on_ones_own_machine_there_is_no_cookie_and_everything_is_seen(store, monkeypatch):
    from fastapi.testclient import TestClient

    monkeypatch.delenv("WORKBENCH_HOSTED", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert "set-cookie" not in TestClient(page.application(store, None)).get("/health").headers
    assert owner.owner_of(None) is None


def test_files_of_the_store_are_not_served(client, store):
    (store.folder / "secret").touch()
    for path in (store.folder / "secret", store.path, "/etc/passwd"):
        assert client().get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_runs_of_others_are_as_good_as_none(store):
    run_id = store.add([spec()], owner="a" * 32)[0]
    with gr.Blocks():
        made, _ = page._frame(store, runner=None)
        made.tabs.render()
    assert context.run_of(made, run_id, "a" * 32).id == run_id
    assert context.run_of(made, run_id, None).id == run_id
    for other in ("b" * 32, owner.STRANGER):
        with pytest.raises(ValueError, match="There is no run"):
            context.run_of(made, run_id, other)
        assert context.setting_of(made, spec().setting.id, other) is None
        assert not context.is_active(made, other)
    assert context.setting_of(made, None, "a" * 32) == spec().setting.id


def test_a_bad_input_becomes_a_notice_and_leaves_the_page_as_it_is(monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda message, **options: said.append(message))

    @context.say_errors
    def refuse():
        raise ValueError("r is <b>wrong</b>")

    @context.say_errors
    def refuse_later():
        yield 1
        raise KeyError("x")

    assert refuse() == gr.skip()
    assert said == ["r is &lt;b&gt;wrong&lt;/b&gt;"]
    assert list(refuse_later()) == [1, gr.skip()]
    assert "nobody foresaw" in said[1]
    assert "Traceback" not in said[1]


def test_the_header_counts_what_is_there(store):
    plan = plans.empty_plan()
    assert "choose data to begin" in frame.header_html(store, plan, None, "data", None)
    ids = store.add([spec(0), spec(1)])
    runs = store.runs(ids=ids)
    plan = plans.tick({**plan, "data": {"source": "reviews", "title": "reviews", "labels": 2}}, "lora")
    counts = frame.tab_counts(plan, runs)
    assert counts == {
        "Data": "reviews", "Methods": "1 ticked", "Train": "0 of 2", "Inference": "", "Compare": "1 method",
    }  # fmt: skip
    assert frame.plan_words(plan) == [
        "reviews",
        "fable-8m",
        "classification, 2 labels",
        "3 epochs, batch 16",
        "1 seed",
    ]
    html = frame.header_html(store, plan, runs[0].spec.setting.id, "train", None)
    assert f"setting {runs[0].spec.setting.id[:6]}" in html
    assert "2 seeds" in html


def test_a_hostile_title_stays_text_in_the_header(store):
    plan = {**plans.empty_plan(), "data": {"source": "x", "title": "<script>alert(1)</script>"}}
    assert "<script>" not in frame.header_html(store, plan, None, "data", None)


def test_events_draw_no_progress_of_gradios_on_what_they_change(store):
    drawn_page = page.build(store, Runner(store))
    drawn = {
        output
        for event in drawn_page.config["dependencies"]
        if event["show_progress_on"] is None
        for output in event["outputs"]
    }
    assert len(drawn) <= 10  # each costs a search through all the page, at every event


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_a_visitor_uploads_ticks_and_queues(tmp_path, chromium):
    file = tmp_path / "mine.csv"
    words = ["good", "bad", "dull", "bright"]
    lines = [
        f"the {w} one is number {i},{'yes' if w in ('good', 'bright') else 'no'}"
        for i in range(40)
        for w in words
    ]
    file.write_text("text,label\n" + "\n".join(lines))
    port = free_port()
    environment = {**os.environ, "WORKBENCH_HOME": str(tmp_path / "store"), "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(port, process)
        tab = chromium.new_page(viewport={"width": 1440, "height": 900})
        faults = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(f"http://127.0.0.1:{port}/")
        tab.get_by_text("Upload a file").click()
        tab.set_input_files(".wb-upload input[type=file]", str(file))
        tab.get_by_role("button", name="Next: choose methods").click(timeout=90_000)
        rank = tab.locator('[id="lora--r"]')
        rank.wait_for(timeout=90_000)
        for key in ("head", "lora"):
            tab.locator(f'.wb-pick[data-key="{key}"] .wb-tick').click()
        tab.get_by_role("button", name="Queue 2 runs").wait_for(timeout=30_000)
        kept = tab.evaluate(KEPT_PLAN)
        rank.fill("2")
        rank.press("Enter")
        tab.get_by_text("r=2").wait_for(timeout=30_000)
        tab.wait_for_function(f"{KEPT_PLAN} !== {json.dumps(kept)}", timeout=30_000)
        tab.reload()
        tab.get_by_role("tab", name="Methods", exact=True).click()
        tab.get_by_text("r=2").wait_for(timeout=60_000)
        assert tab.locator('.wb-tick[aria-checked="true"]').count() == 2
        tab.locator('.wb-pick[data-key="head"] .wb-tick').focus()
        tab.keyboard.press("Space")
        tab.get_by_role("button", name="Queue 1 run").wait_for(timeout=10_000)
        held = "document.activeElement.closest('.wb-pick')?.dataset.key"
        assert tab.evaluate(held) == "head"
        tab.keyboard.press("Space")
        tab.get_by_role("button", name="Queue 2 runs").dblclick(timeout=10_000)
        tab.locator('[role="tab"][aria-selected="true"]', has_text="Train").wait_for(timeout=90_000)
        tab.close()
        assert faults == []
        from workbench.store import Store

        runs = Store(tmp_path / "store").runs()
        assert [run.label for run in runs] == ["Linear probe", "LoRA r=2"]
        assert {run.spec.setting.data.labels for run in runs} == {("no", "yes")}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        from workbench.store import Store

        store = Store(tmp_path / "store")
        for run in store.runs():
            store.request_cancel(run.id)
        Runner(store).wait([run.id for run in store.runs()], timeout=90)
