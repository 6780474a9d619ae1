"""Each limit of the settings file, tried past the page: through its handlers, the raw interface, the command line, the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.ui.fake_store import page_context
from workbench import presets, session
from workbench.cli import main
from workbench.data import DataError, read
from workbench.hosted import Limits, room
from workbench.hosted.admission import check_text
from workbench.runner import Runner
from workbench.store import Store
from workbench.ui import queueing
from workbench.ui.plan import empty_plan, to_preset

PLAN = {
    **empty_plan(),
    "data": {"source": "reviews", "train_rows": 40, "validation_rows": 20, "test_rows": 20},
    "choices": [{"key": "head", "method": "head", "options": {}, "learning_rate": None}],
    "setting": {"budget": {"kind": "steps", "amount": 2}},
}


@dataclass(frozen=True)
class Case:
    """A settings file that forbids what the plan wants, and the sentence that says so. `before` makes the store ready."""

    settings: str
    plan: dict[str, Any]
    sentence: str
    before: Callable[[Store, str], None] = lambda store, owner: None


def setting(**values: Any) -> dict[str, Any]:
    return {"setting": {**PLAN["setting"], **values}}


def one_waits(store: Store, owner: str) -> None:
    """A run of the visitor's own that waits."""
    preset = to_preset(PLAN)
    session.submit(store, preset, owner=owner)


def somebody_waits(store: Store, owner: str) -> None:
    one_waits(store, "e" * 32)


def two_megabytes(store: Store, owner: str) -> None:
    folder = store.folder / "uploads" / (owner or "own") / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "kept.csv").write_bytes(b"x" * 2_000_000)


CASES = {
    "runs": Case("runs = 1", {"seeds": [0, 1]}, "takes 1 runs of a visitor at a time; this would be 2"),
    "waiting": Case("waiting = 0\nrunning = 1", {"seeds": [1]}, "and 1 of yours are not done yet", one_waits),
    "running": Case("running = 1\nwaiting = 1", {"seeds": [1, 2]}, "takes 2 runs of a visitor", one_waits),
    "waiting_all": Case("waiting_all = 1", {}, "1 runs of all visitors wait already", somebody_waits),
    "steps": Case("steps = 1", {}, "at most 1 steps for each run, not 2"),
    "seconds": Case("seconds = 1", setting(budget={"kind": "seconds", "amount": 5}), "at most 1 seconds for each run, not 5"),
    "max_length": Case("max_length = 16", {}, "at most 16 tokens of longest input, not 128"),
    "batch_size": Case("batch_size = 4", {}, "at most 4 rows per batch, not 16"),
    "accumulation": Case("batch_size = 16", setting(gradient_accumulation=2), "at most 16 rows per batch, not 32"),
    "rows": Case("rows = 70", {}, "at most 70 rows, not 80"),
    "evaluations": Case("evaluations = 1", {}, "at most 1 evaluations, not 4"),
    "trials": Case("steps = 5", setting(search_trials=2), "at most 5 steps for each run, not 6"),
    "model_parameters": Case("model_parameters = 1000", {}, "at most 1,000 weights in a model"),
    "models": Case("models = []", {"model": "prajjwal1/bert-tiny"}, "trains small models only"),
    "store_megabytes": Case("store_megabytes = 1", {}, "keeps 1 MB for a visitor", two_megabytes),
    "store_all_megabytes": Case("store_all_megabytes = 1", {}, "keeps 1 MB for all its visitors", two_megabytes),
}  # fmt: skip


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Iterator[Callable[[str], None]]:
    """Puts a settings file in force for everybody in this process: the page began with the shipped one."""

    def put(text: str) -> None:
        path = tmp_path / "limits.toml"
        path.write_text(text)
        monkeypatch.setenv("WORKBENCH_HOSTED_SETTINGS", str(path))
        room.forget()

    yield put
    room.forget()


def ready(case: Case, store: Store, owner: str, settings) -> set[str]:
    settings("")
    case.before(store, owner)
    settings(case.settings)
    return set(store.all_ids())


def test_without_a_limit_in_its_way_the_plan_is_taken(hosted_page, settings):
    settings("")
    visitor = hosted_page.visitor()
    answer = visitor.call("queue_plan", PLAN, None)
    assert answer.said == []
    (run,) = hosted_page.store.runs(owner=visitor.owner)
    assert run.state == "queued"
    hosted_page.store.request_cancel(run.id)


@pytest.mark.parametrize("name", CASES)
def test_the_raw_interface_does_not_pass_it(name, hosted_page, settings):
    case, visitor = CASES[name], hosted_page.visitor()
    store = hosted_page.store
    try:
        before = ready(case, store, visitor.owner, settings)
        answer = visitor.call("queue_plan", {**PLAN, **case.plan}, None)
        assert any(case.sentence in said for said in answer.said), answer.said
        assert set(store.all_ids()) == before
    finally:
        for run in store.runs(states=("queued",)):
            store.request_cancel(run.id)


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """A store of the test's own, and everything in this process."""
    from tests.security.conftest import in_process

    in_process(monkeypatch)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "store"))
    return Store(tmp_path / "store")


@pytest.mark.parametrize("name", CASES)
def test_the_pages_handlers_do_not_pass_it(name, apart, settings):
    """Although the page itself knows no limits here: they are kept below it."""
    import gradio as gr

    case, owner = CASES[name], "a" * 32
    before = ready(case, apart, owner, settings)
    with gr.Blocks():
        context = page_context(apart, hosted=True, limits=None)
    with pytest.raises(ValueError, match=case.sentence):
        queueing.queue(context, to_preset({**PLAN, **case.plan}), owner, "key")
    assert set(apart.all_ids()) == before


@pytest.mark.parametrize("name", CASES)
def test_the_command_line_does_not_pass_it(name, apart, settings, tmp_path, monkeypatch, capsys):
    case = CASES[name]
    monkeypatch.setattr(Runner, "start", lambda self: None)
    before = ready(case, apart, "", settings)
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(presets.to_values(to_preset({**PLAN, **case.plan}))))
    assert main(["run", str(path)]) == 2
    assert case.sentence in capsys.readouterr().err
    assert set(apart.all_ids()) == before


@pytest.mark.parametrize("name", ["runs", "waiting", "steps", "models"])
def test_a_run_that_broke_off_is_not_queued_again_past_it(name, apart, settings):
    """Retry and resume are ways into the queue like any other."""
    settings("")
    session.submit(apart, dataclasses.replace(to_preset(PLAN), model="prajjwal1/bert-tiny"), owner="a" * 32)
    (old,) = apart.runs()
    apart.request_cancel(old.id)
    if name in ("runs", "waiting"):
        one_waits(apart, "a" * 32)
    settings("runs = 1" if name == "runs" else CASES[name].settings)
    for again in (Runner(apart).retry, Runner(apart).resume):
        with pytest.raises(ValueError, match="This shared page"):
            again(old.id)
    assert apart.run(old.id).state == "cancelled"


def test_many_requests_at_once_find_no_more_room_than_one(apart, settings):
    """The count is taken within the transaction that queues."""
    from concurrent.futures import ThreadPoolExecutor

    settings("runs = 4\nrunning = 1\nwaiting = 3")
    one_waits(apart, "a" * 32)
    (spec,) = [run.spec for run in apart.runs()]

    def try_it(seed: int) -> bool:
        try:
            apart.add([dataclasses.replace(spec, seed=seed)], owner="a" * 32)
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(try_it, range(1, 17)))
    assert sum(taken) == 3
    assert len(apart.runs()) == 4


def test_a_file_above_the_limit_is_not_read(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    settings("upload_megabytes = 1")
    path = tmp_path / "large.csv"
    path.write_text("text,label\n" + "good,yes\nbad,no\n" * 80_000)
    with pytest.raises(DataError, match="at most 1 MB are taken"):
        read(path)


def test_an_upload_above_the_limit_is_not_taken_through_the_raw_interface(hosted_page, settings):
    from tests.raw_protocol import file_data

    settings("upload_megabytes = 1")
    visitor = hosted_page.visitor()
    path = visitor.upload("large.csv", b"text,label\n" + b"good,yes\nbad,no\n" * 80_000)
    answer = visitor.call("take_upload", file_data(path), PLAN)
    assert "files of at most 1 MB" in answer.text
    assert not (hosted_page.store.folder / "uploads" / visitor.owner).exists() or not any(
        (hosted_page.store.folder / "uploads" / visitor.owner).iterdir()
    )


def test_a_long_text_is_refused_where_the_page_is_shared_alone(settings, monkeypatch):
    settings("text_characters = 10")
    check_text("x" * 10)
    with pytest.raises(ValueError, match="at most 10 characters in a text, not 11"):
        check_text("x" * 11)
    monkeypatch.setenv("WORKBENCH_HOSTED", "0")
    check_text("x" * 11)


def test_every_limit_is_tried():
    elsewhere = {
        "wall_seconds": "tests/test_turns.py, tests/test_worker.py",
        "keep_days": "tests/test_hosted_store.py",
        "upload_megabytes": "above",
        "text_characters": "above",
        "origins": "tests/security/test_requests.py",
        "snapshot_file": "tests/test_hosted_store.py",
        "snapshot_minutes": "tests/test_hosted_store.py",
        "shared_reports": "tests/security/test_shared.py",
        "shared_megabytes": "tests/security/test_shared.py",
        "shared_days": "tests/security/test_shared.py",
    }
    assert {one.name for one in dataclasses.fields(Limits)} == {*CASES, *elsewhere} - {
        "accumulation",
        "trials",
    }
