"""Presses a button as a person does who sees that nothing came of it."""

from playwright.sync_api import Locator, TimeoutError


def press_until(button: Locator, shown: Locator, seconds: float = 15, tries: int = 4) -> None:
    """Again, if `shown` does not appear: the page may be drawing `button` anew at the very moment of a press."""
    for _ in range(tries):
        button.click()
        try:
            shown.first.wait_for(timeout=seconds * 1000)
            return
        except TimeoutError:
            continue
    raise AssertionError(f"pressed {tries} times, and nothing came of it: {button}")
