"""Everything of a visitor's goes when they say so, and nothing of anybody else's, by raw requests."""

from __future__ import annotations

import pytest

from tests.raw_protocol import COOKIE
from tests.security.test_owners import anna as anna
from tests.security.test_owners import ben as ben
from tests.security.test_owners import fill, ids
from workbench.hosted import Limits, removal, shared
from workbench.ui.plan import empty_plan
from workbench.uploads import keep_upload, located

PLAN = {**empty_plan(), "data": {"source": "reviews"}}


@pytest.fixture
def store(hosted_page):
    """Runs that nobody works on stop when they are asked to."""
    yield hosted_page.store
    for run_id in removal.stopping(hosted_page.store):
        hosted_page.store.change_state(run_id, "cancelled")
    removal.remove_stopped(hosted_page.store)


def press(visitor, action, key=""):
    return visitor.call("act_on_removal", PLAN, None, event={"action": action, "key": key})


def belongings(store, visitor, tmp_path):
    """An upload and a shared report of this visitor."""
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n")
    made = shared.share(store, visitor.owner, f"<p>{visitor.owner}</p>", "One", Limits())
    return keep_upload(store, file, "mine.csv", visitor.owner), made.token


def test_it_is_asked_first_and_then_all_of_it_goes(store, anna, ben, tmp_path):
    fill(store, ben.owner)
    (upload, token), (bens_upload, bens_token) = (belongings(store, one, tmp_path) for one in (anna, ben))
    bens = removal.holdings(store, ben.owner)
    asked = press(anna, "ask_removal")
    for sentence in ("4 runs with results", "1 uploaded file,", "1 shared comparison,", "Remove it all"):
        assert sentence in asked.text
    assert "Remove it all" not in press(anna, "keep").text
    assert len(ids(store, anna)) == 4, "nothing goes for a question"

    done = press(anna, "remove_everything")
    assert done.said == []
    assert "Removed, and nobody can bring it back" in done.text
    assert "One of these runs is stopping still" in done.text
    assert done.outputs[2] == empty_plan(), "the plan names data that are gone"
    assert not removal.holdings(store, anna.owner)
    assert "LoRA" not in anna.redraw("compare").text
    assert anna.http.get(f"/shared/{token}").status_code == 404
    with pytest.raises(ValueError, match="no longer kept"):
        located(store, upload, anna.owner)
    assert "Nothing of yours is kept here." in press(anna, "ask_removal").text

    assert removal.holdings(store, ben.owner) == bens
    assert anna.http.get(f"/shared/{bens_token}").status_code == 200
    assert located(store, bens_upload, ben.owner)
    press(ben, "remove_everything")


@pytest.mark.parametrize("how", ["as another", "naming her", "forged", "none"])
def test_nobody_removes_what_is_not_theirs(how, store, hosted_page, anna, ben, tmp_path):
    _, token = belongings(store, anna, tmp_path)
    before = removal.holdings(store, anna.owner)
    visitor = ben if how in ("as another", "naming her") else hosted_page.visitor()
    key = anna.owner if how == "naming her" else ""
    for action in ("ask_removal", "remove_everything"):
        if how in ("forged", "none"):  # an answer brings a cookie, and with it a new visitor
            visitor.http.cookies.clear()
            visitor.session += "x"
        if how == "forged":
            visitor.http.cookies.set(COOKIE, f"{anna.owner}.{'0' * 64}", domain="127.0.0.1")
        answer = press(visitor, action, key)
        assert "4 runs" not in answer.text
        assert bool(answer.said) == (how in ("forged", "none"))
    assert removal.holdings(store, anna.owner) == before
    assert anna.http.get(f"/shared/{token}").status_code == 200
    assert press(anna, "remove_everything").said == []


def test_on_ones_own_machine_it_is_not_offered(tmp_path, monkeypatch):
    import gradio as gr

    from tests.ui.fake_store import page_context
    from workbench.store import Store
    from workbench.ui import data_tab

    for limits in (None, Limits()):
        with gr.Blocks():
            at = data_tab.build(page_context(Store(tmp_path / "store"), limits=limits)).parts
        assert ("removed" in at) == (limits is not None)
