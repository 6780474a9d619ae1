"""Card grid, table, plan footer and theme as a person with a keyboard meets them, in Debian's chromium."""

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.browser

KEYS = "[...document.querySelectorAll('.wb-pick')].map(n => n.dataset.key)"
TICKED = "[...document.querySelectorAll('.wb-on')].map(n => n.dataset.key)"
FOCUSED = "document.activeElement.closest('.wb-pick')?.dataset.key"
ROWS = "[...document.querySelectorAll('#table tbody tr')].map(n => n.dataset.key)"


def build() -> Any:
    import gradio as gr

    from workbench.ui import parts
    from workbench.ui.cards import Card, CardGroup, card_grid, redraw
    from workbench.ui.controls import html_block
    from workbench.ui.table import Cell, Column, Row, sortable_table, table_html

    def groups(*left_out: str) -> list[CardGroup]:
        names = [
            name for name in ("full", "head", "bitfit", "lora", "dora", "prefix") if name not in left_out
        ]
        off = {"bitfit": "This model has no bias terms."}
        evil = Card("evil", "${alert(1)}<script>alert(2)</script>{{value}}`", "A stranger's name.")
        cards = tuple(Card(name, name, "A sentence.", "low_rank", disabled=off.get(name)) for name in names)
        return [CardGroup("all", "All", (*cards, evil), family="low_rank")]

    columns = [
        Column("name", "Name", row_header=True, first="ascending"),
        Column("score", "Score", numeric=True),
    ]
    scores = {"a": 0.7, "b": 0.9, "c": None, "d": 0.8}

    def rows(*names: str) -> list[Row]:
        drawn = [Row(n, {"name": Cell(n, n), "score": Cell(str(scores[n] or ""), scores[n])}) for n in names]
        return [*drawn, Row("bad", {"name": Cell(parts.button("Again", "again", "bad"))}, kind="failed")]

    with gr.Blocks(fill_width=True) as page:
        html_block(parts.header(["reviews"], tab_counts={"Methods": "2 ticked"}))
        with gr.Tabs():
            with gr.Tab("Methods", id="methods", elem_classes="wb-tab"):
                grid = card_grid(groups(), ["full"])
                said = gr.Textbox(label="said", elem_id="said")
                fewer = gr.Button("Fewer", elem_id="fewer")
                older = gr.Button("Older", elem_id="older")
                counted = card_grid([CardGroup("counted", "", (Card("a", "a", "A."), Card("b", "b", "B.")))])
                missed = gr.Textbox(label="missed", elem_id="missed")
                gr.HTML("<div style='height: 1500px'></div>")
                with gr.Row(elem_classes="wb-plan"):
                    gr.Button("Queue")
            with gr.Tab("Compare", id="compare", elem_classes="wb-tab"):
                table = sortable_table(columns, rows("a", "b", "c", "d"), elem_id="table")

        def note_tick(ticked: list[str], event: gr.EventData) -> Any:
            return f"{event.key} {event.ticked}: {','.join(ticked)}", redraw(groups("full"))

        def note_open(event: gr.EventData) -> str:
            return f"open {event.key}"

        def draw_fewer() -> Any:
            return redraw(groups("full", "head"))

        def draw_again(event: gr.EventData) -> str:
            return str(table_html(columns, rows("d", "c", "b")))

        grid.tick(note_tick, grid, [said, grid], show_progress="hidden")
        grid.open(note_open, None, said, show_progress="hidden")
        older.click(lambda: redraw(ticked=["a"], clicks=1), None, counted, show_progress="hidden")

        def send_again(event: gr.EventData) -> Any:
            return f"missed {event.number}", redraw(ticked=["b"], clicks=event.number)

        counted.missed(send_again, None, [missed, counted], show_progress="hidden")
        fewer.click(draw_fewer, None, grid, show_progress="hidden")
        table.action(draw_again, None, table, show_progress="hidden")
    return page


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    import os

    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from workbench.ui.theme import head, theme

    page = build()
    _, url, _ = page.launch(
        server_name="127.0.0.1", theme=theme(), head=head(), prevent_thread_lock=True, quiet=True
    )
    yield url
    page.close()


@pytest.fixture
def page(address: str, chromium: Any) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 1200, "height": 700})
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("dialog", lambda dialog: (troubles.append("a name ran as a script"), dialog.dismiss()))
    opened.on("request", lambda r: troubles.append(r.url) if _is_outside(r.url) else None)
    opened.goto(address)
    opened.wait_for_selector(".wb-pick")
    opened.wait_for_timeout(500)
    yield opened
    opened.close()
    assert troubles == []


def _is_outside(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "data:", "blob:"))


def said(page: Any, start: str) -> str:
    box = page.locator("#said textarea, #said input")
    page.wait_for_function(
        "start => document.querySelector('#said textarea, #said input').value.startsWith(start)", arg=start
    )
    page.wait_for_timeout(200)
    return str(box.input_value())


def test_space_ticks_enter_opens_arrows_move_and_focus_outlives_redraws(page: Any) -> None:
    page.locator('[data-key="full"] .wb-tick').focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == "head"
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    assert said(page, "head") == "head True: full,head"
    assert page.evaluate(KEYS)[0] == "head", "the answer left a card out before the focused one"
    assert page.evaluate(FOCUSED) == "head"
    page.keyboard.press("Enter")
    assert said(page, "open") == "open head"
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == "lora"
    page.evaluate("document.querySelector('#fewer').click()")
    page.wait_for_function("!document.querySelector('[data-key=head]')")
    page.wait_for_timeout(200)
    assert page.evaluate(FOCUSED) == "lora"


def test_ticks_that_lack_a_click_are_passed_over_and_asked_for_anew(page: Any) -> None:
    ticked = "[...document.querySelectorAll('[data-group=counted] .wb-on')].map(n => n.dataset.key)"
    for key in "ab":
        page.locator(f'[data-group="counted"] [data-key="{key}"] .wb-tick').click()
    page.evaluate("document.querySelector('#older').click()")
    page.wait_for_timeout(1500)
    assert page.evaluate(ticked) == ["a", "b"], (
        "an answer that knows of the first click alone took the second away"
    )
    page.wait_for_function("document.querySelector('#missed textarea, #missed input').value === 'missed 2'")
    page.wait_for_function(f"String({ticked}) === 'b'")


def test_what_cannot_be_ticked_is_not_ticked_but_opens(page: Any) -> None:
    page.locator('[data-key="bitfit"] .wb-tick').focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert said(page, "open") == "open bitfit"
    assert page.evaluate(TICKED) == ["full"]


def test_the_plan_sticks_to_the_foot_of_its_tab_alone(page: Any) -> None:
    foot = "Math.abs(document.querySelector('.wb-plan').getBoundingClientRect().bottom - innerHeight) < 2"
    for depth in (0, 600, 100_000):
        page.evaluate(f"scrollTo(0, {depth})")
        page.wait_for_timeout(100)
        assert page.evaluate(foot)
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector("#table")
    assert not page.locator(".wb-plan").is_visible()


def test_the_table_sorts_here_and_keeps_order_and_focus(page: Any) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#table .wb-sort", has_text="Score").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(ROWS) == ["b", "d", "a", "c", "bad"]
    page.keyboard.press("Enter")
    assert page.evaluate(ROWS) == ["a", "d", "b", "c", "bad"]
    assert page.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "ascending"
    page.locator("#table [data-action=again]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('#table tbody tr').length === 4")
    page.wait_for_timeout(200)
    assert page.evaluate(ROWS) == ["d", "b", "c", "bad"]
    assert page.evaluate("document.activeElement.dataset.action") == "again"


def test_the_theme_is_remembered_and_counts_hang_on_tabs(page: Any) -> None:
    dark = "document.body.classList.contains('dark')"
    before = page.evaluate(dark)
    page.locator("[data-theme-toggle]").click()
    page.reload()
    page.wait_for_selector(".wb-pick")
    page.wait_for_timeout(800)
    assert page.evaluate(dark) is not before
    assert page.get_by_role("tab").first.get_attribute("data-count") == "2 ticked"


def test_nothing_is_wider_than_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for name in ("Methods", "Compare"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
