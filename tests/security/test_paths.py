"""Path traversal: every text and file field of the page, with every name of the corpus; nothing outside is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.raw_protocol import Answer, file_data
from tests.security.corpus import names_for
from workbench import uploads
from workbench.data import check, prepare, read
from workbench.sources import resolve
from workbench.ui.plan import empty_plan
from workbench.uploads import located

PLAN = empty_plan()


def fields(visitor):
    """Every way a text of a visitor goes in: what it is called, and a call with that text."""

    def plan_with(**changes):
        return lambda text: visitor.call(
            "show_data",
            {**PLAN, "data": {"source": "reviews", **{k: _put(v, text) for k, v in changes.items()}}},
        )

    def pressed(handler, action, *data):
        return lambda text: visitor.call(handler, *data, event={"action": action, "key": text})

    return {
        "name of a data set": lambda text: visitor.call("look_up_name", text, PLAN),
        "bundled data set": pressed("choose_bundled", "choose", PLAN),
        "card of a data set": pressed("choose_bundled", "card", PLAN),
        "search of data sets": lambda text: visitor.call("find_sets", text, PLAN),
        "search of rows": lambda text: visitor.call("search_rows", text, None),
        "source of a plan": plan_with(source=None),
        "train file of a plan": plan_with(parts={"train": None}),
        "further data of a mix": plan_with(mix=[{"source": None}]),
        "encoding": plan_with(encoding=None),
        "column": plan_with(text=None),
        "fix": plan_with(fixes=[None]),
        "ready-made comparison": pressed("act_on_preset", "run", PLAN, None),
        "Hub model": lambda text: visitor.call("choose_named_2", text, None, None, PLAN),
        "folder of a model": lambda text: visitor.call("choose_named_3", None, text, None, PLAN),
        "run as a model": lambda text: visitor.call("choose_named", None, None, text, PLAN),
        "model of a plan": lambda text: visitor.call("queue_plan", {**PLAN, "model": text}, None),
        "model in the list": pressed("act_in_sheet", "choose", PLAN, None),
        "method": pressed("open_method", "open", PLAN),
        "log of a run": lambda text: visitor.call("show_log", text, "output", True),
        "run on Train": pressed("act_on_run", "cancel"),
        "failure": pressed("act_on_failure", "retry", None),
        "run on Compare": pressed("act_on_list", "delete_now", None),
        "detail of a run": lambda text: visitor.call("show_detail", text),
        "setting": lambda text: visitor.call("show_setting", text),
        "search of a table": lambda text: visitor.call("filter_table", None, text, []),
        "row of a table": pressed("act_on_row", "retry", None),
        "verdict": pressed("act_on_verdict", "seeds", None),
    }  # fmt: skip


def _put(value, text):
    """The text where the pattern says None."""
    if value is None:
        return text
    if isinstance(value, dict):
        return {key: _put(one, text) for key, one in value.items()}
    return [_put(one, text) for one in value]


FIELDS = list(fields(None))


def leaks(answer: Answer) -> bool:
    return any(word in answer.text for word in ("CANARY-7f3a", "PATH=", "sys.exit(main", "root:x:0"))


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_corpus_is_large_enough_and_says_each_thing_once(canary):
    names = names_for(canary)
    assert len(names) >= 40
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("field", FIELDS)
def test_no_text_names_its_way_out(field, hosted_page, canary):
    """A seventh of the names for each field, another seventh for the next; all for all in the slow test."""
    number = FIELDS.index(field)
    try_all(field, names_for(canary)[number % 7 :: 7], hosted_page, canary)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("field", FIELDS)
def test_no_text_names_its_way_out_whatever_it_is(field, hosted_page, canary):
    try_all(field, names_for(canary), hosted_page, canary)


def try_all(field, names, hosted_page, canary):
    visitor = hosted_page.visitor()
    call = fields(visitor)[field]
    before, kept = snapshot(canary.parent), {run.id for run in hosted_page.store.runs()}
    for name in names:
        answer = call(name)
        assert not leaks(answer), (field, name)
        assert "Traceback" not in answer.text
    assert snapshot(canary.parent) == before
    assert {run.id for run in hosted_page.store.runs()} == kept


def mixed(store, name):
    """Into a small set with the labels of the file outside: nothing but the name keeps its rows away."""
    main = store.folder / "main.csv"
    main.write_text("text,label\n" + "".join(f"text {n},{'yes' if n % 2 else 'no'}\n" for n in range(30)))
    found = prepare(main)
    assert len(found.rows["train"]) > 10
    return prepare(main, mix=[name])


READERS = {
    "data set": lambda store, name: check(name).to_dict(),
    "file of a part": lambda store, name: check("", parts={"train": name}).to_dict(),
    "prepared data": lambda store, name: prepare(name),
    "further data": mixed,
    "model": lambda store, name: resolve(name, store=store, owner="a" * 32),
    "upload": lambda store, name: (
        read(Path(located(store, name, "a" * 32))) if name.startswith("upload:") else None
    ),
    "run": lambda store, name: store.run(name),
    "setting": lambda store, name: store.setting(name),
    "folder of a run": lambda store, name: store.run_folder(name),
    "folder of data": lambda store, name: store.data_folder(name),
    "name of an upload": lambda store, name: uploads.clean_file_name(name).index("/"),
}


@pytest.mark.parametrize("what", READERS)
def test_what_reads_below_the_page_refuses_every_name(what, store, canary):
    """The whole corpus where the page's fields end up; each name is refused, or read as what it is not."""
    for name in names_for(canary):
        try:
            found = str(READERS[what](store, name))
        except (ValueError, KeyError):
            continue
        assert "CANARY-7f3a" not in found, name
        assert what in ("data set", "file of a part", "upload"), name


def test_no_address_names_its_way_out(hosted_page, canary):
    visitor = hosted_page.visitor()
    for name in (*names_for(canary), str(hosted_page.store.path), str(hosted_page.store.folder / "secret")):
        if any(ord(character) < 32 for character in name):
            continue  # no client can put these into an address
        for route in (
            "/gradio_api/file=",
            "/gradio_api/file/",
            "/static/",
            "/assets/",
            "/svelte/",
            "/gradio_api/proxy=",
        ):
            answer = visitor.http.get(route + name)
            assert answer.status_code in (400, 403, 404, 405), (route, name, answer.status_code)
            assert "CANARY-7f3a" not in answer.text


def test_no_file_field_names_its_way_out(hosted_page, canary):
    """A path in a request is believed only where this visitor uploaded that file."""
    visitor = hosted_page.visitor()
    for name in names_for(canary):
        answer = visitor.join("take_upload", file_data(name), PLAN)
        assert answer.status_code == 403, name
        assert "file" in answer.json()["detail"]


def test_no_upload_is_written_outside(hosted_page, canary):
    """The names under which files are uploaded."""
    visitor = hosted_page.visitor()
    before = snapshot(canary.parent)
    for name in names_for(canary):
        sent = visitor.http.post("/gradio_api/upload", files={"files": (name, b"text,label\na,b\n")})
        assert sent.status_code in (200, 400), name
        if sent.status_code == 200:
            (path,) = sent.json()
            assert ".." not in Path(path).parts
            assert Path(path).resolve().parent.parent.name == "gradio" or "gradio" in path
    assert snapshot(canary.parent) == before
