"""A server with real, tiny runs: every answer is the one that the run gives alone, however many ask at once."""

import concurrent.futures
import dataclasses
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import httpx
import openai
import pytest

from tests.exports import train_run, with_fingerprint
from tests.generation import generation_prepared, generation_spec
from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import inference
from workbench.cli import main
from workbench.serving.backend import EngineBackend
from workbench.serving.bench import running
from workbench.serving.limits import Limits
from workbench.spec import Budget
from workbench.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
ADAPTERS = 8


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Eight LoRA runs that write, one full, one prompt, and one that labels, all on one tiny llama."""
    folder = tmp_path_factory.mktemp("serve")
    store, model = Store(folder / "store"), tiny_folder("llama", folder)
    ids = []
    for seed in range(ADAPTERS):
        spec = generation_spec(model, "lora", learning_rate=2e-2, budget=Budget("steps", 12 + seed))
        spec = dataclasses.replace(spec, seed=seed)
        ids.append(train_run(store, *with_fingerprint(spec, generation_prepared())))
    for method in ("full", "prompt"):
        spec = generation_spec(model, method, learning_rate=1e-2, budget=Budget("steps", 30))
        ids.append(train_run(store, *with_fingerprint(spec, generation_prepared())))
    spec = tiny_spec(model, "lora", learning_rate=2e-2, budget=Budget("epochs", 2))
    ids.append(train_run(store, *with_fingerprint(spec, tiny_prepared())))
    return store, ids


@pytest.fixture(scope="module")
def served(trained):
    store, ids = trained
    with running(EngineBackend(store, [store.run(i) for i in ids]), Limits(port=0)) as url:
        yield url, store, ids


def streamed(url, model, prompt):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600)
    pieces = client.completions.create(model=model, prompt=prompt, temperature=0, max_tokens=10, stream=True)
    return "".join(piece.choices[0].text for piece in pieces if piece.choices)


def test_fifty_at_once_get_the_answers_that_each_gets_alone(served):
    url, store, ids = served
    prompts = [row["prompt"] for row in generation_prepared().rows["test"]]
    asks = [(ids[i % ADAPTERS], prompts[i % len(prompts)]) for i in range(50)]
    alone = [streamed(url, *ask) for ask in asks]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        together = list(pool.map(lambda ask: streamed(url, *ask), asks))
    assert together == alone
    assert len(set(alone)) > 5, "adapters that all say the same would prove nothing"
    for (run_id, prompt), text in list(zip(asks, alone))[:10]:
        assert text == inference.answer(store, [run_id], prompt, with_base=False)[0]["text"]
    metrics = httpx.get(f"{url}/metrics").text
    sizes = [line for line in metrics.splitlines() if line.startswith("workbench_batch_requests_bucket")]
    ones = next(float(line.split()[-1]) for line in sizes if 'le="1"' in line)
    everything = next(float(line.split()[-1]) for line in sizes if 'le="+Inf"' in line)
    assert everything > ones, "no two requests were ever answered together"


def test_methods_that_can_not_mix_are_served_beside_the_others(served):
    url, store, ids = served
    prompts = [row["prompt"] for row in generation_prepared().rows["test"]][:4]
    asks = [(run_id, prompt) for run_id in ids[ADAPTERS - 1 : ADAPTERS + 2] for prompt in prompts]
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        found = list(pool.map(lambda ask: streamed(url, *ask), asks))
    for (run_id, prompt), text in zip(asks, found):
        assert text == inference.answer(store, [run_id], prompt, with_base=False)[0]["text"]


def test_every_run_is_listed_and_a_classifier_gives_labels(served):
    url, store, ids = served
    assert [model["id"] for model in httpx.get(f"{url}/v1/models").json()["data"]] == ids
    texts = [row["text"] for row in tiny_prepared().rows["test"]][:8]
    body = {"model": ids[-1], "input": texts}
    found = httpx.post(f"{url}/v1/classify", json=body, timeout=300).json()["data"]
    for text, row in zip(texts, found):
        wanted = inference.answer(store, [ids[-1]], text, with_base=False)[0]
        assert row["label"] == wanted["label"]
        assert row["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


def test_a_chat_is_laid_out_as_the_run_was_taught(served):
    url, _, ids = served
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=300)
    said = client.chat.completions.create(
        model=ids[0], messages=[{"role": "user", "content": "film slow"}], temperature=0, max_tokens=10
    )
    assert said.choices[0].message.content == streamed(url, ids[0], "film slow")
    assert said.usage.completion_tokens <= 10


def test_bench_says_equal_and_how_fast(trained, monkeypatch, capsys):
    store, ids = trained
    monkeypatch.setenv("WORKBENCH_HOME", str(store.folder))
    assert (
        main(["bench", "serve", ",".join(ids[:ADAPTERS]), "--requests", "24", "--new-tokens", "8", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] == found["requests"] == 24
    assert found["errors"] == 0
    assert found["at_once"]["p95_ms"] > 0
    print(json.dumps(found, indent=1))


def test_the_command_serves_and_ends_on_a_signal(trained):
    store, ids = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "workbench",
        "serve",
        ids[0],
        "--port",
        str(port),
        "--store",
        str(store.folder),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        begun = time.monotonic()
        while True:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() - begun < 300
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                time.sleep(0.2)
        assert streamed(f"http://127.0.0.1:{port}", ids[0], "film slow")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code in (0, -signal.SIGTERM)
