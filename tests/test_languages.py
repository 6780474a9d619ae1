"""The page's languages: catalogues that say everything the code says, and nothing else; the route that hands them out."""

import json
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.messages import messages, split
from workbench import glossary, languages
from workbench.ui import language

GAP = re.compile(r"\{[^{}]*\}")
HAN = re.compile(r"[\u3400-\u9fff]")


@pytest.fixture(scope="module")
def said():
    found = messages()
    assert len(found) > 2000
    return found


def test_there_is_a_catalogue():
    assert languages.translated() == ("zh",)


@pytest.mark.parametrize("name", languages.translated())
def test_every_message_is_translated_and_none_is_left_over(said, name):
    known = languages.catalogue(name)
    assert [message for message in said if not known.get(message, "").strip()] == []
    assert [message for message in known if message not in said] == []


@pytest.mark.parametrize("name", languages.translated())
def test_a_translation_fills_only_gaps_that_its_message_has(name):
    wrong = {
        message: found
        for message, found in languages.catalogue(name).items()
        if not set(GAP.findall(found)) <= set(GAP.findall(message))
    }
    assert wrong == {}


def test_chinese_reads_as_chinese():
    known = languages.catalogue("zh")
    # A long sentence is not a name: it has Chinese in it.
    sentences = {message: found for message, found in known.items() if len(GAP.sub("", message).split()) > 5}
    assert len(sentences) > 1000
    assert [
        message for message, found in sentences.items() if not HAN.search(found) and found != message
    ] == []
    same = [message for message, found in sentences.items() if found == message]  # code and lists of words
    assert len(same) < 0.02 * len(sentences)
    # Full-width punctuation between Chinese words, without spaces beside it.
    assert [
        found for found in known.values() if re.search(r"[\u3400-\u9fff][,;?!] ?[\u3400-\u9fff]", found)
    ] == []
    assert [
        found for found in known.values() if re.search(r"\S +[，。；：？！]|[，。；：？！] +\S", found)
    ] == []


def test_what_a_message_is():
    assert list(split('<p title="A long word">Two <b>words</b> of {count:,}</p><p>next</p>')) == [
        "A long word",
        "Two words of {count}",
    ]
    assert list(split("{label} and {label} of {run.seed}, {0}")) == [
        "{label} and {label_2} of {run}, {value0}"
    ]
    for text in ("q_proj", "learning_rate", "SELECT a FROM b", "accuracy"):
        assert list(split(text)) == []


def test_an_unknown_language_is_refused_with_what_is_known():
    for name in ("xx", "en", "../zh"):
        with pytest.raises(ValueError, match="known: zh"):
            languages.catalogue(name)


def test_the_document_holds_messages_and_both_explanations_of_every_term():
    found = json.loads(languages.document("zh"))
    assert languages.catalogue("zh").items() <= found["messages"].items()
    assert len(found["glossary"]) == len(glossary.glossary("en"))
    lora = next(one for one in found["glossary"] if "LoRA" in one["english"])
    assert lora["text"] == glossary.entry("lora", "zh").text
    assert lora["explained"] == glossary.entry("lora", "en").text


def test_the_route_is_kept_as_long_as_the_content_stands():
    app = FastAPI()
    language.add_routes(app)
    client = TestClient(app)
    now = client.get(f"/language/zh.json?v={languages.version('zh')}")
    assert now.content == languages.document("zh")
    assert "immutable" in now.headers["cache-control"]
    assert client.get("/language/zh.json?v=old").headers["cache-control"] == "no-cache"
    assert client.get("/language/xx.json").status_code == 404
    assert "known: zh" in client.get("/language/xx.json").json()["detail"]
    assert f"language/zh.json?v={languages.version('zh')}" in language.head()


@pytest.mark.parametrize("name", ["en", "zh"])
def test_the_switch_names_each_language_in_itself_and_marks_the_one_in_use(name):
    html = str(language.switch(name))
    assert 'lang="en"' in html
    assert 'lang="zh-Hans"' in html
    assert "中文" in html
    pressed = re.findall(r'data-language="(\w+)" aria-pressed="true"', html)
    assert pressed == [name]
