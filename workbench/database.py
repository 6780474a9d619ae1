"""Opens the store's SQLite file and turns SQLite's errors into one plain sentence each (StoreError)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

# WAL shares memory between processes of one machine, so a file that two machines can open would be torn.
NETWORK_FILE_SYSTEMS = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "lustre", "beegfs", "ceph", "glusterfs"),
        *("ocfs2", "gfs2", "gpfs", "orangefs", "ncpfs", "davfs"),
    )
)
# Whatever else comes through FUSE is a bucket or another machine's folder more often than not.
LOCAL_FUSE = frozenset(
    (
        *("fuse.overlayfs", "fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat"),
        *("fuse.encfs", "fuse.gocryptfs", "fuse.bindfs", "fuse.mergerfs", "fuse.virtiofs"),
    )
)


class StoreError(RuntimeError):
    """The store can't be used as it is: one sentence that says why and what to do.

    `code` is disk, busy, newer, corrupt, network, folder or error.
    """

    def __init__(self, message: str, code: str = "error") -> None:
        super().__init__(message)
        self.code = code


def connect(path: Path, timeout: float = 10.0) -> sqlite3.Connection:
    """A connection in autocommit mode: every transaction is begun by hand, as BEGIN IMMEDIATE."""
    db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA journal_size_limit = 67108864")
    return db


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StoreError in place of SQLite's operational errors; a mistake in our SQL stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise explain(error, path) from error
        raise


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT. A deferred BEGIN that turns into a write fails at once, whatever the timeout."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled back by itself after some errors, such as a full disk
            db.execute("ROLLBACK")
        raise


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """What happened to the store file at `path`, in words."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"the disk that holds {path} is full: make room there, then go on", "disk")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"the disk that holds {path} refused a read or write ({error}): check its space and health",
            "disk",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"another process kept the store {path} locked for too long: try again", "busy")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"the store file {path} is damaged ({_finding(path) or error}); it was left as it is:"
            " put a backup in its place, or move it aside to begin a new store",
            "corrupt",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(
            f"the store file {path} can't be opened for writing ({error}): check that its folder exists"
            " and belongs to you, or set WORKBENCH_HOME to another one",
            "folder",
        )
    return StoreError(f"the store {path} answered: {error}")


def _finding(path: Path) -> str:
    """The first line of SQLite's own check, read without ever writing to the file."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0]).splitlines()
    except sqlite3.Error as error:
        return str(error)
    return next((line for line in found if line != "ok" and not line.startswith("***")), "")


def refuse_network_mount(folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """StoreError when `folder` lies on a file system that other machines can write to."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return  # no list of mounts on this system: SQLite's own refusal of WAL remains
    place = folder.resolve()
    inside = [line for line in lines if len(line) > 2 and place.is_relative_to(_unescaped(line[1]))]
    kind = max(inside, key=lambda line: len(_unescaped(line[1])))[2] if inside else ""
    is_bucket = kind.split(".")[0] == "fuse" and kind not in LOCAL_FUSE
    if kind in NETWORK_FILE_SYSTEMS or is_bucket:
        raise no_wal(folder, kind)


def no_wal(folder: Path, kind: str) -> StoreError:
    return StoreError(
        f"the store folder {folder} is on a network or shared mount ({kind}), where several processes can't"
        " safely write: set WORKBENCH_HOME to a folder on a local disk",
        "network",
    )


def _unescaped(mount_point: str) -> str:
    return mount_point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
