"""Fine-tuning on conversations: rows read, replies alone learnt, neighbours in a window unseen, answers judged."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.test_pretrain import DECODER, events, pretrain_here
from workbench.pretraining import chat
from workbench.pretraining.config import from_values, load_config

COLOURS = "red blue green white black".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def tokenizer():
    from workbench.home import shipped
    from workbench.pretraining.tokenizer import read_backend, wrap

    return wrap(read_backend(shipped("assets") / "models" / "fable-8m"), "chat", 64)


def write(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def user(text):
    return {"role": "user", "content": text}


def test_rows_of_three_forms_are_read_and_names_filled_in(tmp_path):
    rows = [
        {"instruction": "Count.", "input": "a, a", "output": "2", "kind": "count"},
        {"prompt": "Who made you?", "completion": "{maker} made {name}.", "references": ["{name}"]},
        {"prompt": "1 + 1", "completion": "So\n#### 2", "answer": 2},
        {"messages": [user("Hi"), {"role": "assistant", "content": "Ho"}]},
    ]
    found = list(chat.chats(write(tmp_path / "x.jsonl", rows), {"name": "Fable", "maker": "the team"}))
    assert [one.messages for one in found] == [
        (user("Count.\na, a"),),
        (user("Who made you?"),),
        (user("1 + 1"),),
        (user("Hi"),),
    ]
    assert [one.reply for one in found] == ["2", "The team made Fable.", "So\n#### 2", "Ho"]
    assert (found[0].kind, found[2].answer) == ("count", "2")


@pytest.mark.parametrize("row", [{"text": "x"}, {"prompt": "x"}, {"messages": [user("x")]}, ["x"], 3])
def test_a_row_that_is_no_conversation_is_named_by_its_line(tmp_path, row):
    path = write(tmp_path / "x.jsonl", [{"prompt": "x", "completion": "y"}, row])
    with pytest.raises(ValueError, match=r"x\.jsonl, line 2: not a JSON object with messages"):
        list(chat.chats(path))


def test_an_answer_is_right_word_for_word_or_by_its_final_number():
    plain = chat.Chat((), "The mice.", references=("Some mice.",))
    assert plain.is_right(" The  mice.\n")
    assert plain.is_right("Some mice.")
    assert not plain.is_right("The mouse.")
    number = chat.Chat((), "4 + 4 = 8\n#### 8", answer="8")
    assert number.is_right("2 * 4 = 8\n#### 8")
    assert not number.is_right("8")
    assert not number.is_right("#### 18")


def test_only_the_last_reply_is_learnt(tokenizer):
    turns = (user("One?"), {"role": "assistant", "content": "Yes."}, user("Two?"))
    (one,) = chat.encode(tokenizer, [chat.Chat(turns, "No, three.")])
    assert tokenizer.decode(one.ids[one.learnt]) == "No, three.<|eos|>"
    assert tokenizer.decode(one.ids) == (
        "<|bos|><|user|>One?<|assistant|>Yes.<|eos|><|user|>Two?<|assistant|>No, three.<|eos|>"
    )
    begun = chat.prompt_ids(tokenizer, chat.Chat(turns, ""))
    assert begun == one.ids[: len(begun)].tolist()
    assert one.learnt.argmax() == len(begun)


def test_conversations_in_one_window_do_not_see_each_other():
    import torch

    from tests.test_pretrain import tiny

    model = tiny(DECODER).eval()
    draw = np.random.default_rng(0)
    parts = [chat.Encoded(draw.integers(3, 64, n), np.arange(n) > 2) for n in (7, 9)]
    made = chat.window(parts, 20, pad_id=0)
    assert (made["labels"] != -100).sum() == 4 + 6
    with torch.no_grad():
        inputs = {key: torch.from_numpy(made[key])[None] for key in made if key != "labels"}
        together = model(**inputs).logits[0]
        alone = [model(torch.from_numpy(one.ids)[None]).logits[0] for one in parts]
    assert torch.allclose(together[:7], alone[0], atol=1e-5)
    assert torch.allclose(together[7:16], alone[1], atol=1e-5)
    assert torch.isfinite(together).all()


def test_windows_follow_from_the_seed_and_hold_whole_conversations():
    parts = [chat.Encoded(np.full(n, n), np.ones(n, dtype=bool)) for n in (5, 6, 7)]
    one, same, other = (chat.ChatWindows([(parts, 1.0)], 20, 9, seed, 0) for seed in (1, 1, 2))
    assert all(np.array_equal(one[i]["input_ids"], same[i]["input_ids"]) for i in range(9))
    assert not all(np.array_equal(one[i]["input_ids"], other[i]["input_ids"]) for i in range(9))
    for i in range(9):
        ids = one[i]["input_ids"]
        assert all((ids == n).sum() % n == 0 for n in (5, 6, 7))
    assert sum(len(w["input_ids"]) for w in chat.windows_in_order(parts, 12, 0)) == 24
    with pytest.raises(ValueError, match="a conversation has 7 tokens and context is 6"):
        chat.ChatWindows([(parts, 1.0)], 6, 9, 0, 0)


def test_a_file_for_conversations_names_whose_tokenizer_it_takes():
    values = {"name": "x", "objective": "chat", "tokens": 10, "architecture": DECODER}
    sources = {"a": {"train": "t", "heldout": "h", "names": {"name": 3}}}
    with pytest.raises(ValueError, match="objective chat needs start or tokenizer"):
        from_values(values | {"sources": {"a": {"train": "t", "heldout": "h"}}})
    with pytest.raises(ValueError, match="source a: names says what each mark"):
        from_values(values | {"tokenizer": "embedded:fable-8m", "sources": sources})


def test_a_tiny_model_learns_to_answer_and_its_card_says_how_well(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    draw = random.Random(0)

    def row():
        colours = draw.sample(COLOURS, 2)
        return {
            "prompt": f"Not {colours[0]}: {colours[0]}, {colours[1]}",
            "completion": colours[1],
            "kind": "other",
        }

    rows = [row() for _ in range(40)]
    write(tmp_path / "c.train.jsonl", [*rows, {"prompt": "Held out?", "completion": "yes"}])
    write(
        tmp_path / "c.rest.jsonl", [{"prompt": "Held out?", "completion": "yes", "kind": "held"}, *rows[:7]]
    )
    work = pretrain_here(
        tmp_path,
        objective="chat",
        tokenizer="embedded:fable-8m",
        sources={"colours": {"train": "c.train.jsonl", "heldout": "c.rest.jsonl"}},
        context=64,
        tokens=60 * 8 * 64,
        learning_rate=0.02,
        precision="bfloat16",
    )
    losses = [e["loss"] for e in events(work, "step")]
    assert losses[-1] < losses[0] - 1
    folder = work / "result"
    report = json.loads((folder / "pretraining.json").read_text())
    scores, facts = report["heldout"]["colours"], report["sources"]["colours"]
    assert scores["asked"] == facts["heldout_conversations"] == 8
    assert facts["documents_dropped_because_held_out"] >= 1 + 7
    assert set(scores["kinds"]) == {"held", "other"}
    readme = (folder / "README.md").read_text()
    assert f"| colours | 8 | {scores['exact_match']:.1%} |" in readme
    assert "## Answers" in readme

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer.apply_chat_template([user("Hi")], tokenize=False, add_generation_prompt=True) == (
        "<|bos|><|user|>Hi<|assistant|>"
    )
    asked = tokenizer.apply_chat_template(
        [user("Held out?")], add_generation_prompt=True, return_tensors="pt"
    )
    # What the card says is what the model does where nothing but the conversation is in front of it.
    held = chat.encode(tokenizer, list(chat.chats(tmp_path / "c.rest.jsonl")))
    plainly = [
        torch.log_softmax(model(torch.from_numpy(one.ids)[None]).logits[0, :-1].float(), -1) for one in held
    ]
    lost = [-odds[range(len(odds)), one.ids[1:]][one.learnt[1:]] for odds, one in zip(plainly, held)]
    assert torch.cat(lost).mean().item() == pytest.approx(scores["nats_per_token"], rel=0.02)
    said = model.generate(**asked, max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert tokenizer.decode(said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True).strip() in {
        one["continuation"] for one in report["continuations"]
    }


def test_the_shipped_file_needs_nothing_but_what_is_shipped(monkeypatch):
    from workbench.pretraining.config import find_config, sources_of

    monkeypatch.delenv("WORKBENCH_SHARED", raising=False)
    path = find_config("fable-8m-chat")
    config = load_config(path)
    for source in sources_of(config, path.parent):
        names = config.sources[source.name].get("names")
        rows = [*chat.chats(source.train, names), *chat.chats(source.heldout, names)]
        assert not any("{" in one.reply for one in rows)
