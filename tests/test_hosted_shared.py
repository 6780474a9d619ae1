"""Reports that visitors share: their tokens, their limits, their end, and what the command line says of them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.security.corpus import names_for
from tests.ui import fake_store
from workbench import compare
from workbench.cli import main
from workbench.hosted import Limits, cleanup, room, shared
from workbench.result import Reason
from workbench.shared_report import shared_html
from workbench.uploads import keep_upload

ANNA, BEN = "a" * 32, "b" * 32
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def measured_anew():
    room.forget()


def share(store, owner=ANNA, html="<p>figures</p>", **limits):
    return shared.share(store, owner, html, "Reviews compared", Limits(**limits))


def test_a_report_is_read_by_its_token_and_by_nothing_else(store, tmp_path):
    made = share(store)
    assert shared.TOKEN.fullmatch(made.token)
    assert shared.read(store, made.token, Limits()) == b"<p>figures</p>"
    (tmp_path / "canary.csv").write_text("CANARY")
    for name in (
        *names_for(tmp_path / "canary.csv"),
        made.token[:-1],
        f"{made.token}x",
        f"{ANNA}/{made.token}",
        "",
        ".",
    ):
        assert shared.read(store, name, Limits()) is None, name
        assert not shared.stop(store, name), name
    assert shared.read(store, shared._new_token(), Limits()) is None


def test_tokens_are_all_different_and_no_option_of_a_command():
    tokens = {shared._new_token() for _ in range(2000)}
    assert len(tokens) == 2000
    assert not [token for token in tokens if token.startswith("-") or not shared.TOKEN.fullmatch(token)]


def test_each_visitor_lists_and_stops_their_own_alone(store):
    anna, ben = share(store, ANNA), share(store, BEN)
    assert shared.shared(store, Limits(), ANNA) == [anna]
    assert {one.owner for one in shared.shared(store, Limits())} == {ANNA, BEN}
    assert not shared.stop(store, anna.token, BEN)
    assert not shared.stop(store, anna.token, "")
    assert shared.read(store, anna.token, Limits()) is not None
    assert shared.stop(store, anna.token, ANNA)
    assert shared.read(store, anna.token, Limits()) is None
    assert shared.shared(store, Limits()) == [ben]
    assert not list((store.folder / "shared" / ANNA).iterdir())


def test_the_same_report_keeps_its_link(store):
    assert share(store) == share(store)
    assert share(store, html="<p>further</p>").token != share(store).token
    assert share(store, BEN).token != share(store).token


def test_no_more_are_shared_than_the_settings_allow(store):
    for number in range(2):
        share(store, html=f"<p>{number}</p>", shared_reports=2)
    with pytest.raises(ValueError, match="2 comparisons of yours are shared already, and this page keeps 2"):
        share(store, html="<p>one more</p>", shared_reports=2)
    assert share(store, html="<p>1</p>", shared_reports=2), "that one is there already"
    share(store, BEN, shared_reports=2)
    with pytest.raises(ValueError, match="shares reports of at most 1 MB"):
        share(store, html="x" * 1_000_001, shared_megabytes=1)
    with pytest.raises(ValueError, match="this page keeps 0"):
        share(store, "c" * 32, shared_reports=0)
    with pytest.raises(ValueError, match="allow cookies"):
        share(store, "stranger")
    for owner in ("../b", "", "a/b"):
        with pytest.raises(ValueError, match="no folder here"):
            share(store, owner)


def test_many_at_once_find_no_more_room_than_one(store):
    def try_it(number):
        try:
            share(store, html=f"<p>{number}</p>", shared_reports=3)
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(16))) == 3
    assert len(shared.shared(store, Limits(), ANNA)) == 3


def test_shared_reports_count_among_a_visitors_files(store):
    share(store, html="x" * 900_000)
    assert room.bytes_of(store, ANNA) > 900_000
    with pytest.raises(ValueError, match="keeps 1 MB for a visitor"):
        share(store, html="y" * 900_000, store_megabytes=1)


def test_a_report_goes_when_its_time_is_over(store, monkeypatch):
    made = share(store)
    now = time.time()
    assert shared.expired(store, Limits(), now + 29 * DAY) == []
    monkeypatch.setattr(time, "time", lambda: now + 31 * DAY)
    assert shared.read(store, made.token, Limits()) is None, "before anybody has cleaned up"
    assert shared.shared(store, Limits(), ANNA) == []
    assert shared.read(store, made.token, Limits(shared_days=60)) is not None
    swept = cleanup.clean(store, keep_days=0)
    assert swept.shared == (f"shared/{ANNA}/{made.token}",)
    assert "1 shared reports" in swept.sentence()
    assert not (store.folder / swept.shared[0]).exists()


def test_what_an_interrupted_page_left_is_nobodys_and_goes(store):
    part = store.folder / "shared" / ANNA / ".AAAAAAAAAAAAAAAAAAAAAA"
    part.mkdir(parents=True)
    (part / "report.html").write_text("<p>half")
    assert shared.read(store, part.name, Limits()) is None
    assert shared.expired(store, Limits(), time.time()) == []
    assert shared.expired(store, Limits(), time.time() + 7200) == [part]


# -- what is in it -----------------------------------------------------------------------------------------------


@pytest.fixture
def found(store, monkeypatch, tmp_path):
    """A comparison on an upload of Anna's, with a run that failed by citing a row."""
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    file = tmp_path / "secret-name.csv"
    file.write_text("text,label\nROWTEXT-7f3a,yes\n")
    source = keep_upload(store, file, "mine.csv", ANNA)
    mix = ({"source": str(store.folder / "uploads" / ANNA / "0123456789abcdef" / "more.csv"), "share": 0.5},)
    whole = fake_store.setting(source)
    data = whole.data.__class__(**{**whole.data.__dict__, "mix": mix})
    shared_setting = whole.__class__(**{**whole.__dict__, "data": data})
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0, 1), shared=shared_setting, owner=ANNA)
    (failed,) = store.add([fake_store.spec(shared_setting, "dora")], owner=ANNA)
    store.claim(failed)
    store.change_state(failed, "failed", reason=Reason("error", "no label for the text 'ROWTEXT-7f3a'"))
    return compare.comparison(store)


def test_nothing_of_the_rows_and_nothing_of_the_server_is_in_it(store, found, monkeypatch):
    from workbench import example_rows
    from workbench.report_content import gather
    from workbench.report_html import to_html

    voice = example_rows.Voice("a", "LoRA", "low_rank")
    told = example_rows.Example(0, "ROWTEXT-7f3a", ("yes",), "", {"a": example_rows.Said("no", 0.0)}, 1.0)
    monkeypatch.setattr(example_rows, "voices", lambda found: [voice])
    monkeypatch.setattr(example_rows, "examples", lambda *_: [told])
    assert "ROWTEXT-7f3a" in to_html(gather(store, found, owner=ANNA)), "the download has them"
    title, html = shared_html(store, found, ANNA)
    assert title.startswith("mine.csv: ")
    for word in ("ROWTEXT-7f3a", ANNA, str(store.folder), "upload:", "disagree", "<script", " style="):
        assert word not in html, word
    for word in (
        "mine.csv",
        "more.csv",
        "LoRA",
        "It ended with an error.",
        "Shared without the texts of its data",
    ):
        assert word in html, word


def test_nothing_is_shared_before_a_run_has_finished(store, found):
    for run in store.runs(states=("finished",)):
        store.delete(run.id)
    with pytest.raises(ValueError, match="nothing to share yet"):
        shared_html(store, compare.comparison(store), ANNA)


# -- the command line --------------------------------------------------------------------------------------------


def test_the_command_line_lists_and_stops(store, capsys):
    made, other = share(store), share(store, BEN)
    where = ["--store", str(store.folder)]
    assert main(["hosted", "shared", *where]) == 0
    assert made.token in capsys.readouterr().out
    assert main(["hosted", "shared", "--json", *where]) == 0
    assert {one["token"] for one in json.loads(capsys.readouterr().out)} == {made.token, other.token}
    assert main(["hosted", "unshare", made.token, *where]) == 0
    assert shared.shared(store, Limits()) == [other]
    for token in (made.token, "../b"):
        assert main(["hosted", "unshare", token, *where]) == 2
    assert "say the token" in capsys.readouterr().err
