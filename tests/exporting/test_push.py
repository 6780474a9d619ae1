"""Pushing to the Hub, with a fake of the Hub at the HTTP edge: what is sent, and that the token stays out of everything."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.exporting import push

TOKEN = "hf_" + "s3cret" * 5


class Hub(BaseHTTPRequestHandler):
    """Takes commits of small files as the Hub does; `refuse` answers everything with that status."""

    calls: list = []
    address = ""
    refuse = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        type(self).calls.append((self.path, dict(self.headers), body))
        if self.refuse:
            self._say(self.refuse, {"error": f"not with {TOKEN}"})
        elif self.path == "/api/repos/create":
            self._say(200, {"url": f"{self.address}/me/model", "name": "me/model", "id": "me/model"})
        elif self.path == "/api/validate-yaml":
            self._say(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self._say(200, {"files": files})
        elif "/commit/" in self.path:
            self._say(
                200,
                {
                    "success": True,
                    "commitOid": "c" * 40,
                    "commitUrl": f"{self.address}/me/model/commit/ccc",
                    "hookOutput": "",
                },
            )
        else:
            self._say(404, {"error": self.path})

    def do_GET(self):
        type(self).calls.append((self.path, dict(self.headers), ""))
        self._say(
            self.refuse or 200,
            {
                "id": "me/model",
                "sha": "c" * 40,
                "siblings": [],
                "private": True,
                "downloads": 0,
                "likes": 0,
                "tags": [],
            },
        )

    def _say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(Hub, "calls", [])
    monkeypatch.setattr(Hub, "refuse", None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(Hub, "address", f"http://127.0.0.1:{server.server_port}")
    yield Hub.address
    server.shutdown()


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "out"
    (found / "base").mkdir(parents=True)
    (found / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (found / "adapter_config.json").write_text("{}")
    (found / "base" / "config.json").write_text("{}")
    (found / ".hidden").write_text("x")
    return found


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(folder, hub):
    sending = push.dry_run(folder, "me/model")
    assert [name for name, _ in sending.files] == ["README.md", "adapter_config.json", "base/config.json"]
    assert sending.private
    assert Hub.calls == []
    for name in ("model", "me/", "me/mo del", "../x/y"):
        with pytest.raises(ValueError, match="OWNER/NAME"):
            push.dry_run(folder, name)


def test_what_the_dry_run_said_is_what_is_sent(folder, hub, tmp_path):
    sending = push.dry_run(folder, "me/model")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert push.push(folder, sending, TOKEN, endpoint=hub) == f"{hub}/me/model/commit/ccc"
    created = json.loads(next(body for path, _, body in Hub.calls if path == "/api/repos/create"))
    assert created.get("private") is True or created.get("visibility") == "private"
    commit = next(body for path, _, body in Hub.calls if "/commit/" in path)
    files = [line["value"] for line in map(json.loads, commit.splitlines()) if line["key"] == "file"]
    assert sorted(f["path"] for f in files) == [name for name, _ in sending.files]
    card = next(f for f in files if f["path"] == "README.md")
    assert base64.b64decode(card["content"]).decode().endswith("# A model\n")
    assert all(TOKEN not in body for _, _, body in Hub.calls)
    assert all(
        headers["authorization" if "authorization" in headers else "Authorization"] == f"Bearer {TOKEN}"
        for _, headers, _ in Hub.calls
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before, (
        "the token is not kept"
    )


def test_a_refusal_is_one_sentence_without_the_token(folder, hub, caplog, capsys):
    Hub.refuse = 403
    with pytest.raises(ValueError) as caught:
        push.push(folder, push.dry_run(folder, "me/model"), TOKEN, endpoint=hub)
    assert "status 403" in str(caught.value)
    captured = capsys.readouterr()
    for text in (str(caught.value), caplog.text, captured.out, captured.err):
        assert TOKEN not in text


def test_a_hub_that_is_not_there_is_one_sentence(folder, hub):
    with pytest.raises(ValueError, match="could not be reached"):
        push.push(folder, push.dry_run(folder, "me/model"), TOKEN, endpoint="http://127.0.0.1:9")


def test_a_card_with_open_fields_is_not_sent_by_accident(folder, hub):
    (folder / "README.md").write_text("# A model\nFILL IN: the licence\n")
    sending = push.dry_run(folder, "me/model")
    assert sending.open_fields == ("FILL IN: the licence",)
    with pytest.raises(ValueError, match="1 lines to fill in"):
        push.push(folder, sending, TOKEN, endpoint=hub)
    assert Hub.calls == []
    assert push.push(folder, sending, TOKEN, endpoint=hub, unfilled=True)
    with pytest.raises(ValueError, match="HF_TOKEN"):
        push.push(folder, sending, " ", endpoint=hub, unfilled=True)
