"""A shared page's face: its health and status, its banner, its limits in words, and who is logged in."""

import base64
import hashlib
import hmac
import json
import sys
import time
import types

import gradio as gr
import pytest

from workbench.hosted import Limits
from workbench.hosted.accounts import set_password
from workbench.hosted.owners import account_owner
from workbench.hosted.state import page_state
from workbench.runner import Runner
from workbench.ui import accounts, page, shared_notice, status_page
from workbench.ui.owner import COOKIE


class Troubled:
    """A runner that has something to say."""

    slots = None

    def __init__(self, trouble=None):
        self.trouble = trouble


def client(store, runner=None):
    from fastapi.testclient import TestClient

    return TestClient(page.application(store, runner or Troubled()))


# -- how it is doing ---------------------------------------------------------------------------------------------


def test_health_says_how_the_page_is_doing(store, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    runner = Troubled()
    visitor = client(store, runner)
    said = visitor.get("/health").json()
    assert (said["status"], said["hosted"], said["waiting"], said["running"], said["trouble"]) == (
        "ok",
        True,
        0,
        0,
        [],
    )
    assert visitor.get("/health").json()["started"] == said["started"]
    runner.trouble = f"the disk that holds {store.path} is full"
    said = visitor.get("/health").json()
    assert said["status"] == "trouble"
    assert str(store.folder) not in str(said), "visitors are not told about the server's folders"
    html = visitor.get("/status").text
    assert "There is trouble." in html
    assert "http-equiv" in html
    assert "At most 1,000 optimiser steps" in html


def test_on_ones_own_machine_the_sentence_is_the_whole_truth(store, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTED", "0")
    state = page_state(store, "x", time.monotonic(), "the disk that holds /data is full", None)
    assert state.trouble == ("the disk that holds /data is full",)
    assert "the disk that holds /data is full" in shared_notice.banner(state)
    assert "What a visitor may ask for" not in status_page.page(state)


def test_the_banner_is_there_only_when_something_is_the_matter(store, monkeypatch):
    well = page_state(store, "x", time.monotonic())
    assert shared_notice.banner(well) == ""
    store.pause()
    paused = page_state(store, "x", time.monotonic())
    assert paused.status == "ok"
    assert "The queue is paused" in shared_notice.banner(paused)
    monkeypatch.setattr("workbench.hosted.state.LITTLE_DISK", 10**18)
    assert page_state(store, "x", time.monotonic()).status == "trouble"


def test_a_store_that_does_not_answer_is_trouble_and_no_error(store, monkeypatch):
    monkeypatch.setattr(type(store), "counts", lambda self: 1 / 0)
    assert page_state(store, "x", time.monotonic()).status == "trouble"


def test_visitors_read_the_limits_and_how_to_have_a_page_of_their_own(monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    html = shared_notice.notice(Limits(steps=123))
    assert "at most 123 steps" in html
    assert "app.py" in html
    assert "huggingface.co/spaces" not in html
    monkeypatch.setenv("SPACE_ID", 'somebody/bench"><script>')
    html = shared_notice.notice(Limits())
    assert "?duplicate=true" in html
    assert "ZeroGPU" in html
    assert "<script>" not in html


# -- who is logged in --------------------------------------------------------------------------------------------


def test_a_private_server_asks_for_a_password_and_knows_its_people(store, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    monkeypatch.setattr(accounts, "WRONG_PASSWORD_SECONDS", 0.0)
    set_password(store.folder, "anna", "correct horse")
    runner = Runner(store)
    app_client = client(store, runner)
    assert app_client.get("/config").status_code == 401
    assert (
        app_client.post(
            "/gradio_api/queue/join", json={"session_hash": "a", "fn_index": 0, "data": []}
        ).status_code
        == 401
    )
    assert app_client.get("/health").status_code == 200
    wrong = app_client.post("/login", data={"username": "anna", "password": "battery staple"})
    assert wrong.status_code == 400
    assert (
        app_client.post("/login", data={"username": "anna", "password": "correct horse"}).status_code == 200
    )
    assert app_client.get("/config").status_code == 200
    seen = []
    monkeypatch.setattr(page, "header_html", lambda *a: seen.append(a[4]) or "")
    logins = next(
        m.kwargs["visitors"].account for m in app_client.app.user_middleware if "visitors" in m.kwargs
    )
    cookies = {name: value for name, value in app_client.cookies.items() if name != COOKIE}
    assert logins(cookies) == account_owner("password", "anna")
    assert logins({}) is None
    assert logins(dict.fromkeys(cookies, "forged")) is None


@pytest.fixture
def itsdangerous(monkeypatch):
    """The signing of Gradio's sessions, as far as it is used: its own package comes with Gradio's login only."""

    class BadSignature(Exception):
        pass

    class TimestampSigner:
        def __init__(self, key):
            self.key = key.encode()

        def sign(self, value):
            return value + b"." + hmac.new(self.key, value, hashlib.sha256).hexdigest().encode()

        def unsign(self, signed, max_age):
            value, _, given = signed.rpartition(b".")
            if not hmac.compare_digest(self.sign(value).rpartition(b".")[2], given):
                raise BadSignature
            return value

    module = types.ModuleType("itsdangerous")
    module.BadSignature, module.TimestampSigner = BadSignature, TimestampSigner
    monkeypatch.setitem(sys.modules, "itsdangerous", module)
    return TimestampSigner


def session(signer, key="k", **info):
    info = {"userinfo": {"sub": "123", "preferred_username": "anna"}, "expires_at": time.time() + 60, **info}
    return signer(key).sign(base64.b64encode(json.dumps({"oauth_info": info}).encode())).decode()


def test_a_hugging_face_login_is_known_by_the_accounts_own_id(itsdangerous):
    assert accounts.subject_of(session(itsdangerous), "k") == "123"
    for wrong in (
        None,
        "",
        "x",
        session(itsdangerous, key="other"),
        session(itsdangerous, expires_at=time.time() - 1),
        session(itsdangerous, userinfo={}),
        session(itsdangerous, userinfo=None),
        itsdangerous("k").sign(b"no base64!").decode(),
        itsdangerous("k").sign(base64.b64encode(b"[]")).decode(),
    ):
        assert accounts.subject_of(wrong, "k") is None


def test_a_login_goes_before_the_cookie(itsdangerous):
    class SessionMiddleware:
        kwargs = {"secret_key": "k"}

    layer = types.SimpleNamespace(cls=SessionMiddleware, kwargs={"secret_key": "k"})
    logins = accounts.Logins()
    logins.page = types.SimpleNamespace(user_middleware=[layer])
    assert logins({"session": session(itsdangerous)}) == account_owner("huggingface", "123")
    assert logins({"session": "forged"}) is None
    assert logins({}) is None


def test_the_login_is_offered_where_the_space_has_one_alone(monkeypatch):
    assert not accounts.offers_huggingface_login()
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL", "SPACE_ID"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(accounts.importlib.util, "find_spec", lambda name: object())
    assert accounts.offers_huggingface_login()
    monkeypatch.delenv("OAUTH_CLIENT_SECRET")
    assert not accounts.offers_huggingface_login()


def test_the_greeting_says_who_one_is_and_stays_text():
    values = {"name": "Anna", "preferred_username": "<b>anna</b>", "profile": "", "picture": ""}
    assert "Logged in as &lt;b&gt;anna&lt;/b&gt;" in accounts.greeting(gr.OAuthProfile(values))
    assert "log in to find them again" in accounts.greeting(None)
