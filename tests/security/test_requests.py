"""Requests that no page of ours makes: from other sites, too large, misshapen, to doors that are shut; and the headers sent."""

from __future__ import annotations

import re

import pytest

from tests.raw_protocol import COOKIE
from workbench.ui.guard import MOST_JSON, is_foreign
from workbench.ui.plan import empty_plan

PLAN = empty_plan()
FOREIGN = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "old browser": {"Origin": "https://evil.example"},
    "other port": {"Origin": "http://127.0.0.1:1"},
    "no origin": {"Origin": "null"},
    "host in the path": {"Origin": "https://evil.example/127.0.0.1"},
}
POSTS = ("queue/join", "upload", "cancel", "reset", "run/find_sets", "call/find_sets", "component_server")


@pytest.mark.parametrize("who", FOREIGN)
def test_what_another_site_sends_is_refused(who, hosted_page):
    visitor = hosted_page.visitor()
    for route in POSTS:
        for content in ({"json": {}}, {"content": "{}", "headers": {"Content-Type": "text/plain"}}):
            headers = {**content.pop("headers", {}), **FOREIGN[who]}
            answer = visitor.http.post(f"/gradio_api/{route}", headers=headers, **content)
            assert answer.status_code == 403, (route, who)
    for method in ("PUT", "DELETE", "PATCH"):
        assert visitor.http.request(method, "/health", headers=FOREIGN[who]).status_code == 403
    assert (
        visitor.http.post("/login", data={"username": "a", "password": "b"}, headers=FOREIGN[who]).status_code
        == 403
    )


def test_what_the_page_itself_sends_is_taken(hosted_page):
    visitor = hosted_page.visitor(headers={"Origin": hosted_page.url, "Sec-Fetch-Site": "same-origin"})
    assert visitor.http.get("/").status_code == 200
    assert visitor.call("find_sets", "reviews", PLAN).success
    visitor = hosted_page.visitor(headers={"Origin": hosted_page.url})
    assert visitor.call("find_sets", "reviews", PLAN).success


def test_another_name_of_the_page_is_one_that_the_settings_or_the_proxy_know():
    headers = {"origin": "https://class.example", "host": "10.0.0.5:7860"}
    assert is_foreign(headers)
    assert not is_foreign(headers, {"https://class.example"})
    assert not is_foreign({**headers, "x-forwarded-host": "class.example"})
    assert not is_foreign({"host": "10.0.0.5:7860"}), "a program, which could claim anything"


@pytest.mark.parametrize("path", ["queue/join", "cancel", "reset"])
def test_a_request_that_is_too_large_is_refused_unread(path, hosted_page):
    visitor = hosted_page.visitor()
    said = visitor.http.post(f"/gradio_api/{path}", content=b"x" * (MOST_JSON + 1))
    assert said.status_code == 413
    assert "larger than 4 MB" in said.text

    def endless():
        yield from (b"x" * 1_000_000 for _ in range(6))

    assert visitor.http.post(f"/gradio_api/{path}", content=endless()).status_code == 413


def test_an_upload_that_is_too_large_is_refused(hosted_page):
    from http.client import HTTPConnection

    connection = HTTPConnection(hosted_page.url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", "60000000")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.endheaders()
    assert connection.getresponse().status == 413, "before a byte of it was sent"
    connection.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"session_hash": 5}', b'{"data": [], "fn_index": 0}', b'{"data": "x"}',
     b'{"data": [], "fn_index": -1, "session_hash": "q"}', b'{"data": [], "fn_index": 99999, "session_hash": "q"}',
     b'{"data": [], "fn_index": "a", "session_hash": "q"}', b"[" * 100_000],
)  # fmt: skip
def test_a_misshapen_request_is_an_error_of_its_sender(body, hosted_page):
    visitor = hosted_page.visitor()
    sent = visitor.http.post(
        "/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"}
    )
    assert 400 <= sent.status_code < 500, sent.text
    assert "Traceback" not in sent.text
    assert visitor.call("find_sets", "reviews", PLAN).success


@pytest.mark.parametrize(
    "data", [[], [None] * 50, [{}], [[]], [{"a": {"b": []}}] * 2, ["x" * 100_000, 5], [True, False]]
)
@pytest.mark.parametrize("handler", ["find_sets", "queue_plan", "show_detail", "act_on_run", "show_data"])
def test_data_of_the_wrong_shape_end_in_a_sentence(handler, data, hosted_page):
    visitor = hosted_page.visitor()
    answer = visitor.call(handler, *data)
    assert "Traceback" not in answer.text
    assert 'File \\"' not in answer.text
    assert hosted_page.store.runs(owner=visitor.owner) == []


SHUT = (
    "gradio_api/proxy=http://127.0.0.1:1/", "gradio_api/file=http://127.0.0.1:1/x", "gradio_api/call/find_sets",
    "gradio_api/run/find_sets", "gradio_api/api/find_sets", "gradio_api/call/v2/find_sets", "gradio_api/deep_link",
    "gradio_api/component_server", "gradio_api/process_recording", "gradio_api/runs", "gradio_api/run-history/connect",
    "gradio_api/vibe-edit/", "gradio_api/token", "gradio_api/openapi.json", "monitoring", "monitoring/summary",
    "gradio_api/stream/x/y/1/playlist.m3u8", "gradio_api/custom_component/1/client/component/index.js",
    "custom_component/x", "docs", "redoc", "openapi.json", "secret", "workbench.sqlite", ".git/config", "..%2fsecret",
)  # fmt: skip


@pytest.mark.parametrize("path", SHUT)
def test_doors_that_the_page_does_not_need_are_shut(path, hosted_page):
    visitor = hosted_page.visitor()
    for method in ("GET", "POST"):
        assert visitor.http.request(method, f"/{path}").status_code in (404, 405), (method, path)


def test_the_words_of_another_language_are_open_to_all_and_nothing_beside_them(hosted_page):
    client = hosted_page.visitor().http
    assert client.get("/language/zh.json").headers["content-type"] == "application/json"
    for path in (
        "/language/xx.json",
        "/language/zh",
        "/language/",
        "/language/..%2Fen.json",
        "/language/zh.jsonx",
    ):
        assert client.get(path).status_code == 404, path


def test_the_cookie_is_not_for_scripts_and_the_browser_is_told_to_ask_nobody_else(hosted_page):
    answer = hosted_page.visitor().http.get("/")
    fresh = hosted_page.visitor().http.request("GET", "/health", headers={"Cookie": ""})
    assert re.search(rf"{COOKIE}=.*HttpOnly; SameSite=Lax", fresh.headers["set-cookie"])
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self' data: blob:;" in policy
    assert "frame-ancestors 'self'" in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_on_ones_own_machine_other_sites_are_kept_out_too(store, monkeypatch):
    from fastapi.testclient import TestClient

    from workbench.ui import page

    monkeypatch.setenv("WORKBENCH_HOSTED", "0")
    client = TestClient(page.application(store, None))
    for headers in FOREIGN.values():
        assert client.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 403
    assert client.post("/gradio_api/queue/join", json={}).status_code == 422
    assert "default-src 'self'" in client.get("/health").headers["content-security-policy"]


@pytest.mark.browser
def test_the_page_asks_nobody_but_its_own_server(hosted_page, chromium):
    """The browser's own record of every request, whatever tab is open."""
    context = chromium.new_context()
    tab = context.new_page()
    asked, faults = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(hosted_page.url)
    tab.get_by_role("tab", name="Data").wait_for(timeout=60_000)
    for name in ("Methods", "Train", "Inference", "Compare"):
        tab.get_by_role("tab", name=name).click()
        tab.wait_for_timeout(700)
    tab.goto(f"{hosted_page.url}/status")
    context.close()
    assert len(asked) > 10
    outside = [url for url in asked if not url.startswith((hosted_page.url, "data:", "blob:"))]
    assert outside == []
    assert faults == []
