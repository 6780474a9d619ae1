"""Data and methods of a generation in a browser: say the task, fill in words, choose methods, look at the first batch."""

import pytest
from playwright.sync_api import expect

from tests.browser.pressing import press_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=60_000)


def test_from_rows_to_the_first_batch(server, visit):
    page = visit(server.url)
    identity = page.locator("[data-action=choose][data-key=identity]").first
    chosen = page.locator("[data-action=task][data-key=generation][aria-pressed=true]")
    press_until(identity, chosen)
    expect(page.get_by_text("unfilled placeholders").first).to_be_visible()
    page.get_by_label("{name}").fill("Robin")
    page.get_by_label("{maker}").fill("the workshop")
    page.get_by_role("button", name="Fill in").click()
    onward = page.get_by_role("button", name="Next: choose methods")
    expect(onward).to_be_visible()
    expect(page.locator(".wb-records > li").first).to_be_visible()
    onward.click()

    expect(page.locator('.wb-pick[data-key="p_tuning_v2"]')).to_contain_text("Made for classification")
    rare = page.locator('.wb-pick[data-key="lora_plus"]')
    expect(rare).to_be_hidden()
    fold = page.locator('[data-more="low_rank"] > summary')
    fold.click()
    expect(rare).to_be_visible()
    rare.get_by_role("checkbox").click()
    expect(fold).to_contain_text("1 ticked")
    expect(page.get_by_role("button", name="Queue 1 run")).to_be_enabled()
    expect(rare).to_be_visible()  # what was unfolded stays so when the cards are drawn again

    expect(page.get_by_text("can run on this model and data")).to_be_visible(timeout=200_000)
    page.get_by_label("Only what can run").check()
    expect(page.locator('.wb-pick[data-key="p_tuning_v2"]')).to_be_hidden()
    expect(page.locator('.wb-pick[data-key="lora"]')).to_be_visible()

    page.get_by_label("template", exact=True).select_option(label="alpaca")
    expect(page.get_by_text("Template alpaca").first).to_be_visible()
    page.get_by_role("button", name="Show the first batch").click()
    sheet = page.get_by_role("dialog")
    expect(sheet.locator("ins").first).to_be_visible()
    expect(sheet).to_contain_text("### Instruction")
    assert "Robin" in " ".join(sheet.locator("ins").all_inner_texts())
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
