"""Checkers: those of bundled data alone, found by their prompts."""

import pytest

from workbench import checkers


def test_bundled_checkers_are_found_and_reward_from_0_to_1():
    assert {"story_endings", "tone"} <= set(checkers.names())
    reward = checkers.checker("tone")
    request = "My parcel has not come. Where is it?"
    polite = "I am so sorry about your parcel. Let me know the number and I will look for it."
    assert 0 <= reward(request, "Go away, stupid.") < reward(request, polite) <= 1


def test_prompts_tell_the_data_set_they_come_from():
    prompts = sorted(checkers._prompts("story_endings"))
    rows = [{"prompt": prompt} for prompt in prompts[:20]]
    assert checkers.checker_of({"test": rows}) == "story_endings"
    assert checkers.checker_of({"test": [*rows, {"prompt": "another"}]}) == "story_endings"
    assert checkers.checker_of({"test": [*rows[:2], *[{"prompt": f"other {i}"} for i in range(9)]]}) == "none"
    assert checkers.checker_of({"test": []}) == "none"


def test_no_other_program_is_ever_run(tmp_path):
    (tmp_path / "reward.py").write_text("raise SystemExit('ran')")
    (tmp_path / "card.json").write_text('{"checker": "reward.py", "task": "preference"}')
    for name in (str(tmp_path), "../" + tmp_path.name, "reviews", "none"):
        with pytest.raises(ValueError, match="unknown checker"):
            checkers.checker(name)
