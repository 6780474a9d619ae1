"""A copy of a whole store in one file, and a store from such a copy: for servers whose disk does not last.

The file may lie on a network mount or in a bucket; the live database may not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from workbench import __version__
from workbench.database import explained, refuse_network_mount, transaction
from workbench.hosted.contents import DATABASE, DATABASES, FILES, FOLDERS, plain_files
from workbench.result import ACTIVE_STATES

if TYPE_CHECKING:
    from workbench.store import Store

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Snapshot:
    """What a file holds."""

    made_at: float
    version: str
    runs: int
    files: int
    bytes: int

    def sentence(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.made_at))
        return f"{self.runs:,} runs in {self.files:,} files, {self.bytes / 1e6:,.1f} MB, copied {when} by version {self.version}"


def write_snapshot(store: Store, path: Path) -> Snapshot:
    """Copy the store while it is in use. Runs under way are in it without their files: they come back as lost.

    The file takes the place of an older one only when it is whole, and is for its owner's eyes only: it holds the
    visitors' data and the key that signs their cookies.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            made = _fill(store, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise ValueError(f"the snapshot {path} can't be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return made


def restore_snapshot(path: Path, folder: Path, *, replace: bool = False) -> Snapshot:
    """Make the store `folder` from a snapshot. One that holds runs is moved aside with `replace`, and refused without.

    ValueError where the file is no whole snapshot: the folder is then as it was.
    """
    path, folder = Path(path), Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    refuse_network_mount(folder.parent if not folder.exists() else folder)
    if holds_runs(folder) and not replace:
        raise ValueError(
            f"the store {folder} holds runs already: name another with --store, or say --replace to move it aside"
        )
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.restored")
    try:
        fresh.mkdir(mode=0o700)
        with _opened(path) as archive:
            found = _unpack(archive, fresh, path)
        for name in DATABASES:
            _check_database(fresh / name, path)
        if folder.exists():
            _move_aside(folder)
        os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return found


def read_snapshot(path: Path) -> Snapshot:
    """What a file says of itself, nothing unpacked."""
    with _opened(path) as archive:
        for member in archive:
            if member.name == MANIFEST:
                return _about(_manifest(archive, member, path))
    raise _no_snapshot(path, "it has no manifest")


def holds_runs(folder: Path) -> bool:
    """Whether a store is there that somebody has used."""
    file = folder / DATABASE
    if not file.is_file():
        return False
    with explained(file), contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        try:
            return db.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError:
            return True  # something else, which is not ours to overwrite


def _fill(store: Store, file: IO[bytes]) -> Snapshot:
    digests: dict[str, str] = {}
    total = 0
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(fileobj=file, mode="w") as archive:
        copies = [(name, Path(scratch) / name) for name in DATABASES if (store.folder / name).is_file()]
        for name, copy in copies:
            _copy_database(store.folder / name, copy)
        runs, busy = _lose_active(Path(scratch) / DATABASE)
        for name, source in [*copies, *plain_files(store.folder, busy)]:
            content = _content(source)
            if content is None:
                continue
            with content:
                member = tarfile.TarInfo(name)
                found = os.fstat(content.fileno())
                member.size, member.mode, member.mtime = found.st_size, 0o600, int(found.st_mtime)
                digests[name] = _digest(content, member.size)
                content.seek(0)
                archive.addfile(member, content)
                total += member.size
        made = Snapshot(time.time(), __version__, runs, len(digests), total)
        values = {"format": FORMAT, **made.__dict__, "sha256": digests}
        text = json.dumps(values, indent=1).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size, member.mode = len(text), 0o600
        archive.addfile(member, io.BytesIO(text))
    return made


def _copy_database(file: Path, copy: Path) -> None:
    """Through SQLite, for the bare file lacks its write-ahead log; the copy has none."""
    with (
        explained(file),
        contextlib.closing(sqlite3.connect(file)) as live,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        live.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


def _lose_active(copy: Path) -> tuple[int, set[str]]:
    """Runs under way are lost in the copy. Returns how many runs there are and who was at work."""
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
        busy = {row[0] for row in db.execute(f"SELECT id FROM runs WHERE state IN {ACTIVE_STATES[1:]}")}
        with transaction(db):
            db.execute(
                "UPDATE runs SET state = 'lost', ended_at = ?, pid = NULL, pid_start = NULL, boot_id = NULL,"
                " reason_code = 'lost', reason_message = 'The store was copied while this run was going. Resume or retry it.'"
                f" WHERE state IN {ACTIVE_STATES[1:]}",
                (time.time(),),
            )
        return db.execute("SELECT COUNT(*) FROM runs").fetchone()[0], busy


def _content(path: Path) -> io.BufferedReader | None:
    """An open file; None when it went meanwhile."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _digest(content: IO[bytes], size: int) -> str:
    """Of as much as goes into the file: whatever is appended meanwhile does not."""
    said, left = hashlib.sha256(), size
    while left and (block := content.read(min(left, 1 << 20))):
        said.update(block)
        left -= len(block)
    return said.hexdigest()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  closed below
    except FileNotFoundError:
        raise ValueError(f"there is no snapshot {path}") from None
    except (tarfile.TarError, OSError) as error:
        raise _no_snapshot(path, str(error)) from None
    with archive:
        try:
            yield archive
        except tarfile.TarError as error:
            raise _no_snapshot(path, str(error)) from None


def _unpack(archive: tarfile.TarFile, folder: Path, path: Path) -> Snapshot:
    """Plain files in the places that a store has, and nowhere else; every one as the manifest knows it."""
    digests: dict[str, str] = {}
    newest: dict[Path, float] = {}
    for member in archive:
        if member.name == MANIFEST:
            manifest = _manifest(archive, member, path)
            if manifest["sha256"] != digests:
                raise _no_snapshot(path, "its files are not those of its manifest")
            for place, then in newest.items():
                os.utime(place, (then, then))
            return _about(manifest)
        target = folder / _place(member, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = archive.extractfile(member)
        assert source is not None
        with source, open(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            shutil.copyfileobj(source, file)
            file.seek(0)
            digests[member.name] = hashlib.file_digest(file, "sha256").hexdigest()
        # Old files go by their time, and a folder's is that of the newest in it.
        then = min(max(float(member.mtime), 0.0), time.time())
        os.utime(target, (then, then))
        newest[target.parent] = max(then, newest.get(target.parent, 0.0))
    raise _no_snapshot(path, "it ends before its manifest")


def _place(member: tarfile.TarInfo, path: Path) -> PurePosixPath:
    name = PurePosixPath(member.name)
    first = name.parts[0] if name.parts else ""
    known = first in FOLDERS if len(name.parts) > 1 else first in (*DATABASES, *FILES)
    if not member.isfile() or not known or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise _no_snapshot(path, f"{member.name!r:.80} does not belong into a store")
    return name


def _manifest(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> dict[str, Any]:
    source = archive.extractfile(member)
    try:
        values = json.loads(source.read(64_000_000)) if source else None
    except ValueError:
        values = None
    if (
        not isinstance(values, dict)
        or values.get("format") != FORMAT
        or not isinstance(values.get("sha256"), dict)
    ):
        raise _no_snapshot(path, "its manifest can't be read by this version")
    return values


def _about(manifest: dict[str, Any]) -> Snapshot:
    return Snapshot(**{name: manifest[name] for name in Snapshot.__dataclass_fields__})


def _check_database(file: Path, path: Path) -> None:
    """Whole, and with a write-ahead log again: nobody else has it open yet."""
    if file.name != DATABASE and not file.exists():
        return  # only the store's own is in every snapshot
    with contextlib.closing(sqlite3.connect(file)) as db:
        try:
            answer = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.DatabaseError as error:
            answer = str(error)
    if answer != "ok":
        raise _no_snapshot(path, f"its database is damaged ({answer})")


def _move_aside(folder: Path) -> None:
    if any(folder.iterdir()):
        os.replace(folder, folder.with_name(f"{folder.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"))
    else:
        folder.rmdir()


def _no_snapshot(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path} is no whole snapshot of a store: {why}; make one with `workbench snapshot FILE`"
    )
