"""Which methods fit, asked of several processes at once; and presets of all methods, which leave out what does not fit."""

import pytest

from workbench import background, fitting, presets, probe, registry, session


def test_processes_share_the_methods(tmp_path, monkeypatch):
    """Each is asked once, and the answer is in the registry's order."""
    asked = {}

    def call(function, folder, owner, model, task, methods, *, pool):
        assert (function, folder, owner) == ("workbench.preview:methods_that_fit", str(tmp_path), "me")
        asked[pool] = methods
        return dict.fromkeys(methods, "No."), "A note."

    monkeypatch.setattr("workbench.background.call", call)
    reasons, note = fitting.methods_that_fit(tmp_path, "m", "generation", owner="me")
    assert list(reasons) == list(registry.methods())
    assert note == "A note."
    assert len(asked) == fitting.PROCESSES
    assert sorted(name for part in asked.values() for name in part) == sorted(registry.methods())


def test_answers_come_in_small_parts_the_wanted_ones_first(tmp_path, monkeypatch):
    asked = []

    def call(function, folder, owner, model, task, methods, *, pool):
        asked.append((pool, tuple(methods)))
        return dict.fromkeys(methods, None), ""

    monkeypatch.setattr("workbench.background.call", call)
    names = [f"m{i}" for i in range(3 * fitting.CHUNK)]
    found = list(fitting.fit_as_found(tmp_path, "m", "generation", names))
    assert sorted(name for part in found for name in part) == sorted(names)
    assert len(found) == 3
    assert tuple(names[: fitting.CHUNK]) in {methods for _, methods in asked[: fitting.PROCESSES]}
    assert {pool for pool, _ in asked} == {"probe-1", "probe-2"}


@pytest.mark.slow
def test_two_processes_find_out_together(tmp_path):
    """As the page and the command line ask; what one call found is there for the next."""
    try:
        reasons, note = fitting.methods_that_fit(tmp_path, "embedded:fable-8m", "classification")
    finally:
        background.close()
    assert reasons["full"] is None
    assert note == ""
    assert len(list((tmp_path / "cache").glob("usable-*.json"))) == fitting.PROCESSES
    assert reasons == probe.usable("embedded:fable-8m", cache=tmp_path / "cache")


def preset_of_all(**values):
    return presets.from_values(
        {"model": "embedded:fable-8m", "data": "reviews", "methods": "all"} | values, name="p"
    )


def test_all_is_every_method_of_the_task():
    classification, generation = preset_of_all(), preset_of_all(task="generation")
    assert "t_few" not in {line.method for line in classification.methods}
    assert "t_few" in {line.method for line in generation.methods}
    assert len(classification.methods) >= 20
    again = presets.from_values(presets.to_values(classification), name="p")
    assert again == classification
    assert presets.to_values(classification)["methods"] == "all"
    with pytest.raises(ValueError, match="methods is a list of methods or the word all, not 'usable'"):
        preset_of_all(methods="usable")


def test_what_does_not_fit_is_left_out_with_its_reason(store, monkeypatch):
    def fit(folder, model, task, *, owner):
        assert (folder, model, task, owner) == (store.folder, "embedded:fable-8m", "classification", None)
        return {name: None if name in ("full", "lora") else f"No {name}." for name in registry.methods()}, ""

    monkeypatch.setattr(session, "methods_that_fit", fit)
    kept, left_out = session._fitting(store, preset_of_all(), "", False)
    assert [line.method for line in kept.methods] == ["full", "lora"]
    assert left_out["moe_router"] == "No moe_router."
    assert len(left_out) + 2 == len(preset_of_all().methods)
    named = preset_of_all(methods=["head"])
    assert session._fitting(store, named, "", False) == (named, {})


def test_no_method_at_all_is_said(store, monkeypatch):
    monkeypatch.setattr(
        session, "methods_that_fit", lambda *a, **k: (dict.fromkeys(registry.methods(), "It fills gaps."), "")
    )
    with pytest.raises(
        ValueError, match="no method fits embedded:fable-8m and classification: It fills gaps"
    ):
        session._fitting(store, preset_of_all(), "", False)
