"""The doctor's repairs of rows of free text, in the order in which they are applied."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from workbench.data.clean import key, without_html
from workbench.data.diagnosis import Record
from workbench.data.faults import DataError
from workbench.data.records.texts import all_texts, asked_text, change_texts
from workbench.options import unknown_names
from workbench.ratings import is_single

Parts = Mapping[str, Sequence[Record]]
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u0000-\u0008\u000b-\u001f\u007f]")
_CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(f"[\u00c2-\u00f4][\u0080-\u00bf{_CP1252}]{{1,3}}")
# Braces of code and of formulas are no placeholders.
_PLACEHOLDER = re.compile(r"(?<![\\$\w{}\])])\{([A-Za-z_]\w{0,30})\}(?![\w{(\[}])")


def has_mojibake(text: str) -> bool:
    return any(_mended(found.group()) != found.group() for found in _MOJIBAKE.finditer(text))


def without_mojibake(text: str) -> str:
    """UTF-8 that was read as Windows-1252 turned back: `cafÃ©` becomes `café`."""
    return _MOJIBAKE.sub(lambda found: _mended(found.group()), text)


def _mended(run: str) -> str:
    raw = b"".join(c.encode("cp1252", errors="ignore") or c.encode("latin-1", errors="ignore") for c in run)
    for end in range(len(raw), 1, -1):
        try:
            return raw[:end].decode("utf-8") + run[end:]
        except UnicodeDecodeError:
            continue
    return run


def plain_lines(text: str) -> str:
    """Tags and entities out, line breaks kept."""
    return "\n".join(without_html(line) for line in text.split("\n"))


def tidy(text: str) -> str:
    """No blanks around the text or at the ends of its lines, no invisible characters, composed (NFC) letters."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def placeholders_of(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text)) if "{" in text else set()


def filled(text: str, fill: Mapping[str, str]) -> str:
    for name, words in fill.items():
        text = text.replace(f"{{{name}}}", words)
    return text


def is_copy(record: Record) -> bool:
    """Does the completion repeat the prompt?"""
    return key(record.values.get("completion", "")) == key(record.values.get("prompt", "")) != ""


def has_equal_answers(record: Record) -> bool:
    """Are the chosen and the rejected answer the same?"""
    return {"chosen", "rejected"} <= set(record.values) and key(record.values["chosen"]) == key(
        record.values["rejected"]
    )


def _texts_changed(change: Callable[[str], str]) -> Callable[[Parts], dict[str, list[Record]]]:
    def apply(parts: Parts) -> dict[str, list[Record]]:
        return {
            p: [Record(change_texts(r.values, change), r.line) for r in rows] for p, rows in parts.items()
        }

    return apply


def _rows_kept(keep: Callable[[Record], bool]) -> Callable[[Parts], dict[str, list[Record]]]:
    def apply(parts: Parts) -> dict[str, list[Record]]:
        return {p: [r for r in rows if keep(r)] for p, rows in parts.items()}

    return apply


def is_empty(record: Record) -> bool:
    return not all(
        record.values[name].strip()
        for name in ("prompt", "completion", "chosen", "rejected", "text")
        if name in record.values
    )


def likeness(record: Record) -> tuple[str, ...]:
    """Equal for rows that ask and answer the same, but for space and case."""
    names = [name for name in ("completion", "chosen", "rejected") if name in record.values]
    # One answer rated good and the same one rated bad are two things.
    side = names if is_single(record.values) else []
    return (key(asked_text(record.values)), *side, *(key(record.values[name]) for name in names))


def _drop_duplicates(parts: Parts) -> dict[str, list[Record]]:
    found = {}
    for part, rows in parts.items():
        first: dict[tuple[str, ...], Record] = {}
        for row in rows:
            first.setdefault(likeness(row), row)
        found[part] = list(first.values())
    return found


def _drop_overlap(parts: Parts) -> dict[str, list[Record]]:
    """Test rows stay; rows that ask the same leave train and validation, and validation's leave train."""
    found = {part: list(rows) for part, rows in parts.items()}
    seen: set[str] = set()
    for part in ("test", "validation", "train"):
        if part in found:
            found[part] = [row for row in found[part] if key(asked_text(row.values)) not in seen]
            seen |= {key(asked_text(row.values)) for row in found[part]}
    return found


def _as_read(parts: Parts) -> dict[str, list[Record]]:
    return {part: list(rows) for part, rows in parts.items()}


# In the order of application. The first three act while rows are read.
FIXES: Mapping[str, tuple[Callable[[Parts], dict[str, list[Record]]], str]] = {
    "mix_formats": (_as_read, "Read each row by its own format"),
    "merge_turns": (_as_read, "Join turns of one role"),
    "drop_broken": (_as_read, "Drop the rows"),
    "mend_mojibake": (_texts_changed(without_mojibake), "Mend the letters"),
    "strip_html": (_texts_changed(plain_lines), "Strip HTML"),
    "normalise_space": (_texts_changed(tidy), "Tidy white space"),
    "drop_empty": (_rows_kept(lambda row: not is_empty(row)), "Drop the rows"),
    "drop_copies": (_rows_kept(lambda row: not is_copy(row)), "Drop the rows"),
    "drop_equal": (_rows_kept(lambda row: not has_equal_answers(row)), "Drop the pairs"),
    "drop_unfilled": (
        _rows_kept(lambda row: not any(map(placeholders_of, all_texts(row.values)))),
        "Drop the rows",
    ),
    "drop_duplicates": (_drop_duplicates, "Keep the first of each"),
    "drop_overlap": (_drop_overlap, "Drop them from train"),
}


def check_fixes(fixes: Sequence[str]) -> tuple[str, ...]:
    """The fixes once each, in the order in which they are applied."""
    if isinstance(fixes, str):
        raise DataError(f"fixes are a list such as [drop_duplicates], not {fixes!r}", code="fixes")
    if unknown := [fix for fix in fixes if fix not in FIXES]:
        raise DataError(unknown_names("fix", map(str, unknown), FIXES), code="fixes")
    return tuple(sorted(dict.fromkeys(fixes), key=list(FIXES).index))


def apply_fixes(parts: Parts, fixes: Sequence[str]) -> dict[str, list[Record]]:
    found = {part: list(rows) for part, rows in parts.items()}
    for fix in check_fixes(fixes):
        found = FIXES[fix][0](found)
    return found
