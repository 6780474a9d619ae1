"""What people write and upload stays data: HTML in names and texts, formulas in exports, bombs, pickles."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import time
import zipfile
from pathlib import Path

import pytest

from tests.raw_protocol import file_data
from tests.security.test_owners import files_in, fill
from workbench.sources import ModelError, resolve
from workbench.ui.plan import empty_plan

PLAN = empty_plan()
MARK = "x1337"
HOSTILE = (
    f"<img src={MARK} onerror=alert(1)>",
    f"<script>{MARK}</script>",
    f"</td></table><svg onload={MARK}>",
    f"\"'><iframe src=javascript:{MARK}>",
    f'<a href="javascript:{MARK}">click</a>',
    f"[x](javascript:{MARK})<details open ontoggle={MARK}>",
    f"{{{{{MARK}}}}}<style>*{{{MARK}}}</style>",
)
RAW = [f"<img src={MARK}", f"<script>{MARK}", f"<svg onload={MARK}", f"<iframe src=javascript:{MARK}",
       f"<a href=\"javascript:{MARK}", f"<details open ontoggle={MARK}", f"<style>*{{{MARK}"]  # fmt: skip


def markup_in(value):
    """The texts in an answer that the browser takes as HTML."""
    if isinstance(value, str):
        if "</" in value and ("class=" in value or "<div" in value):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from markup_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from markup_in(one)


def stays_text(answer) -> int:
    """How often the hostile texts are on the page, escaped; they are there, or the test shows nothing."""
    pages = list(markup_in([event.get("output") for event in answer.events]))
    for html in pages:
        for raw in RAW:
            assert raw not in html, html[max(0, html.index(raw) - 200) :][:500]
    for notice in answer.said:
        assert not any(raw in notice for raw in RAW)
    return sum(html.count(MARK) for html in pages)


def test_hostile_texts_of_an_upload_stay_texts(hosted_page):
    visitor = hosted_page.visitor()
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["text", "label", HOSTILE[1]])
    writer.writerows([[f"{text} number {n}", HOSTILE[n % 2], text] for n, text in enumerate(HOSTILE * 8)])
    path = visitor.upload(f"{HOSTILE[0].replace('/', '')}.csv", table.getvalue().encode())
    assert stays_text(visitor.call("take_upload", file_data(path), PLAN)) > 5


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_plan_stays_text(text, hosted_page):
    visitor = hosted_page.visitor()
    data = {"source": text, "title": text, "text": text, "label": text, "labels": text, "rows": {text: text}}
    plan = {
        **PLAN,
        "data": data,
        "model": text,
        "choices": [{"key": text, "method": "lora", "options": {text: text}}],
    }
    seen = stays_text(visitor.call("show_header", plan, text, "data"))
    seen += stays_text(visitor.call("show_data", plan))
    assert seen
    stays_text(visitor.call("queue_plan", plan, None))
    stays_text(visitor.call("look_up_name", text, PLAN))
    stays_text(visitor.call("find_sets", text, PLAN))
    stays_text(visitor.call("show_detail", text))
    stays_text(visitor.call("act_on_run", event={"action": "cancel", "key": text}))


@pytest.fixture
def hostile_runs(hosted_page):
    """A visitor whose runs carry hostile names, labels, reasons and logs."""
    visitor, store = hosted_page.visitor(), hosted_page.store
    fill(store, visitor.owner)
    with store._write(full=True) as db:
        for number, run in enumerate(store.runs(owner=visitor.owner)):
            choice = json.dumps(
                {
                    **run.spec.choice.__dict__,
                    "options": dict(run.spec.choice.options),
                    "label": "=1+1" + HOSTILE[number % 7],
                }
            )
            db.execute(
                "UPDATE runs SET name = ?, choice = ?, reason_message = ? WHERE id = ?",
                (HOSTILE[0], choice, "@SUM(1)" + HOSTILE[2], run.id),
            )
            store.run_folder(run.id).mkdir(exist_ok=True)
            (store.run_folder(run.id) / "worker.log").write_text(
                "\n".join(HOSTILE) + "\ntoken hf_abcdefghijklmnop\n"
            )
    yield visitor
    for run in store.runs(owner=visitor.owner):
        store.change_state(run.id, "cancelled")
        store.delete(run.id)


def test_hostile_names_of_runs_stay_texts(hosted_page, hostile_runs):
    run_id = hosted_page.store.ids_of(hostile_runs.owner)[0]
    for tab in ("compare", "train", "inference"):
        answer = hostile_runs.redraw(tab)
        assert answer.success
        assert stays_text(answer), tab
    assert stays_text(hostile_runs.call("filter_table", *hostile_runs.page.inputs["filter_table"]))
    log = hostile_runs.call("show_log", run_id, "output", True)
    assert stays_text(log)
    assert "hf_abcdefghijklmnop" not in log.text, "tokens in a log are struck out"


def test_no_cell_of_an_export_is_a_formula(hostile_runs):
    """And the other exports escape what their format would take for its own."""
    shown = hostile_runs.redraw("compare")
    files = {Path(one["path"]).suffix: one["path"] for one in files_in(shown.events)}
    assert {".csv", ".json"} <= set(files)
    rows = list(csv.reader(io.StringIO(hostile_runs.file(files[".csv"]).text)))
    cells = [cell for row in rows for cell in row]
    assert any("=1+1" in cell for cell in cells)
    for cell in cells:
        assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff20")), cell
        assert not cell.startswith("-") or cell.lstrip("-").replace(".", "").isdigit(), cell
    json.loads(hostile_runs.file(files[".json"]).text)
    for suffix in files.keys() & {".html", ".md"}:
        text = hostile_runs.file(files[suffix]).text
        assert MARK in text
        assert not any(raw in text for raw in RAW), suffix


def zipped(**entries: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


def bombs():
    zeros = b"0" * 260_000_000
    small = b"a,b\n" * 1000
    return {
        "large.zip": zipped(**{"a.csv": zeros}),
        "large.csv.gz": gzip.compress(zeros, 1),
        "many.zip": zipped(**{f"{n}.csv": small for n in range(1500)}),
        "nested.zip": zipped(**{"a.zip": zipped(**{"a.csv": small})}),
        "up.zip": zipped(**{"../../../../tmp/x1337.csv": b"text,label\na,b\n"}),
        "wide.csv": b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b",".join([b"1"] * 20_000) + b"\n",
        "cell.csv": b"text,label\n" + b"x" * 3_000_000 + b",yes\n",
        "quote.csv": b'text,label\n"' + b"never closed\n" * 200_000,
        "deep.json": b"[" * 200_000,
        "deep.jsonl": (b'{"text":' * 5_000 + b"1" + b"}" * 5_000 + b"\n") * 20,
        "huge number.json": b'[{"text": ' + b"9" * 1_000_000 + b', "label": "a"}]',
        "laughs.xlsx": zipped(
            **{"[Content_Types].xml": b"<!DOCTYPE x [" + b'<!ENTITY a "' + b"ha" * 1000 + b'">' + b"]>"}
        ),
    }


@pytest.fixture(scope="module")
def bomb_files():
    return bombs()


@pytest.mark.parametrize("name", ["large.zip", "large.csv.gz", "many.zip", "nested.zip", "up.zip", "wide.csv", "cell.csv",
                                  "quote.csv", "deep.json", "deep.jsonl", "huge number.json", "laughs.xlsx"])  # fmt: skip
def test_bombs_are_refused_in_words_and_in_time(name, bomb_files, hosted_page):
    visitor = hosted_page.visitor()
    path = visitor.upload(name, bomb_files[name])
    begun = time.monotonic()
    answer = visitor.call("take_upload", file_data(path), PLAN)
    assert time.monotonic() - begun < 60
    assert answer.success
    assert "Traceback" not in answer.text
    assert "nobody foresaw" not in answer.text
    if name != "up.zip":  # its one file is read by what is in it, wherever it says that it wants to go
        assert not any("fingerprint" in str(one) and '"parts"' in str(one) for one in answer.outputs)
    assert not Path("/tmp/x1337.csv").exists()


class Runs:
    """A pickle that does something when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize(
    "name", ["a.pkl", "a.pt", "a.bin", "a.ckpt", "a.joblib", "a.npy", "a.csv", "a.parquet", "a.zip"]
)
def test_pickles_are_never_opened(name, hosted_page, tmp_path):
    visitor, touched = hosted_page.visitor(), tmp_path / "touched"
    content = pickle.dumps(Runs(touched))
    path = visitor.upload(name, zipped(**{"data.pkl": content}) if name == "a.zip" else content)
    answer = visitor.call("take_upload", file_data(path), PLAN)
    assert not touched.exists()
    # Refused by its name before it is looked at, or by what stands in it.
    assert not answer.success or "pickle" in answer.text or "Parquet" in answer.text
    pickle.loads(content)
    assert touched.exists(), "it would have done it"


def test_weights_are_read_from_safetensors_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTED", "0")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(tmp_path / "touched")))
    with pytest.raises(ModelError, match="safetensors"):
        resolve(str(tmp_path))
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    with pytest.raises(ModelError):
        resolve(str(tmp_path))
    assert not (tmp_path / "touched").exists()
