"""What is kept of a hosted store: shares of the disk, clean-up, snapshots, accounts, and the refusal of network mounts."""

import dataclasses
import io
import json
import os
import sqlite3
import tarfile
import time

import pytest

from tests.real_workers import specs
from workbench import uploads
from workbench.cli import main
from workbench.database import StoreError, refuse_network_mount
from workbench.hosted import Limits, accounts, cleanup, housekeeping, removal, room, snapshot
from workbench.result import Reason, Result
from workbench.store import Store

ANNA, BEN = "a" * 32, "b" * 32
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def measured_anew():
    room.forget()


def ended(store, owner="", days=0.0, size=1000, model=None):
    """A finished run of some days ago with a file."""
    (spec,) = specs()
    if model:
        spec = dataclasses.replace(spec, setting=dataclasses.replace(spec.setting, model=model))
    (run_id,) = store.add([spec], owner=owner)
    store.claim(run_id)
    store.change_state(run_id, "finished", result=Result())
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE runs SET ended_at = ended_at - ? WHERE id = ?", (days * DAY, run_id))
    folder = store.run_folder(run_id)
    folder.mkdir()
    (folder / "adapter.safetensors").write_bytes(b"x" * size)
    return run_id


def made_old(path, days=30):
    then = time.time() - days * DAY
    os.utime(path, (then, then))


# -- shares of the disk ------------------------------------------------------------------------------------------


def test_each_visitor_has_a_share_and_the_page_as_a_whole_too(store):
    ended(store, ANNA, size=3_000_000)
    ended(store, BEN, size=100)
    assert room.bytes_of(store, ANNA) == 3_000_000
    assert room.bytes_of(store, BEN) == 100
    room.check(store, BEN, Limits(store_megabytes=2))
    with pytest.raises(
        ValueError, match="take 3 MB, and this shared page keeps 2 MB for a visitor: delete runs"
    ):
        room.check(store, ANNA, Limits(store_megabytes=2))
    with pytest.raises(ValueError, match="keeps 2 MB for all its visitors"):
        room.check(store, BEN, Limits(store_all_megabytes=2))
    with pytest.raises(ValueError, match="for a visitor"):
        room.check(store, BEN, Limits(store_megabytes=2), more=2_000_000)


def test_links_lead_nowhere_when_sizes_are_taken(store, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 10_000)
    folder = store.folder / "uploads" / ANNA
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "large")
    (folder / "all").symlink_to("/")
    assert room.bytes_of(store, ANNA) < 1000


def test_an_upload_beyond_the_share_is_refused(store, tmp_path, monkeypatch, own_home):
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    (own_home / "hosted.toml").write_text("upload_megabytes = 2\nstore_megabytes = 3\n")
    file = tmp_path / "given"
    file.write_bytes(b"x" * 1_800_000)
    assert uploads.keep_upload(store, file, "a.csv", ANNA)
    with pytest.raises(ValueError, match="keeps 3 MB for a visitor"):
        uploads.keep_upload(store, file, "b.csv", ANNA)
    assert uploads.keep_upload(store, file, "b.csv", BEN)
    file.write_bytes(b"x" * 2_100_000)
    with pytest.raises(ValueError, match="files of at most 2 MB"):
        uploads.keep_upload(store, file, "c.csv", BEN)
    with pytest.raises(ValueError, match="allow cookies"):
        uploads.keep_upload(store, file, "c.csv", "stranger")


# -- clean-up ----------------------------------------------------------------------------------------------------


def test_what_is_old_or_nobodys_goes_and_the_rest_stays(store):
    old, new = ended(store, ANNA, days=15), ended(store, ANNA, days=13)
    used = store.run(new).spec.setting.data.fingerprint
    for name in (used, "unused0", "unused1"):
        (store.folder / "data" / name).mkdir()
        made_old(store.folder / "data" / name)
    (store.folder / "data" / "justnow").mkdir()
    for name, days in (("1" * 16, 15), ("2" * 16, 1)):
        place = store.folder / "uploads" / ANNA / name
        place.mkdir(parents=True)
        (place / "mine.csv").write_text("text,label\n")
        made_old(place, days)
    orphan = store.folder / "runs" / "0123456789abcdef"
    orphan.mkdir()
    made_old(orphan, 1)
    look = cleanup.clean(store, keep_days=14, dry_run=True)
    assert store.run(old), "a dry run removes nothing"
    swept = cleanup.clean(store, keep_days=14)
    assert swept == look
    assert swept.runs == (old,)
    assert swept.uploads == (f"uploads/{ANNA}/{'1' * 16}",)
    assert sorted(swept.data) == ["data/unused0", "data/unused1"]
    assert swept.orphans == ("runs/0123456789abcdef",)
    assert [run.id for run in store.runs()] == [new]
    assert {one.name for one in (store.folder / "data").iterdir()} == {used, "justnow"}
    assert not store.run_folder(old).exists()
    assert store.run_folder(new).exists()
    assert cleanup.clean(store, keep_days=14).bytes == 0


def test_a_run_that_others_go_on_from_or_that_still_goes_stays(store):
    base = ended(store, days=99)
    (spec,) = specs()
    store.add([dataclasses.replace(spec, setting=dataclasses.replace(spec.setting, model=f"run:{base}"))])
    cleanup.clean(store, keep_days=1)
    assert len(store.runs()) == 2


def test_nothing_goes_for_its_age_where_everything_is_kept(store):
    ended(store, days=9999)
    assert cleanup.clean(store, keep_days=0).runs == ()


def test_unused_rows_make_room_before_their_time(store):
    for number in range(3):
        place = store.folder / "data" / f"unused{number}"
        place.mkdir()
        (place / "train.jsonl").write_bytes(b"x" * 1_000_000)
        made_old(place, days=0.1 * (number + 1))
    limit = Limits(store_all_megabytes=2)
    assert cleanup.make_room(store, limit) > 0
    assert [one.name for one in (store.folder / "data").iterdir()] == ["unused0"]


def test_everything_of_one_visitor_can_go(store, tmp_path):
    gone, kept = ended(store, ANNA), ended(store, BEN)
    file = tmp_path / "f.csv"
    file.write_text("x")
    uploads.keep_upload(store, file, "f.csv", ANNA)
    (waiting,) = store.add(specs(), owner=ANNA)
    assert removal.forget_owner(store, ANNA) == removal.Holdings(runs=2, uploads=1)
    assert [run.id for run in store.runs()] == [kept]
    assert gone != waiting
    assert room.bytes_of(store, ANNA) == 0


# -- snapshots ---------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(store, tmp_path):
    """A store with an ended, a waiting and a running run, an upload and a key."""
    ended(store, ANNA)
    store.add(specs(), owner=BEN)
    (running,) = store.add(specs(), owner=ANNA)
    store.claim(running)
    store.change_state(running, "running")
    store.run_folder(running).mkdir()
    (store.run_folder(running) / "worker.log").write_text("half a line")
    (store.folder / "secret").write_text("k" * 64)
    file = tmp_path / "mine.csv"
    file.write_text("text,label\ngood,yes\n")
    uploads.keep_upload(store, file, "mine.csv", ANNA)
    return store


def test_a_store_comes_back_from_its_snapshot(filled, tmp_path):
    file = tmp_path / "copy.tar"
    made = snapshot.write_snapshot(filled, file)
    assert (made.runs, os.stat(file).st_mode & 0o077) == (3, 0)
    assert snapshot.read_snapshot(file) == made
    assert snapshot.restore_snapshot(file, tmp_path / "new") == made
    back = Store(tmp_path / "new")
    states = {run.state: run for run in back.runs()}
    assert set(states) == {"finished", "queued", "lost"}
    assert "Resume or retry" in states["lost"].reason.message
    assert (back.run_folder(states["finished"].id) / "adapter.safetensors").read_bytes() == b"x" * 1000
    assert (back.folder / "secret").read_text() == "k" * 64
    assert os.stat(back.folder / "secret").st_mode & 0o077 == 0
    (kept,) = uploads.kept_uploads(back, ANNA)
    assert uploads.located(back, kept[1], ANNA)
    assert {run.state for run in filled.runs()} == {"finished", "queued", "running"}, (
        "the live one is as it was"
    )


def test_a_store_with_runs_is_not_overwritten(filled, tmp_path):
    file, folder = tmp_path / "copy.tar", tmp_path / "other"
    snapshot.write_snapshot(filled, file)
    ended(Store(folder))
    before = [run.id for run in Store(folder).runs()]
    with pytest.raises(ValueError, match=r"holds runs already.*--replace"):
        snapshot.restore_snapshot(file, folder)
    assert [run.id for run in Store(folder).runs()] == before
    snapshot.restore_snapshot(file, folder, replace=True)
    assert len(Store(folder).runs()) == 3
    (aside,) = tmp_path.glob("other.before-*")
    assert [run.id for run in Store(aside).runs()] == before


def forged(path, *members, manifest=True):
    """A snapshot with members of one's own."""
    with tarfile.open(path, "w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if manifest:
            values = {
                "format": 1,
                "made_at": 0,
                "version": "0",
                "runs": 0,
                "files": 0,
                "bytes": 0,
                "sha256": {},
            }
            text = json.dumps(values).encode()
            info = tarfile.TarInfo("manifest.json")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return path


def link(name, to):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, to
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("runs/../../outside"),
        tarfile.TarInfo("/tmp/outside"),
        tarfile.TarInfo("runs\\..\\outside"),
        tarfile.TarInfo("elsewhere/file"),
        link("runs/out", "/etc"),
        link("secret", "/etc/passwd"),
    ],
    ids=lambda member: member.name,
)
def test_a_forged_snapshot_writes_nothing(member, tmp_path):
    file = forged(tmp_path / "forged.tar", (member, b""))
    with pytest.raises(ValueError, match="does not belong into a store"):
        snapshot.restore_snapshot(file, tmp_path / "new")
    assert {one.name for one in tmp_path.iterdir()} == {"forged.tar"}


def test_a_torn_or_altered_snapshot_is_refused(filled, tmp_path):
    file = tmp_path / "copy.tar"
    snapshot.write_snapshot(filled, file)
    whole = file.read_bytes()
    for name, content, sentence in (
        ("torn", whole[: len(whole) // 2], "no whole snapshot"),
        ("altered", whole.replace(b"good,yes", b"good,no "), "not those of its manifest"),
        ("empty", b"", "no whole snapshot"),
        ("text", b"hello", "no whole snapshot"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            snapshot.restore_snapshot(tmp_path / name, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match="there is no snapshot"):
        snapshot.restore_snapshot(tmp_path / "none", tmp_path / "new")


def test_the_page_copies_its_store_and_an_empty_one_comes_back(filled, tmp_path, own_home):
    file = tmp_path / "bucket" / "copy.tar"
    (own_home / "hosted.toml").write_text(f"snapshot_file = '{file}'\n")
    keeper = housekeeping.Housekeeper(filled)
    keeper._copy()
    stamp = file.stat().st_mtime_ns
    keeper._copy()
    assert file.stat().st_mtime_ns == stamp, "nothing has changed"
    assert "3 runs" in housekeeping.bring_back(tmp_path / "fresh")
    assert len(Store(tmp_path / "fresh").runs()) == 3
    assert housekeeping.bring_back(tmp_path / "fresh") is None, "a store with runs stays as it is"


def test_housekeeping_that_fails_says_so_and_tries_again(store, monkeypatch, tmp_path):
    keeper = housekeeping.Housekeeper(store)
    monkeypatch.setattr(housekeeping, "clean", lambda *a, **k: 1 / 0)
    keeper._guarded(keeper.round)
    assert "ZeroDivisionError" in keeper.trouble
    monkeypatch.undo()
    keeper._guarded(keeper.round)
    assert keeper.trouble is None


def test_the_command_line_copies_restores_and_cleans(filled, tmp_path, capsys):
    folder, file = str(filled.folder), str(tmp_path / "copy.tar")
    assert main(["snapshot", file, "--store", folder]) == 0
    assert main(["restore", file, "--store", folder]) == 2
    assert "--replace" in capsys.readouterr().err
    assert main(["restore", file, "--store", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 3
    assert main(["clean", "--days", "1", "--dry-run", "--store", folder]) == 0
    assert "Would remove 0 runs" in capsys.readouterr().out
    assert main(["hosted", "rotate-key", "--store", folder]) == 0
    assert main(["hosted", "limits", "--store", folder]) == 0
    assert "hosted.toml" in capsys.readouterr().out


# -- network mounts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "refused"),
    [("nfs4", True), ("fuse.hf-mount", True), ("fuse", True), ("fuse.rclone", True), ("cifs", True), ("ext4", False),
     ("overlay", False), ("tmpfs", False), ("fuseblk", False), ("fuse.fuse-overlayfs", False)],
)  # fmt: skip
def test_a_live_database_on_a_network_mount_is_refused(kind, refused, tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nbucket {tmp_path}/data {kind} rw 0 0\n")
    if not refused:
        refuse_network_mount(tmp_path / "data" / "store", mounts)
        return
    with pytest.raises(
        StoreError, match=f"network or shared mount.*{kind}.*WORKBENCH_HOME to a folder on a local disk"
    ):
        refuse_network_mount(tmp_path / "data" / "store", mounts)
    refuse_network_mount(tmp_path / "elsewhere", mounts)


# -- accounts ----------------------------------------------------------------------------------------------------


def test_passwords_are_hashed_and_changed(tmp_path):
    assert not accounts.has_accounts(tmp_path)
    accounts.set_password(tmp_path, "teacher", "correct horse")
    accounts.set_password(tmp_path, "anna", "battery staple")
    assert accounts.has_accounts(tmp_path)
    assert "correct" not in (tmp_path / "accounts").read_text()
    assert os.stat(tmp_path / "accounts").st_mode & 0o077 == 0
    assert accounts.is_password(tmp_path, "teacher", "correct horse")
    assert not accounts.is_password(tmp_path, "teacher", "battery staple")
    assert not accounts.is_password(tmp_path, "nobody", "")
    accounts.set_password(tmp_path, "teacher", "another horse")
    assert not accounts.is_password(tmp_path, "teacher", "correct horse")
    assert accounts.is_password(tmp_path, "anna", "battery staple")
    for name, password, sentence in (("a:b", "long enough", "a name has"), ("a", "short", "at least 8")):
        with pytest.raises(ValueError, match=sentence):
            accounts.set_password(tmp_path, name, password)


def test_a_run_that_was_lost_by_the_copy_can_be_tried_again(filled, tmp_path):
    snapshot.write_snapshot(filled, tmp_path / "copy.tar")
    snapshot.restore_snapshot(tmp_path / "copy.tar", tmp_path / "new")
    back = Store(tmp_path / "new")
    (lost,) = back.runs(states=("lost",))
    assert back.queue_again(lost.id)
    assert back.change_state(lost.id, "failed", reason=Reason("error", "x"))
