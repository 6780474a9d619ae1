"""What stands in the fields of the data tools as values, and what the tools say: previews, counts, the sources of a mix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.data.augment import AUGMENTERS, augmenter, check_augment, options_of
from workbench.data.mixing import check_mix, source_title
from workbench.data.subsets import check_subsets
from workbench.ui import parts
from workbench.uploads import shown_source

NONE = "none"


def read_fields(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """What differs from the defaults among the fields of this augmenter; ValueError names a bad one."""
    given = dict(zip(field_names(), values))
    tool = augmenter(name)
    options: dict[str, Any] = {}
    for fact in tool.options.facts():
        value = given.get((name, fact.name))
        if value is None:
            continue
        options[fact.name] = (
            re.split(r"[,\s]+", value.strip()) if fact.kind == "list" and isinstance(value, str) else value
        )
        if options[fact.name] == [""]:
            options[fact.name] = []
    return options_of(tool, options).changed()


def as_field(name: str, option: str, value: Any) -> Any:
    """The value as its field shows it: free words of a list stand in one line."""
    fact = next(fact for fact in augmenter(name).options.facts() if fact.name == option)
    return ", ".join(value) if fact.kind == "list" and not fact.choices else value


def read_sizes(words: str | None) -> list[int]:
    """`10, 50, 1000` as numbers, checked."""
    pieces = [piece for piece in re.split(r"[;,\s]+", (words or "").strip()) if piece]
    if wrong := [piece for piece in pieces if not piece.isdecimal()]:
        raise ValueError(
            f"Numbers of training rows are whole numbers such as 10, 50, 100, not {wrong[0]!r:.20}."
        )
    return list(check_subsets([int(piece) for piece in pieces]))


def read_entry(source: str | None, amount: str, number: float | None, prefix: str) -> dict[str, Any]:
    """One entry of the mix, checked."""
    if not (source or "").strip():
        raise ValueError("Choose or type a data set to mix in.")
    values: dict[str, Any] = {"source": str(source).strip(), "prefix": prefix or ""}
    if values["source"] != shown_source(values["source"]):
        values["name"] = shown_source(values["source"])
    if amount != "all":
        if number is None:
            raise ValueError(
                f"Say how much: {'a share such as 0.25' if amount == 'share' else 'a number of rows such as 500'}."
            )
        values[amount] = (
            float(number) if amount == "share" else int(number) if number == int(number) else number
        )
    return check_mix([values])[0].to_dict()


def before_and_after(pairs: Sequence[Mapping[str, Any]], title: str) -> Markup:
    """Rows with their new texts; what is new is marked, what went is struck through."""
    if not pairs:
        return parts.notice(
            "warn",
            "Nothing would change",
            "No word of these rows is in the table, or nothing is translated yet.",
        )
    rows = Markup("").join(
        Markup(
            '<li><div class="wb-note" translate="no">{}</div><div translate="no">{}</div><div class="wb-after" translate="no">{}</div></li>'
        ).format(pair["label"][:80], pair["text"][:400], _pieces(pair["pieces"]))
        for pair in pairs
    )
    return Markup(
        '<div class="wb-strong wb-small">{}: before and after</div><ul class="wb-pairs">{}</ul>'
    ).format(title, rows)


def _pieces(pieces: Sequence[Sequence[str]]) -> Markup:
    wrap = {"same": "{}", "new": "<ins>{}</ins>", "gone": "<del>{}</del>"}
    return Markup("").join(Markup(wrap[kind]).format(text) for text, kind in pieces)


def mix_list(data: Mapping[str, Any], sources: Mapping[str, int]) -> Markup:
    """The sources of the mix with their training rows, each but the first with a button that takes it out."""
    entries = data.get("mix") or ()
    if not entries:
        return Markup("")
    main = str(data.get("title") or shown_source(str(data["source"])))
    names = list(sources) or [
        main,
        *(str(one.get("name") or source_title(str(one["source"]))) for one in entries),
    ]
    total = sum(sources.values())
    lines = []
    for place, name in enumerate(names):
        count = sources.get(name)
        fact = "" if count is None else f"{count:,} training rows, {count / total:.0%}"
        gone = (
            parts.button("Remove", "remove", str(place - 1))
            if place
            else Markup('<span class="wb-note">this data set</span>')
        )
        lines.append(
            Markup(
                '<li><span class="wb-strong" translate="no">{}</span><span class="wb-note wb-grow">{}</span>{}</li>'
            ).format(name, fact, gone)
        )
    return Markup('<ul class="wb-mix">{}</ul>').format(Markup("").join(lines))


def tool_head(title: str, sentence: str) -> Markup:
    return Markup('<h3 class="wb-h3">{}</h3><p class="wb-note">{}</p>').format(title, sentence)


def field_names() -> list[tuple[str, str]]:
    return [
        (name, fact.name)
        for name, one in AUGMENTERS.items()
        for fact in one.options.facts()
        if not fact.advanced
    ]


def chosen_tool(augment: Any) -> tuple[str, Mapping[str, Any]]:
    """The one that the form shows; several can only be written in a preset."""
    try:
        given = check_augment(augment)
    except ValueError:
        return NONE, {}
    return next(iter(given.items()), (NONE, {}))


def new_rows(new: Mapping[str, int], look: Mapping[str, Any]) -> Markup:
    if not new:
        return Markup("")
    train = (look["report"].get("parts") or {}).get("train", 0)
    made = ", ".join(f"{count:,} by {augmenter(name).title.lower()}" for name, count in new.items())
    return Markup(
        '<p class="wb-small">{} <b>{}</b> new training rows ({}); the training part has {} rows now.</p>'
    ).format(parts.badge("ok", "in use"), f"{sum(new.values()):,}", made, f"{train:,}")


def progress_line(done: int, total: int) -> Markup:
    if not total:
        return Markup('<p class="wb-small" role="status">Loading the two translation models…</p>')
    words = f"Translated {done:,} of {total:,} texts"
    return Markup('<p class="wb-small" role="status">{}</p>{}').format(
        words, parts.progress_bar(done / total, label=words)
    )


def as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
