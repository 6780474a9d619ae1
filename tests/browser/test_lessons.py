"""A learner walks through lesson 2 in both languages: predicts, commits, sees the runs' answer beside it, answers the questions."""

import pytest

from tests.browser.conftest import Server
from tests.browser.pressing import press_until
from tests.lesson_runs import finish
from workbench import lessons
from workbench.store import Store

pytestmark = pytest.mark.browser


@pytest.fixture
def taught(tmp_path):
    """A page whose store holds finished runs of the lesson (invented ones: training is tested elsewhere)."""
    finish(Store(tmp_path / "home"), "lesson-2", (0.5, 0.85, 0.84, 0.84))
    one = Server(tmp_path / "home", tmp_path / "page.log")
    one.start()
    yield one
    one.kill()


@pytest.mark.parametrize("language", lessons.LANGUAGES)
def test_lesson_two_from_question_to_answers(taught, visit, language):
    words, text = lessons.words(language), lessons.text("lesson-2", language)
    page = visit(taught.url, locale={"en": "en-GB", "zh": "zh-CN"}[language])
    tab = page.locator("[role=tab][data-tab-id=learn]").first
    press_until(tab, page.get_by_text(text.question).locator("visible=true"))
    # The tab is drawn once more when it is opened: what was pressed before may have to be pressed again.
    lesson = page.locator('[data-action="open"][data-key="lesson-2"]').locator("visible=true")
    press_until(lesson, page.get_by_text(words["runs_wait"]))
    assert page.locator('[data-action="commit"]').is_disabled()

    page.get_by_role("button", name=text.choices[0], exact=True).click()
    page.locator('[data-action="commit"]:not([disabled])').click()
    page.get_by_text(words["came_otherwise"]).wait_for()
    table = page.locator(".wb-lesson-table:not(.wb-atlas-scroll > *)")
    assert "85.0" in table.locator("tr.wb-happened").inner_text()
    assert words["your_prediction"] in table.locator("tbody tr").first.inner_text()

    for place, question in enumerate(text.questions):
        page.locator(f'[data-action="answer"][data-key="{place}:{question.right}"]').click()
        page.locator(".wb-question").nth(place).get_by_text(words["right"], exact=True).wait_for()
    term = page.locator(".wb-prose .wb-term-word").first
    term.focus()
    assert page.locator(".wb-prose .wb-term-text").first.is_visible()
    page.locator('.wb-lesson [data-action="back"]').first.click()
    page.get_by_text(words["quiz_score"].format(right=3, all=3)).wait_for()
