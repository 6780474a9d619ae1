"""The look: families agree with tokens.css, everything can be read, and nothing is fetched from outside."""

import json
import re
from itertools import product

import pytest

from workbench import method
from workbench.families import FAMILIES, family
from workbench.ui.theme import css, head, page_file, theme

THEMES = (False, True)
GROUNDS = ("paper", "surface", "surface-2", "surface-3")


def tokens(dark: bool) -> dict[str, str]:
    """Colour tokens of one theme; the dark block overrides the light one."""
    text = page_file("tokens.css").read_text(encoding="utf-8")
    light_block, dark_block = text.split(".dark {")
    found = dict(re.findall(r"--([\w-]+): (#[0-9A-Fa-f]{6});", light_block))
    if dark:
        found |= dict(re.findall(r"--([\w-]+): (#[0-9A-Fa-f]{6});", dark_block))
    return found


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("dark", THEMES)
def test_families_have_the_colours_of_the_tokens(dark: bool) -> None:
    found = {name[2:]: colour for name, colour in tokens(dark).items() if name.startswith("f-")}
    assert found == {one.css_class[2:]: one.colour(dark) for one in FAMILIES}


def test_families_are_those_of_the_methods_in_their_order() -> None:
    assert [one.name for one in FAMILIES] == [*method.FAMILIES, "base"]


def test_no_two_families_share_a_marker_or_a_colour() -> None:
    for facts in ([f.symbol for f in FAMILIES], [f.shape for f in FAMILIES], [f.light for f in FAMILIES]):
        assert len(set(facts)) == len(FAMILIES)


def test_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown family 'lowrank'; known: whole, selected, low_rank"):
        family("lowrank")


@pytest.mark.parametrize("dark", THEMES)
@pytest.mark.parametrize(
    ("text", "ground"), [*product(("ink", "ink-2", "ink-3"), GROUNDS), ("link", "surface")]
)
def test_text_can_be_read(text: str, ground: str, dark: bool) -> None:
    colours = tokens(dark)
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("dark", THEMES)
@pytest.mark.parametrize("state", ["ok", "warn", "fail", "busy"])
def test_states_can_be_read_on_their_tint_and_on_cards(state: str, dark: bool) -> None:
    colours = tokens(dark)
    assert contrast(colours[state], colours[f"{state}-tint"]) >= 4.5
    assert contrast(colours[state], colours["surface"]) >= 4.5


@pytest.mark.parametrize("dark", THEMES)
def test_buttons_and_marked_text_can_be_read(dark: bool) -> None:
    colours = tokens(dark)
    assert contrast(colours["on-action"], colours["action"]) >= 4.5
    assert contrast(colours["ink"], colours["mark"]) >= 4.5


@pytest.mark.parametrize("dark", THEMES)
def test_marks_and_controls_stand_out(dark: bool) -> None:
    colours = tokens(dark)
    marks = [name for name in colours if name.startswith("f-")] + ["line-strong", "focus", "ink-2"]
    assert len(marks) == len(FAMILIES) + 3
    for mark, ground in product(marks, ("paper", "surface")):
        assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)


def test_every_variable_the_sheet_uses_is_a_token_or_set_in_the_sheet() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", css()))
    known = set(re.findall(r"--([\w-]+):", css()))
    assert used, "the sheet uses tokens"
    assert used <= known


def test_nothing_is_fetched_from_outside() -> None:
    namespace = "http://www.w3.org/2000/svg"
    everything = head() + "".join(page_file(name).read_text(encoding="utf-8") for name in _scripts())
    everything += json.dumps(theme().to_dict(), default=str)
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", everything.replace(namespace, "")) == []
    assert "@import" not in everything
    assert theme()._stylesheets == []


def _scripts() -> list[str]:
    names = sorted(path.name for path in page_file("page.js").parent.glob("*.js"))
    assert {"page.js", "cards.js", "table.js", "block.js"} <= set(names)
    return names


def test_focus_is_never_removed_without_a_ring_elsewhere() -> None:
    removed = [line for line in css().splitlines() if re.search(r"outline:\s*(none|0)", line)]
    assert [line.split("{")[0].strip() for line in removed] == [
        ".wb-tick:focus-visible",
        ".wb-lesson header",  # a heading that only a script gives the focus
    ]
    assert ".wb-pick:has(> .wb-pick-head > .wb-tick:focus-visible) { outline: 2px solid var(--focus)" in css()


def test_motion_stops_for_who_asks_and_controls_grow_for_fingers() -> None:
    assert re.search(
        r"prefers-reduced-motion: reduce\) \{ \*.*transition: none !important; animation: none", css()
    )
    assert "@media (max-width: 600px) { :root { --control: 44px; } }" in css()


def test_plots_drawn_in_light_colours_turn_dark_with_the_page() -> None:
    for one in FAMILIES:
        red, green, blue = (int(one.light[at : at + 2], 16) for at in (1, 3, 5))
        rule = f'.dark .js-plotly-plot [style*="stroke: rgb({red}, {green}, {blue})"] {{ stroke: {one.dark} !important; }}'
        assert rule in css()
