"""What holds text together: marks, badges, cards, notices, explained terms and the header."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from markupsafe import Markup, escape

from workbench.families import family as find_family
from workbench.ui.parts.numbers import NBSP

BadgeKind = Literal["ok", "warn", "fail", "busy"]
ButtonKind = Literal["primary", "secondary", "quiet"]

_ICONS = {
    "ok": '<path d="m3 8.5 3.2 3.2L13 4.8" stroke-width="2"/>',
    "fail": '<path d="m4 4 8 8m0-8-8 8" stroke-width="2"/>',
    "warn": '<path d="M8 2 15 14H1z"/><path d="M8 6.5v3.6M8 12v.1"/>',
    "busy": '<circle cx="8" cy="8" r="6.3"/><path d="M8 7.3v4M8 4.8v.1"/>',
    "no": '<circle cx="8" cy="8" r="6"/><path d="m4 12 8-8"/>',
    "down": '<path d="m4 6 4 4 4-4"/>',
    "play": '<path d="M4 2.5 13 8l-9 5.5z" fill="currentColor" stroke="none"/>',
    "machine": '<path d="M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z" fill="currentColor" stroke="none"/>',
    "theme": '<circle cx="8" cy="8" r="6"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" stroke="none"/>',
    "download": '<path d="M8 3v8.5M4.2 8 8 11.8 11.8 8M3 14h10"/>',
    "upload": '<path d="M8 12V3.5M4.2 7 8 3.2 11.8 7M3 13.5h10"/>',
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>',
}
_LOGO = Markup(
    '<svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">'
    '<g stroke="var(--ink)" stroke-width="1.8" stroke-linecap="round"><path d="M2 5.5h13M7 11h13M4 16.5h10"/></g>'
    '<g fill="var(--surface)" stroke="var(--ink)" stroke-width="1.8"><circle cx="8" cy="5.5" r="2.6"/>'
    '<circle cx="14.5" cy="11" r="2.6" fill="var(--ink)"/><circle cx="8.5" cy="16.5" r="2.6"/></g></svg>'
)


def join(*pieces: str | Markup, between: str = "") -> Markup:
    """One piece of HTML from several; plain strings are escaped."""
    return escape(between).join(pieces)


def icon(name: str, size: int = 14) -> Markup:
    if name not in _ICONS:
        raise ValueError(f"unknown icon {name!r}; known: {', '.join(_ICONS)}")
    return Markup(
        '<svg class="wb-icon" width="{0}" height="{0}" viewBox="0 0 16 16" aria-hidden="true">{1}</svg>'
    ).format(size, Markup(_ICONS[name]))


def marker(family: str, size: int = 12) -> Markup:
    found = find_family(family)
    return Markup(
        '<svg class="wb-marker {0}" width="{1}" height="{1}" viewBox="0 0 12 12" aria-hidden="true">{2}</svg>'
    ).format(found.css_class, size, Markup(found.shape))


def chip(family: str, word: str | None = None) -> Markup:
    """Marker and word on a tint of the family colour; the word is the family's title unless given."""
    found = find_family(family)
    return Markup('<span class="wb-chip {}">{}{}</span>').format(
        found.css_class, marker(family, 10), found.title if word is None else word
    )


def badge(kind: BadgeKind, word: str) -> Markup:
    """A state: colour, icon and word together, never colour alone."""
    return Markup('<span class="wb-badge wb-{}">{}{}</span>').format(_known(kind), icon(kind, 12), word)


def _known(kind: str) -> str:
    if kind not in ("ok", "warn", "fail", "busy"):
        raise ValueError(f"unknown kind {kind!r}; known: ok, warn, fail, busy")
    return kind


def button(
    label: str | Markup,
    action: str,
    key: str = "",
    *,
    kind: ButtonKind = "secondary",
    small: bool = True,
    disabled: bool = False,
    icon_name: str | None = None,
) -> Markup:
    """A button inside an `html_block`: its click reaches Python as event `action` with `action` and `key`."""
    return Markup(
        '<button type="button" class="wb-button wb-button-{kind}{small}" data-action="{action}" data-key="{key}"{off}>'
        "{icon}{label}</button>"
    ).format(
        kind=kind,
        small=" wb-small" if small else "",
        action=action,
        key=key,
        off=Markup(" disabled") if disabled else "",
        icon=icon(icon_name, 13) if icon_name else "",
        label=label,
    )


def card(
    title: str | Markup,
    body: str | Markup,
    *,
    note: str | Markup = "",
    aside: str | Markup = "",
    level: Literal[2, 3] = 3,
    padded: bool = True,
    family: str | None = None,
) -> Markup:
    """A white card: title, note beside it, aside at the right end, body below."""
    head = Markup("")
    if title or note or aside:
        head = Markup(
            '<div class="wb-head"><h{0}>{1}</h{0}>{2}<span class="wb-space"></span>{3}</div>'
        ).format(level, title, Markup('<span class="wb-note">{}</span>').format(note) if note else "", aside)
    classes = "wb-card" + ("" if padded else " wb-flush")
    if family:
        classes += f" wb-topped {find_family(family).css_class}"
    return Markup('<section class="{}">{}{}</section>').format(classes, head, body)


def page_title(title: str, note: str | Markup = "", aside: str | Markup = "") -> Markup:
    return Markup(
        '<div class="wb-title"><h1>{}</h1><span class="wb-muted">{}</span><span class="wb-space"></span>{}</div>'
    ).format(title, note, aside)


def empty_state(sentence: str, action_hint: str | Markup = "") -> Markup:
    """One sentence and one action; the hint may be a `button`."""
    return Markup('<div class="wb-empty"><p>{}</p><div>{}</div></div>').format(sentence, action_hint)


def notice(kind: BadgeKind, title: str, body: str | Markup = "", *, aside: str | Markup = "") -> Markup:
    """What happened, where, what to do. Failures are announced at once, the rest politely."""
    role = "alert" if _known(kind) == "fail" else "status"
    return Markup(
        '<div class="wb-notice wb-{}" role="{}"><span class="wb-notice-icon">{}</span>'
        '<div class="wb-grow"><div class="wb-strong">{}</div><div class="wb-two">{}</div></div>{}</div>'
    ).format(kind, role, icon(kind, 16), title, body, aside)


def term(word: str, explanation: str) -> Markup:
    """A word explained where it stands: by pointer, by keyboard focus and by touch; Escape closes it."""
    digest = hashlib.sha1(f"{word}\0{explanation}".encode(), usedforsecurity=False).hexdigest()[:8]
    return Markup(
        '<span class="wb-term"><button type="button" class="wb-term-word" aria-describedby="t-{0}">{1}</button>'
        '<span class="wb-term-text" role="tooltip" id="t-{0}">{2}</span></span>'
    ).format(digest, word, explanation)


def number(value: str | None, unit: str = "", *, strong: bool = True) -> Markup:
    """A formatted number with its unit in grey; a unit after a no-break space in `value` is found by itself."""
    if not value:
        return Markup("")
    if not unit and NBSP in value and " " not in value:
        value, unit = value.rsplit(NBSP, 1)
    return Markup('<span class="wb-number"><span class="{}">{}</span>{}</span>').format(
        "wb-value" if strong else "",
        value,
        Markup('<span class="wb-unit">{}{}</span>').format(NBSP, unit) if unit else "",
    )


def plus_minus(value: str | None, half_width: str | None, unit: str = "") -> Markup:
    """A score with its 95 % half-width: "90.4 ± 0.9"; without one (single seed) the score alone."""
    if not value:
        return Markup("")
    tail = f"{NBSP}±{NBSP}{half_width}" if half_width else ""
    tail += f"{NBSP}{unit}" if unit else ""
    return Markup(
        '<span class="wb-number"><span class="wb-value">{}</span><span class="wb-unit">{}</span></span>'
    ).format(value, tail)


def group_letters(own: str, every: str) -> Markup:
    """Rows that share a letter cannot be told apart; each of `every` letter keeps its own slot, so columns line up."""
    slots = (Markup("<b>{}</b>").format(letter if letter in own else "") for letter in every)
    return Markup('<span class="wb-letters">{}</span>').format(Markup("").join(slots)) if own else Markup("")


def fact_list(facts: Mapping[str, str | Markup] | Iterable[tuple[str, str | Markup]]) -> Markup:
    """Names at the left, values at the right: the facts of a model or a data set."""
    pairs = facts.items() if isinstance(facts, Mapping) else facts
    rows = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in pairs)
    return Markup('<dl class="wb-facts">{}</dl>').format(Markup("").join(rows))


def header(
    setting: Sequence[str] = (),
    machine: str = "",
    *,
    setting_id: str = "",
    tab_counts: Mapping[str, str] | None = None,
    aside: str | Markup = "",
) -> Markup:
    """The strip at the top: logo, what all runs share, the machine, and the switch between light and dark.

    The first two words of `setting` (data, model) stand out. `tab_counts` maps a tab's label to the grey words behind
    it ("Methods" -> "12 ticked"); page.js hangs them on the tabs, so that labels stay constant.
    """
    words = [
        Markup("<b>{}</b>" if place < 2 else "<span>{}</span>").format(word)
        for place, word in enumerate(setting)
    ]
    if setting_id:
        words.append(Markup('<span class="wb-mono">setting {}</span>').format(setting_id))
    line = Markup("<i>/</i>").join(words) if words else "No setting yet: choose data to begin"
    counts = (
        Markup('<span data-tab="{}" data-count="{}"></span>').format(tab, count)
        for tab, count in (tab_counts or {}).items()
    )
    return Markup(
        '<header class="wb-header"><div class="wb-brand">{logo}workbench</div><div class="wb-setting">{line}</div>'
        '<span class="wb-space"></span>{machine}{aside}'
        '<button type="button" class="wb-button wb-button-quiet wb-small" data-theme-toggle'
        ' aria-label="Light or dark">{theme}</button><span class="wb-tab-counts" hidden>{counts}</span></header>'
    ).format(
        logo=_LOGO,
        line=line,
        machine=Markup('<span class="wb-machine">{}<span>{}</span></span>').format(
            icon("machine", 13), machine
        )
        if machine
        else "",
        aside=aside,
        theme=icon("theme", 16),
        counts=Markup("").join(counts),
    )
