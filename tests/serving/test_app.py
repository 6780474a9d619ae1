"""The server as OpenAI's own client meets it: models, answers whole and streamed, refusals, keys, limits, metrics."""

import threading
import time

import httpx
import openai
import pytest

from tests.serving.fake import Capitals
from workbench.serving.bench import running
from workbench.serving.limits import Limits

KEY = "k" * 24


def client(url, key="none"):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30)


@pytest.fixture(scope="module")
def served():
    backend = Capitals()
    with running(backend, Limits(port=0, new_tokens=64, request_bytes=20_000, prompts=4)) as url:
        yield url, backend


def test_every_run_is_listed_classifiers_too(served):
    models = client(served[0]).models.list().data
    assert [model.id for model in models] == ["aaaa1111", "bbbb2222", "cccc3333"]
    assert client(served[0]).models.retrieve("bbbb").id == "bbbb2222"
    listed = httpx.get(f"{served[0]}/v1/models").json()["data"]
    assert listed[2]["labels"] == ["bad", "good"]


def test_completions_and_chats_whole_and_streamed(served):
    asked = client(served[0])
    whole = asked.completions.create(model="aaaa1111", prompt="one two", temperature=0)
    assert whole.choices[0].text == "aaaa1111: ONE TWO"
    assert whole.choices[0].finish_reason == "stop"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (2, 3)
    stream = asked.completions.create(
        model="bbbb2222", prompt="one two", stream=True, stream_options={"include_usage": True}
    )
    pieces = list(stream)
    assert "".join(p.choices[0].text for p in pieces if p.choices) == "bbbb2222: ONE TWO"
    assert len([p for p in pieces if p.choices and p.choices[0].text]) == 3
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage.completion_tokens == 3
    turns = [
        {"role": "system", "content": "short"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    ]
    chat = asked.chat.completions.create(model="aaaa1111", messages=turns)
    assert chat.choices[0].message.content == "aaaa1111: HELLO"
    deltas = list(asked.chat.completions.create(model="aaaa1111", messages=turns, stream=True))
    assert deltas[0].choices[0].delta.role == "assistant"
    assert "".join(d.choices[0].delta.content or "" for d in deltas) == "aaaa1111: HELLO"


def test_several_prompts_are_several_choices(served):
    found = client(served[0]).completions.create(model="aaaa1111", prompt=["x", "y z"], max_tokens=2)
    assert [c.index for c in found.choices] == [0, 1]
    assert [c.text for c in found.choices] == ["aaaa1111: X", "aaaa1111: Y"]
    assert [c.finish_reason for c in found.choices] == ["stop", "length"]


def test_decoding_is_what_was_asked_for(served):
    url, backend = served
    client(url).completions.create(model="aaaa", prompt="x", temperature=0.7, top_p=0.5, seed=5, stop=["z"])
    last = backend.asked[-1]
    assert last.options == {
        "max_new_tokens": 16, "do_sample": True, "temperature": 0.7, "top_p": 0.5, "decoding_seed": 5,
    }  # fmt: skip
    assert last.stop == ("z",)
    client(url).completions.create(model="aaaa", prompt="x", temperature=0)
    assert backend.asked[-1].options == {"max_new_tokens": 16, "do_sample": False}


def test_an_answer_gets_the_room_that_its_prompt_leaves(served):
    url, backend = served
    client(url).completions.create(model="aaaa1111", prompt="w " * 20)
    assert backend.asked[-1].options["max_new_tokens"] == 12


def test_labels(served):
    found = httpx.post(
        f"{served[0]}/v1/classify", json={"model": "cccc3333", "input": ["good", "awful"]}
    ).json()
    assert [row["label"] for row in found["data"]] == ["good", "bad"]
    assert found["data"][0]["probabilities"] == {"bad": 0.25, "good": 0.75}
    assert found["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("completions", {"model": "nobody", "prompt": "x"}, 404, "there is no model 'nobody'"),
        ("completions", {"model": "cccc3333", "prompt": "x"}, 400, "ask it at /v1/classify"),
        ("classify", {"model": "aaaa1111", "input": "x"}, 400, "/v1/completions"),
        ("completions", {"model": "aaaa1111", "prompt": " "}, 400, "empty"),
        ("completions", {"model": "aaaa1111", "prompt": "w " * 21}, 400, "has 21 tokens"),
        ("completions", {"model": "aaaa1111", "prompt": "w " * 20, "max_tokens": 13}, 400, "takes 32 together"),
        ("completions", {"model": "aaaa1111", "prompt": "x", "max_tokens": 65}, 400, "at most 64"),
        ("completions", {"model": "aaaa1111", "prompt": ["x"] * 5}, 400, "at most 4 texts"),
        ("completions", {"model": "aaaa1111", "prompt": "x", "n": 2}, 400, "n is 1"),
        ("completions", {"model": "aaaa1111", "prompt": "x", "logprobs": 3}, 400, "logprobs"),
        ("completions", {"model": "aaaa1111", "prompt": "x", "temperature": 3}, 400, "temperature"),
        ("completions", {"model": "aaaa1111"}, 400, "prompt"),
        ("chat/completions", {"model": "aaaa1111", "messages": []}, 400, "messages"),
        ("chat/completions", {"model": "aaaa1111", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "image_url"),
        ("nowhere", {}, 404, "Not Found"),
    ],
)  # fmt: skip
def test_what_can_not_be_had_is_refused_in_a_sentence(served, path, body, status, words):
    answer = httpx.post(f"{served[0]}/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert words in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def test_large_requests_are_refused_however_they_come(served):
    url = f"{served[0]}/v1/completions"
    assert httpx.post(url, content=b"x" * 20_001).status_code == 413
    pieces = (b"x" * 1000 for _ in range(40))  # no content-length
    answer = httpx.post(url, content=pieces, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "20,000 bytes" in answer.json()["error"]["message"]


def test_other_hosts_names_are_not_answered_without_a_key(served):
    answer = httpx.get(f"{served[0]}/v1/models", headers={"Host": "evil.example"})
    assert answer.status_code == 421


def test_health_and_metrics(served):
    url = served[0]
    assert httpx.get(f"{url}/health").json()["status"] == "ok"
    client(url).completions.create(model="aaaa1111", prompt="for the record")
    text = httpx.get(f"{url}/metrics").text
    assert 'workbench_requests_total{route="/v1/completions",status="200"}' in text
    assert 'workbench_tokens_total{kind="completion",model="aaaa1111"}' in text
    assert 'workbench_batch_requests_bucket{le="+Inf"}' in text
    assert "# TYPE workbench_request_seconds histogram" in text
    assert "workbench_served_models 3" in text


def test_a_key_is_asked_for_and_health_is_open():
    with running(Capitals(), Limits(port=0, api_key=KEY)) as url:
        assert httpx.get(f"{url}/health").status_code == 200
        for path in ("/v1/models", "/metrics"):
            assert httpx.get(url + path).status_code == 401
        with pytest.raises(openai.AuthenticationError):
            client(url, "wrong").models.list()
        assert client(url, KEY).models.list().data
        assert (
            httpx.get(
                f"{url}/v1/models", headers={"Authorization": f"Bearer {KEY}", "Host": "a.b"}
            ).status_code
            == 200
        )


def test_only_loopback_goes_without_a_key():
    with pytest.raises(ValueError, match=r"API key is required to listen on 0\.0\.0\.0"):
        Limits(host="0.0.0.0")
    with pytest.raises(ValueError, match="at least 16"):
        Limits(host="0.0.0.0", api_key="short")
    assert Limits(host="::1").api_key == ""
    assert Limits(host="0.0.0.0", api_key=KEY)


def test_requests_that_come_while_one_is_answered_go_together():
    hold = threading.Event()
    backend = Capitals(hold=hold)
    with running(backend, Limits(port=0)) as url:
        texts = [None] * 9

        def ask(i):
            texts[i] = (
                client(url).completions.create(model=("aaaa", "bbbb")[i % 2], prompt=f"w{i}").choices[0].text
            )

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(9)]
        threads[0].start()
        while not backend.batches:
            time.sleep(0.005)
        for thread in threads[1:]:
            thread.start()
        deadline = time.monotonic() + 20
        while "workbench_waiting_requests 8" not in httpx.get(f"{url}/metrics").text:
            assert time.monotonic() < deadline
        hold.set()
        for thread in threads:
            thread.join(20)
    assert backend.batches == [1, 8]
    assert texts == [f"{('aaaa1111', 'bbbb2222')[i % 2]}: W{i}" for i in range(9)]


def test_too_many_waiting_are_told_to_come_again():
    hold = threading.Event()
    with running(Capitals(hold=hold), Limits(port=0, waiting=1, batch=1)) as url:
        asked = client(url)
        threads = [
            threading.Thread(target=lambda: asked.completions.create(model="aaaa", prompt="x"), daemon=True)
            for _ in range(2)
        ]
        threads[0].start()
        while "running_requests 1" not in httpx.get(f"{url}/metrics").text:
            time.sleep(0.005)
        threads[1].start()
        while "waiting_requests 1" not in httpx.get(f"{url}/metrics").text:
            time.sleep(0.005)
        with pytest.raises(openai.RateLimitError):
            asked.completions.create(model="aaaa", prompt="x")
        hold.set()
        for thread in threads:
            thread.join(20)


def test_an_answer_ends_when_its_reader_goes():
    backend = Capitals(pause=0.05)
    with running(backend, Limits(port=0)) as url:
        stream = client(url).completions.create(model="aaaa", prompt="a b c d e f g h i j k l m", stream=True)
        next(iter(stream))
        stream.close()
        deadline = time.monotonic() + 10
        while not backend.stopped and time.monotonic() < deadline:
            time.sleep(0.02)
    assert backend.stopped == ["a b c d e f g h i j k l m"]


def test_shutting_down_finishes_what_was_begun():
    backend, found = Capitals(pause=0.05), []
    with running(backend, Limits(port=0)) as url:
        stream = client(url).completions.create(model="aaaa", prompt="a b c d e f", stream=True)
        pieces = iter(stream)
        found.append(next(pieces).choices[0].text)
        reader = threading.Thread(target=lambda: found.extend(p.choices[0].text for p in pieces))
        reader.start()
    reader.join(20)
    assert "".join(found) == "aaaa1111: A B C D E F"


def test_a_failing_model_is_an_error_and_tells_no_secrets():
    with running(Capitals(fails=True), Limits(port=0)) as url:
        answer = httpx.post(f"{url}/v1/completions", json={"model": "aaaa1111", "prompt": "x"})
        assert answer.status_code == 500
        assert "secret" not in answer.text
        lines = httpx.post(
            f"{url}/v1/completions", json={"model": "aaaa1111", "prompt": "x", "stream": True}
        ).text
        assert "error" in lines
        assert "secret" not in lines
        assert httpx.get(f"{url}/health").status_code == 200
