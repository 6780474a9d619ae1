"""A report that a visitor shares: read by its link alone, stopped by its owner alone, within its limits, by raw requests."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from tests.security.corpus import names_for
from tests.security.test_limits import settings as settings
from tests.security.test_owners import anna as anna
from tests.security.test_owners import ben as ben
from tests.ui.fake_store import page_context
from workbench.hosted import Limits, shared
from workbench.store import Store
from workbench.ui import compare_tab, shared_page
from workbench.ui.shared_page import GONE


@pytest.fixture
def store(hosted_page):
    yield hosted_page.store
    for one in shared.shared(hosted_page.store, Limits()):
        shared.stop(hosted_page.store, one.token)


@pytest.fixture
def link(store, anna):
    """The path of a report that Anna shares, as her page shows it."""
    answer = anna.call("share_comparison", None)
    assert answer.said == []
    (found,) = set(re.findall(r"/shared/[\w-]{22}", answer.text))
    return found


@pytest.fixture
def stranger(hosted_page):
    """Somebody with nothing but the link."""
    with httpx.Client(base_url=hosted_page.url) as client:
        yield client


def test_anybody_with_the_link_reads_the_report_and_its_browser_does_nothing_else(link, stranger):
    answer = stranger.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "LoRA" in answer.text
    assert "Shared without the texts of its data" in answer.text
    policy = answer.headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox",
    ):
        assert part in policy
    assert re.search(r"style-src 'sha256-[\w+/]{43}='$", policy)
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["x-robots-tag"].startswith("noindex")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = stranger.head(link)
    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert stranger.request(method, link).status_code in (404, 405)


def test_the_link_is_the_pages_address_as_the_browser_calls_it(store, hosted_page, anna):
    anna.http.headers["Origin"] = hosted_page.url
    assert f"{hosted_page.url}/shared/" in anna.call("share_comparison", None).text


def test_every_other_address_is_nobodys(link, store, stranger, canary, anna):
    token = link.rpartition("/")[2]
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    for path in (
        other,
        token[:-1],
        f"{token}x",
        f"{token}/",
        f"{token}/report.html",
        f"{anna.owner}/{token}",
        "",
        ".",
    ):
        assert stranger.get(f"/shared/{path}").status_code == 404, path
    assert stranger.get("/shared").status_code == 404
    assert stranger.get(f"/shared/{other}").text == GONE
    for name in names_for(canary):
        if not any(ord(character) < 32 for character in name):
            answer = stranger.get("/shared/" + name)
            assert answer.status_code in (400, 404), name
            assert "CANARY" not in answer.text


def test_nobody_else_lists_it_or_stops_it(link, store, stranger, ben):
    token = link.rpartition("/")[2]
    assert token not in ben.call("open_sharing", False).text
    answer = ben.call("act_on_shared", event={"action": "unshare", "key": token})
    assert answer.said == ["This comparison is not shared any more."]
    for key in (None, {"a": 1}, "../" + token, token + "\n"):
        ben.call("act_on_shared", event={"action": "unshare", "key": key})
    assert stranger.get(link).status_code == 200


def test_its_owner_sees_it_and_ends_it_at_once(link, store, stranger, anna):
    token = link.rpartition("/")[2]
    told = anna.call("open_sharing", False).text
    assert token in told
    assert "the texts of your data" in told
    after = anna.call("act_on_shared", event={"action": "unshare", "key": token})
    assert token not in after.text
    assert "You share no comparison yet." in after.text
    assert stranger.get(link).status_code == 404
    assert not list((store.folder / "shared").rglob("*.html"))


def test_who_has_no_runs_or_no_cookie_shares_nothing(hosted_page, store, ben, anna):
    assert ben.call("share_comparison", None).said
    assert ben.call("share_comparison", store.runs(owner=anna.owner)[0].spec.setting.id).said
    anna.http.cookies.clear()
    anna.session += "again"
    assert anna.call("share_comparison", None).said
    assert shared.shared(store, Limits()) == []


def test_limits_hold_for_the_raw_interface(store, anna, stranger, settings, monkeypatch):
    settings("shared_reports = 1")
    shared.share(store, anna.owner, "<p>one</p>", "One", Limits())
    assert "1 comparisons of yours are shared already" in anna.call("share_comparison", None).said[0]
    settings("shared_megabytes = 1")
    with monkeypatch.context() as patch:
        patch.setattr("workbench.ui.share_card.shared_html", lambda *_: ("Large", "x" * 1_000_001))
        assert "shares reports of at most 1 MB" in anna.call("share_comparison", None).said[0]
    settings("shared_days = 2")
    (one,) = shared.shared(store, Limits(), anna.owner)
    assert stranger.get(f"/shared/{one.token}").status_code == 200
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(shared.time, "time", lambda: now + 2 * 24 * 3600 + 1)
        assert stranger.get(f"/shared/{one.token}").status_code == 404
        assert one.token not in anna.call("open_sharing", False).text


@pytest.mark.parametrize(("hosted", "most"), [("1", 10), ("1", 0), ("0", 10)])
def test_it_is_offered_on_a_shared_page_alone(hosted, most, tmp_path, monkeypatch, settings):
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    monkeypatch.setenv("WORKBENCH_HOSTED", hosted)
    settings(f"shared_reports = {most}")
    own, app = Store(tmp_path / "store"), FastAPI()
    made = shared.share(own, "a" * 32, "<p>one</p>", "One", Limits())
    shared_page.add_routes(app, own)
    with gr.Blocks():
        parts = compare_tab.build(page_context(own, hosted=hosted == "1")).parts
    assert ("share" in parts) == ("share_box" in parts) == (hosted == "1" and most > 0)
    read = TestClient(app).get(f"/shared/{made.token}")
    assert read.status_code == (200 if hosted == "1" else 404), (
        "links that there are outlive a change of the settings"
    )
