"""Everything of one visitor goes: what there is, what still runs, rows made from uploads, records, and the command line."""

import json
import time

import pytest

from tests.real_workers import specs
from tests.test_hosted_contents import SETTING, fill, filled, rating
from tests.test_hosted_store import ANNA, BEN, ended
from tests.ui import fake_store
from workbench import feedback, learners, votes
from workbench.cli import main
from workbench.hosted import housekeeping, owners, removal
from workbench.hosted.removal import NOBODY, Holdings
from workbench.result import ACTIVE_STATES

__all__ = ("fill", "filled")


def running(store, owner):
    """A run at work, as far as the store knows."""
    (run_id,) = store.add(specs(), owner=owner, name="my own words", key=f"{owner}:key")
    store.claim(run_id)
    store.change_state(run_id, "running")
    return run_id


def prepared(store, fingerprint, source, **spec):
    folder = store.folder / "data" / fingerprint
    folder.mkdir(exist_ok=True)
    (folder / "data.json").write_text(json.dumps({"spec": {"source": source, **spec}}))
    return folder


def test_it_is_said_what_there_is_and_what_went(filled):
    votes.add(filled, votes.Vote(SETTING, "Why?", {"a": "one", "b": "two"}, None, owner=ANNA))
    feedback.add(filled, "fa4efa4e", ANNA, rating(2.0))
    everything = Holdings(runs=1, uploads=1, judgements=4, tables=1, lessons=1, shared=1, places=1)
    assert removal.holdings(filled, ANNA) == everything
    of_ben = removal.holdings(filled, BEN)
    assert of_ben == Holdings(uploads=1, judgements=2, tables=1, lessons=1, shared=1)
    assert [word.split()[0] for word in everything.words()] == ["1", "1", "4", "1", "progress", "1", "a"]
    assert removal.forget_owner(filled, ANNA) == everything
    assert removal.holdings(filled, ANNA) == Holdings()
    assert not Holdings()
    assert removal.holdings(filled, BEN) == of_ben
    assert removal.forget_owner(filled, ANNA) == Holdings()


@pytest.mark.parametrize("owner", ["", "own", "stranger", NOBODY, "../" + ANNA, ANNA[:-1], ANNA + "\n"])
def test_only_a_visitor_can_be_forgotten(store, owner):
    kept = ended(store)
    for act in (removal.forget_owner, removal.holdings):
        with pytest.raises(ValueError, match="32 hex digits"):
            act(store, owner)
    assert store.run(kept)


def test_what_runs_is_stopped_and_goes_when_it_has(store):
    gone, going, bens = ended(store, ANNA), running(store, ANNA), running(store, BEN)
    assert removal.forget_owner(store, ANNA) == Holdings(runs=2, active=1)
    assert store.runs(owner=ANNA) == [], "their page is empty at once"
    run = store.run(going)
    assert (run.owner, run.name, run.state, run.cancel_requested) == (NOBODY, "", "running", True)
    assert gone not in store.all_ids()
    assert removal.remove_stopped(store) == 0, "it has not stopped yet"
    (later,) = store.add(specs(), owner=ANNA)
    store.change_state(going, "cancelled")
    assert removal.remove_stopped(store) == 1
    assert not store.run_folder(going).exists()
    assert set(store.all_ids()) == {later, bens}
    assert not store.run(bens).cancel_requested


def test_no_record_of_theirs_is_left(store):
    going = running(store, ANNA)
    (kept,) = store.add([fake_store.spec(fake_store.setting("reviews"), "lora")], owner=BEN, key="ben")
    removal.forget_owner(store, ANNA)
    store.change_state(going, "cancelled")
    removal.remove_stopped(store)
    assert [row[0] for row in store._all("SELECT run_ids FROM submissions")] == [json.dumps([kept])]
    assert [row[0] for row in store._all("SELECT id FROM settings")] == [store.run(kept).spec.setting.id]
    assert store._all("SELECT * FROM events") == []
    assert store.studies() == []


def test_a_page_takes_what_has_stopped_by_itself(store):
    going = running(store, ANNA)
    removal.forget_owner(store, ANNA)
    keeper = housekeeping.Housekeeper(store, every=0.05)
    keeper.start()
    store.change_state(going, "cancelled")
    until = time.monotonic() + 30
    while going in store.all_ids() and time.monotonic() < until:
        time.sleep(0.02)
    keeper.stop()
    assert store.all_ids() == []
    assert keeper.trouble is None


def test_rows_made_from_uploads_go_and_nobody_elses(store, tmp_path):
    from workbench.uploads import keep_upload

    file = tmp_path / "mine.csv"
    file.write_text("text,label\n")
    reference = keep_upload(store, file, "mine.csv", ANNA)
    keep_upload(store, file, "bens.csv", BEN)
    looked = prepared(store, "looked", "mine.csv")
    mixed = prepared(store, "mixed", "reviews", mix=[{"source": reference}])
    public = [prepared(store, "plain", "reviews"), prepared(store, "hub", "somebody/mine.csv")]
    bens = prepared(store, "bens", "bens.csv")
    broken = prepared(store, "broken", "mine.csv") / "data.json"
    broken.write_text("{")
    setting = fake_store.setting("old.csv", "trained")  # its file has been pushed out by newer ones
    (run_id,) = store.add([fake_store.spec(setting, "lora")], owner=ANNA)
    store.claim(run_id)
    trained = prepared(store, "trained", "old.csv")
    (same,) = store.add([fake_store.spec(fake_store.setting("bens.csv", "same"), "lora")], owner=BEN)
    shared_rows = prepared(store, "same", "mine.csv")
    removal.forget_owner(store, ANNA)
    assert not looked.exists()
    assert not mixed.exists()
    assert trained.exists(), "a run that has not stopped still reads it"
    store.change_state(run_id, "cancelled")
    removal.remove_stopped(store)
    assert not trained.exists()
    assert all(place.exists() for place in (*public, bens, broken, shared_rows))
    assert store.all_ids() == [same]


def test_the_command_line_says_first_and_waits_for_what_stops(filled, capsys, monkeypatch):
    where = ["--store", str(filled.folder)]
    fake_store.fill(filled, methods=("lora",), seeds=(0,), running=1, owner=ANNA)  # no process is behind it
    assert main(["hosted", "forget", ANNA, "--dry-run", *where]) == 0
    said = capsys.readouterr()
    assert "2 runs with results" in said.out
    assert "would be removed" in said.err
    assert removal.holdings(filled, ANNA).active == 1
    assert main(["hosted", "forget", ANNA, "--json", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["active"], told["shared"]) == (2, 0, 1)
    assert filled.runs(owner=NOBODY) == []
    assert filled.runs(states=ACTIVE_STATES) == []
    assert learners.progress(filled, BEN)
    assert main(["hosted", "forget", ANNA, *where]) == 0
    assert "nothing of" in capsys.readouterr().err
    for name in ([], ["teacher"], [owners.STRANGER]):
        assert main(["hosted", "forget", *name, *where]) == 2
        assert "32 hex digits" in capsys.readouterr().err


def test_the_command_line_says_what_does_not_stop(store, capsys, monkeypatch):
    monkeypatch.setattr("workbench.cli.hosted_command.STOPPING_SECONDS", 0.0)
    monkeypatch.setattr("workbench.caretaker.Caretaker.see_to", lambda *_: None)
    going = running(store, ANNA)
    assert main(["hosted", "forget", ANNA, "--store", str(store.folder)]) == 0
    assert "1 runs are stopping still" in capsys.readouterr().err
    assert store.run(going).cancel_requested
