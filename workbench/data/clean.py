"""The doctor's repairs: pure functions from rows to rows, known by ids that a data spec records."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from workbench.data.faults import DataError
from workbench.options import unknown_names


class Row(NamedTuple):
    """One example and its place in the file it came from."""

    text: str
    label: str
    line: int = 0


Parts = Mapping[str, Sequence[Row]]
_TAGS = (
    "a|abbr|article|b|big|blockquote|body|br|center|code|dd|div|dl|dt|em|font|footer|form|h[1-6]|head|header|hr|html|"
    "i|iframe|img|input|li|link|meta|nav|ol|option|p|pre|q|s|script|section|small|span|strike|strong|style|sub|sup|"
    "table|tbody|td|tfoot|th|thead|tr|tt|u|ul|video"
)
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b[^<>]{0,500}>[^<]{0,5000}</\1\s*>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u0000-\u0008\u000e-\u001f\u007f]")
_WHOLE = re.compile(r"([-+]?\d+)\.0+\Z")


def key(text: str) -> str:
    """Equal for texts that differ by white space, case or composition alone."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def has_html(text: str) -> bool:
    return ("<" in text and bool(_TAG.search(text))) or ("&" in text and bool(_ENTITY.search(text)))


def without_html(text: str) -> str:
    """Tags become a space, entities the character they stand for."""
    bare = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    return " ".join(html.unescape(bare).split()) if bare != text or _ENTITY.search(text) else text


def with_single_spaces(text: str) -> str:
    """One space between words, none around, no invisible characters, composed (NFC) letters."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def is_empty(row: Row) -> bool:
    return not row.text.strip() or not row.label.strip()


def label_spellings(labels: Mapping[str, int]) -> dict[str, str]:
    """label -> the spelling to use, for labels that differ by space, case, composition or a trailing `.0`."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(_WHOLE.sub(r"\1", key(label)), []).append(label)
    found: dict[str, str] = {}
    for same in groups.values():
        best = min(same, key=lambda name: (bool(_WHOLE.match(name.strip())), -labels[name], name))
        tidy = with_single_spaces(best)
        found |= {name: tidy for name in same if name != tidy}
    return found


def rename_fix(old: str, new: str) -> str:
    """The id of the repair that renames a label; `=` and `%` within names are escaped."""
    return f"rename:{_escaped(old)}={_escaped(new)}"


def _escaped(name: str) -> str:
    return "".join(quote(c, safe="") if c in "%=" else c for c in name)


def check_fixes(fixes: Sequence[str]) -> tuple[str, ...]:
    """The fixes once each, in the order in which they are applied whatever the order of the clicks."""
    if isinstance(fixes, str):
        raise DataError(f"fixes are a list such as [drop_duplicates], not {fixes!r}", code="fixes")
    unknown = [f for f in fixes if f not in FIXES and not _is_rename(f)]
    if unknown:
        raise DataError(unknown_names("fix", map(str, unknown), [*FIXES, "rename:OLD=NEW"]), code="fixes")
    order = list(FIXES)
    labels = order.index("normalise_labels")
    return tuple(sorted(dict.fromkeys(fixes), key=lambda f: order.index(f) if f in FIXES else labels))


def apply_fixes(parts: Parts, fixes: Sequence[str]) -> dict[str, list[Row]]:
    """All repairs but `rebalance`, which acts on the training part once the split is made."""
    found = {part: list(rows) for part, rows in parts.items()}
    for fix in check_fixes(fixes):
        if _is_rename(fix):
            old, new = (unquote(name) for name in fix.removeprefix("rename:").split("="))
            found = {
                p: [r._replace(label=new) if r.label == old else r for r in rows] for p, rows in found.items()
            }
        elif fix != "rebalance":
            found = FIXES[fix][0](found)
    return found


def _is_rename(fix: object) -> bool:
    if not isinstance(fix, str) or not fix.startswith("rename:") or fix.count("=") != 1:
        return False
    return all(unquote(name).strip() for name in fix.removeprefix("rename:").split("="))


def _strip_html(parts: Parts) -> dict[str, list[Row]]:
    return {p: [r._replace(text=without_html(r.text)) for r in rows] for p, rows in parts.items()}


def _normalise_space(parts: Parts) -> dict[str, list[Row]]:
    return {p: [r._replace(text=with_single_spaces(r.text)) for r in rows] for p, rows in parts.items()}


def _normalise_labels(parts: Parts) -> dict[str, list[Row]]:
    counts = Counter(row.label for rows in parts.values() for row in rows if row.label.strip())
    names = label_spellings(counts)
    return {p: [r._replace(label=names.get(r.label, r.label)) for r in rows] for p, rows in parts.items()}


def _drop_empty(parts: Parts) -> dict[str, list[Row]]:
    return {p: [r for r in rows if not is_empty(r)] for p, rows in parts.items()}


def _drop_conflicting(parts: Parts) -> dict[str, list[Row]]:
    """Within each part, every row whose text also has another label there."""
    found = {}
    for part, rows in parts.items():
        labels: dict[str, set[str]] = {}
        for row in rows:
            labels.setdefault(key(row.text), set()).add(row.label)
        found[part] = [row for row in rows if len(labels[key(row.text)]) == 1]
    return found


def _drop_duplicates(parts: Parts) -> dict[str, list[Row]]:
    """Within each part, the first row of each text and label stays."""
    found = {}
    for part, rows in parts.items():
        first: dict[tuple[str, str], Row] = {}
        for row in rows:
            first.setdefault((key(row.text), row.label), row)
        found[part] = list(first.values())
    return found


def _drop_overlap(parts: Parts) -> dict[str, list[Row]]:
    """Test rows stay; rows with the same text leave train and validation, and validation's leave train."""
    found = {part: list(rows) for part, rows in parts.items()}
    seen: set[str] = set()
    for part in ("test", "validation", "train"):
        if part in found:
            found[part] = [row for row in found[part] if key(row.text) not in seen]
            seen |= {key(row.text) for row in found[part]}
    return found


def _drop_rare(parts: Parts) -> dict[str, list[Row]]:
    """Labels with too few different texts to stand in every part leave all of them."""
    from workbench.data.split import too_rare

    rare = too_rare(parts)
    return {p: [r for r in rows if r.label not in rare] for p, rows in parts.items()}


def _rebalance_later(parts: Parts) -> dict[str, list[Row]]:
    raise AssertionError("rebalance acts after the split")


# In the order of application: texts, then labels, then rows, then the balance of the training part.
FIXES: Mapping[str, tuple[Callable[[Parts], dict[str, list[Row]]], str]] = {
    "strip_html": (_strip_html, "Strip HTML"),
    "normalise_space": (_normalise_space, "Tidy white space"),
    "normalise_labels": (_normalise_labels, "Use one spelling"),
    "drop_empty": (_drop_empty, "Drop the rows"),
    "drop_conflicting": (_drop_conflicting, "Drop all of them"),
    "drop_duplicates": (_drop_duplicates, "Keep the first of each"),
    "drop_overlap": (_drop_overlap, "Drop them from train"),
    "drop_rare": (_drop_rare, "Drop the label"),
    "rebalance": (_rebalance_later, "Undersample the training part"),
}
