"""How much data is taken in: a hosted page takes less. Everything that opens a file checks against these."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench import home
from workbench.data.faults import DataError, count_of

MEGABYTE = 1_000_000


def _file_bytes() -> int:
    if not home.is_hosted():
        return 200 * MEGABYTE
    from workbench.hosted.limits import load_limits

    return load_limits().upload_megabytes * MEGABYTE


@dataclass(frozen=True)
class Limits:
    """`bytes` caps a file as given, `unpacked_bytes` what comes out of an archive or a Parquet file, `ratio` the one
    against the other (above 10 MB), `entries` the files in an archive, `cell` the characters in one cell."""

    bytes: int = field(default_factory=_file_bytes)
    unpacked_bytes: int = field(default_factory=lambda: 4 * _file_bytes())
    ratio: int = 200
    entries: int = 1000
    rows: int = 1_000_000
    columns: int = 500
    cell: int = 100_000

    def check_size(self, name: str, size: int) -> None:
        if size > self.bytes:
            raise DataError(
                f"{name} has {size / MEGABYTE:,.1f} MB; at most {self.bytes / MEGABYTE:,.6g} MB are taken:"
                " give a smaller part of it",
                code="too_large",
            )

    def check_unpacked(self, name: str, packed: int, unpacked: int) -> None:
        """Refuses an archive bomb: by its size, or by a ratio that no text reaches."""
        bomb = unpacked > 10 * MEGABYTE and unpacked > self.ratio * max(packed, 1)
        if bomb or unpacked > self.unpacked_bytes:
            raise DataError(
                f"{name} unpacks to more than is taken (at most {self.unpacked_bytes / MEGABYTE:,.6g} MB and"
                f" {self.ratio} times its packed size): give a smaller part of it",
                code="too_large",
            )

    def check_shape(self, name: str, rows: int, columns: int) -> None:
        if rows > self.rows:
            raise DataError(
                f"{name} has {count_of(rows, 'row')} or more; at most {self.rows:,} are taken: give a part of it",
                code="too_large",
            )
        if columns > self.columns:
            raise DataError(
                f"{name} has {count_of(columns, 'column')}; at most {self.columns:,} are taken:"
                " keep the text and the label",
                code="too_large",
            )
