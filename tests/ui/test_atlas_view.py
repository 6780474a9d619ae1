"""The atlas on the page: marked as recorded elsewhere, with its date, and nothing where none was shipped."""

import pytest

from tests.lesson_runs import finish
from workbench import atlas
from workbench.compare import comparison
from workbench.lessons import lesson
from workbench.ui.atlas_view import atlas_html


@pytest.fixture
def shipped(store, monkeypatch):
    finish(
        store,
        "lesson-3",
        [0.7, 0.8, None, 0.6, 0.9],
        peak_memory_bytes=(1, 2, 3, 4, 5),
        latency_ratio=(1, 2, 3, 4, 5),
    )
    made = atlas.sheet(lesson("lesson-3").preset, comparison(store))
    monkeypatch.setattr(atlas, "sheets", lambda: (made,))
    return made


def test_every_row_stands_there_marked_as_recorded_elsewhere(shipped):
    html = str(atlas_html())
    assert "Recorded elsewhere" in html
    assert shipped.recorded_at in html
    assert html.count('<th scope="row">') == len(shipped.rows)
    assert "The loss became infinite at step 3." in html
    assert '<details class="wb-ready wb-atlas-sheet" open>' in html
    assert " open>" not in str(atlas_html(open_first=False))
    assert "录自别处" in str(atlas_html("zh"))


def test_without_a_sheet_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(atlas, "sheets", tuple)
    assert atlas_html() == ""
