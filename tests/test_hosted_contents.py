"""A store comes back whole: every file that any code keeps in its folder is in a snapshot, or is named as left out."""

import ast
import contextlib
import importlib
import os
import re
import time
from pathlib import Path

import pytest

import workbench
from tests.test_hosted_store import ANNA, BEN, ended, made_old
from workbench import feedback, learners, prompt_sets, uploads, votes, workshop
from workbench.hosted import (
    Limits,
    accounts,
    cleanup,
    contents,
    housekeeping,
    owners,
    removal,
    shared,
    snapshot,
)
from workbench.lease import Lease
from workbench.store import Store

SOURCE = Path(workbench.__file__).parent
FOLDER = re.compile(r"(?:.*\b)?(?:store\.folder\)?|store_folder|default_store\(\))")
SETTING = "ab12cd34"


def vote(owner, setting=SETTING):
    return votes.Vote(setting, "Why?", {"a": "one", "b": "two"}, "a", owner=owner)


def rating(at=1.0):
    said = (feedback.Said("one", "a"), feedback.Said("two", "b"))
    return feedback.Rating(feedback.Pair("Why?", *said), "first", at)


def fill(store, tmp_path):
    """Something by everybody who keeps anything in a store."""
    run_id = ended(store, ANNA)
    fingerprint = store.run(run_id).spec.setting.data.fingerprint or "fa4e"
    (store.folder / "data" / fingerprint).mkdir()
    (store.folder / "data" / fingerprint / "train.jsonl").write_text("{}\n")
    file = tmp_path / "mine.csv"
    file.write_text("text,label\ngood,yes\n")
    for owner in (ANNA, BEN):
        uploads.keep_upload(store, file, "mine.csv", owner)
        feedback.add(store, "fa4efa4e", owner, rating())
        votes.add(store, vote(owner))
        prompt_sets.keep(store, SETTING, "mine", {"rows": []}, owner)
        learners.predict(store, owner, "lesson-1", 2)
        learners.answer(store, owner, "lesson-1", 0, 1)
        shared.share(store, owner, f"<p>{owner}</p>", "Mine", Limits())
    owners.signing_keys(store.folder)
    accounts.set_password(store.folder, "teacher", "correct horse")
    (store.folder / "hosted.toml").write_text("runs = 3\n")
    (store.folder / "runner.lock").touch()
    with Lease(store.folder / "lease").exclusive(1):
        pass
    (store.folder / "cache").mkdir()
    (store.folder / "cache" / "machine-0.json").write_text("{}")


@pytest.fixture
def filled(store, tmp_path, monkeypatch):
    monkeypatch.setenv(workshop.ENVIRONMENT, "FABLE-8")
    fill(store, tmp_path)
    workshop.join(store, ANNA, "FABLE-8", "Ada")
    return store


def named_in(path):
    """Names that this file puts behind a store's folder: (line, name)."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text if "store" in text else "")
    lists = {
        loop.target.id: ast.literal_eval(loop.iter)
        for loop in ast.walk(tree)
        if isinstance(loop, ast.comprehension) and isinstance(loop.iter, ast.Tuple) and _is_plain(loop.iter)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
            continue
        if not isinstance(node.left, ast.Attribute | ast.Name | ast.Call):
            continue
        left = ast.unparse(node.left)
        if not FOLDER.fullmatch(left) and not (path.name == "store_connection.py" and left == "self.folder"):
            continue
        for name in _values(node.right, path, lists):
            yield node.lineno, name


def _is_plain(node):
    return all(isinstance(one, ast.Constant) for one in node.elts)


def _values(node, path, lists):
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.Name) and node.id in lists:
        return list(lists[node.id])
    module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    found = getattr(importlib.import_module(module), ast.unparse(node), None)
    assert isinstance(found, str), f"{path}:{node.lineno}: what is kept there? {ast.unparse(node)}"
    return [found]


def test_every_name_in_the_source_is_kept_or_left_out():
    # These two go through the list itself.
    files = [path for path in SOURCE.rglob("*.py") if path.name not in ("snapshot.py", "contents.py")]
    found = {name: f"{path}:{line}" for path in files for line, name in named_in(path)}
    assert {"runs", "votes", "cache", "lease", "learners.sqlite", "secret", "shared"} <= set(found)
    for name, place in found.items():
        try:
            contents.is_kept(name)
        except KeyError:
            pytest.fail(
                f"{place} keeps {name!r} in a store: say in hosted/contents.py whether a snapshot holds it"
            )
    listed = {*contents.DATABASES, *contents.FILES, *contents.FOLDERS, *contents.LEFT_OUT}
    assert listed <= set(found), "what nobody keeps any more is not listed"


def test_a_name_that_nobody_knows_is_noticed(tmp_path):
    (tmp_path / "new.py").write_text("def keep(store):\n    return store.folder / 'diaries' / 'one'\n")
    assert list(named_in(tmp_path / "new.py")) == [(2, "diaries")]
    with pytest.raises(KeyError):
        contents.is_kept("diaries")


def test_everything_that_is_kept_comes_back(filled, tmp_path):
    there = {one.name for one in filled.folder.iterdir()}
    kept = {name for name in there if contents.is_kept(name)}
    assert kept == {*contents.DATABASES, *contents.FILES, *contents.FOLDERS}
    assert {"cache", "lease", "runner.lock"} <= there - kept
    # Somebody reads a lesson meanwhile: what was said last is in the log beside the file.
    with learners.opened(filled) as db:
        learners.predict(filled, BEN, "lesson-2", 1)
        assert db.execute("SELECT COUNT(*) FROM predictions").fetchone() == (3,)
        assert (filled.folder / "learners.sqlite-wal").stat().st_size
        snapshot.write_snapshot(filled, tmp_path / "copy.tar")
    snapshot.restore_snapshot(tmp_path / "copy.tar", tmp_path / "new")
    back = Store(tmp_path / "new")
    assert {one.name for one in back.folder.iterdir() if contents.is_kept(one.name)} == kept
    assert not (back.folder / "cache").exists()
    for name, path in contents.plain_files(filled.folder):
        assert (back.folder / name).read_bytes() == path.read_bytes(), name
    assert learners.progress(back, BEN) == learners.progress(filled, BEN)
    assert set(learners.progress(back, BEN)) == {"lesson-1", "lesson-2"}
    assert [one.nickname for one in workshop.participants(back)] == ["Ada"]
    with learners.opened(back) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert votes.votes(back, SETTING) == votes.votes(filled, SETTING)
    (mine,) = shared.shared(back, Limits(), ANNA)
    assert shared.read(back, mine.token, Limits()) == f"<p>{ANNA}</p>".encode()


def test_what_is_old_stays_old(filled, tmp_path):
    """Uploads go by their age: a server that comes back from its copy each day would keep them for ever."""
    (place,) = (filled.folder / "uploads" / ANNA).iterdir()
    for path in (*place.iterdir(), place):
        made_old(path, 30)
    snapshot.write_snapshot(filled, tmp_path / "copy.tar")
    snapshot.restore_snapshot(tmp_path / "copy.tar", tmp_path / "new")
    swept = cleanup.clean(Store(tmp_path / "new"), keep_days=14)
    assert swept.uploads == (f"uploads/{ANNA}/{place.name}",)


def test_a_file_that_grows_while_it_is_copied_is_whole_up_to_there(filled, tmp_path, monkeypatch):
    path = filled.folder / "votes" / f"{SETTING}.jsonl"
    before = path.read_bytes()
    digest = snapshot._digest

    def grown(content, size):
        if content.name == str(path):
            votes.add(filled, vote(BEN))
        return digest(content, size)

    monkeypatch.setattr(snapshot, "_digest", grown)
    snapshot.write_snapshot(filled, tmp_path / "copy.tar")
    snapshot.restore_snapshot(tmp_path / "copy.tar", tmp_path / "new")
    assert (tmp_path / "new" / "votes" / path.name).read_bytes() == before


@pytest.mark.parametrize("change", ["vote", "answer", "share", "nothing"])
def test_the_page_copies_its_store_when_anything_was_kept(change, filled, tmp_path, own_home):
    file = tmp_path / "copy.tar"
    (own_home / "hosted.toml").write_text(f"snapshot_file = '{file}'\n")
    keeper = housekeeping.Housekeeper(filled)
    keeper._copy()
    before = file.stat().st_ino, file.stat().st_mtime_ns
    with contextlib.suppress(KeyError):
        {
            "vote": lambda: votes.add(filled, vote(ANNA)),
            "answer": lambda: learners.answer(filled, ANNA, "lesson-1", 1, 0),
            "share": lambda: shared.share(filled, ANNA, "<p>more</p>", "More", Limits()),
        }[change]()
    learners.progress(filled, ANNA)
    keeper._copy()
    assert ((file.stat().st_ino, file.stat().st_mtime_ns) == before) == (change == "nothing")


def test_everything_of_a_visitor_goes_and_nothing_of_anybody_else(filled):
    removal.forget_owner(filled, ANNA)
    assert [one.owner for one in votes.votes(filled, SETTING)] == [BEN]
    assert [one["owner"] for one in prompt_sets.kept(filled, SETTING)] == [BEN]
    assert learners.progress(filled, ANNA) == {}
    assert workshop.participants(filled) == []
    assert learners.progress(filled, BEN)["lesson-1"].answers == {0: 1}
    assert [one.owner for one in shared.shared(filled, Limits())] == [BEN]
    found = [str(path) for path in filled.folder.rglob("*") if ANNA in str(path)]
    assert found == []
    for name, path in contents.plain_files(filled.folder):
        assert ANNA.encode() not in path.read_bytes(), name
    removal.forget_owner(filled, BEN)
    assert votes.votes(filled, SETTING) == []
    assert not (filled.folder / "votes" / f"{SETTING}.jsonl").exists()


def test_old_votes_and_answers_go_with_the_last_run_of_their_setting(filled):
    live = filled.runs()[0].spec.setting.id
    votes.add(filled, vote(ANNA, live))
    prompt_sets.keep(filled, live, "mine", {"rows": []}, ANNA)
    old = [filled.folder / "votes" / f"{SETTING}.jsonl", filled.folder / "prompt_sets" / SETTING]
    young = [filled.folder / "votes" / f"{live}.jsonl", filled.folder / "prompt_sets" / live]
    assert not cleanup.clean(filled, keep_days=1).orphans, "younger than that"
    for path in (*old, *young):
        os.utime(path, (time.time() - 10 * 24 * 3600,) * 2)
    assert not cleanup.clean(filled, keep_days=0).orphans
    swept = cleanup.clean(filled, keep_days=1)
    assert set(swept.orphans) == {f"votes/{SETTING}.jsonl", f"prompt_sets/{SETTING}"}
    assert [path.exists() for path in (*old, *young)] == [False, False, True, True]
