"""The page's translator in Debian's chromium: which message a text is, what becomes of a sentence with markup, what stays."""

import json
from typing import Any

import pytest

from workbench.ui.theme import page_file

pytestmark = pytest.mark.browser

MESSAGES = {
    "Compare": "比较",
    "Full fine-tuning": "全量微调",
    "accuracy": "准确率",
    "No row is empty": "没有空行",
    "Rows are kept.": "行会保留。",
    "Cannot tell {first} from {second}: {apart} apart.": "无法判断{first}与{second}：相差 {apart}。",
    "{count} row{s}": "{count} 行",
    "{count} seed{s} each": "各 {count} 个种子",
    "{count} point{s}": "{count} 个百分点",
    "the column “{name}” is empty": "“{name}”列是空的",
    "{value}Methods that share a letter are alike. {value_2}": "{value}有相同字母的方法没有差别。{value_2}",
    "Use `r` of the options": "使用选项 `r`",
    "Trains {what} with one seed": "用一个种子训练 {what}",
    "Bring your data and read the accuracy.": "带上数据，读出准确率。",
    "Show all {found}": "显示全部 {found} 项",
    "of {amount}": "共 {amount}",
    "{label} seed {seed}": "{label} 种子 {seed}",
    "finished": "已完成",
    "Full, rounded afterwards": "全量微调，之后舍入",
    "It cannot be told from {label}.": "无法判断它与 {label} 孰优孰劣。",
    "{count} {score} points": "{count} 个 {score} 百分点",
}
GLOSSARY = [
    {
        "words": ["准确率"],
        "text": "答对的份额。",
        "english": ["accuracy"],
        "explained": "The share of right answers.",
    }
]
CASES = {
    "Compare": "比较",
    "  Compare ": "  比较 ",
    "Cannot tell LoRA from Full fine-tuning: 0.5 points apart": "无法判断LoRA与全量微调：相差 0.5 个百分点",
    "360 rows, 3 seeds each": "360 行，各 3 个种子",
    "1 row": "1 行",
    "Rows are kept": "行会保留",
    "The column “Compare” is empty": "“Compare”列是空的",
    "Methods that share a letter are alike.": "有相同字母的方法没有差别。",
    "1,200 rows. Methods that share a letter are alike. No row is empty.": "1,200 行。有相同字母的方法没有差别。没有空行。",
    "Use r of the options": "使用选项 r",
    "No row is empty; Rows are kept.": "没有空行；行会保留。",
    "LoRA r=8 seed 1 finished: accuracy 88.1 %": "LoRA r=8 种子 1 已完成：准确率 88.1 %",
    "(IA)³ seed 1 finished, 3 seeds each": "(IA)³ 种子 1 已完成，各 3 个种子",
    "3 rows (accuracy)": "3 行（准确率）",
    "of 23.5\u00a0GiB": "共 23.5\u00a0GiB",
    "3 Nov 14:05": "11月3日 14:05",
    "Full, rounded afterwards scheme=int8, 3 seeds each": "全量微调，之后舍入 scheme=int8，各 3 个种子",
    "Cannot tell Full, rounded afterwards bits=2 from LoRA: 0.5 chrF points apart": "无法判断全量微调，之后舍入 bits=2与LoRA：相差 0.5 个 chrF 百分点",
    "It cannot be told from Full, rounded afterwards bits=2. 3 rows": "无法判断它与全量微调，之后舍入 bits=2 孰优孰劣。3 行",
    "Full, rounded af…": "全量微调，之后舍入…",
    "Full fine-tuning sch…": "全量微调 sch…",
}
UNTOUCHED = (
    "profile of people",
    "a row of houses",
    "fable-8m",
    "12.5 %",
    "比较",
    "nothing of the kind",
    "somebody's rows",
    "of course",
    "Nobody knows of…",
)
PAGE = """<div class="wb-html"><p id="term">Bring your data and read the <span class="wb-term"><button type="button"
 class="wb-term-word">accuracy</button><span class="wb-term-text" role="tooltip">The share of right answers.</span></span>.</p>
<p id="bold"><b>Cannot tell LoRA from Full fine-tuning</b>: <i id="kept">0.5 points</i> apart</p>
<div id="run"><strong>Trains</strong> LoRA with one seed<div id="block">Compare</div></div>
<p id="code">Use <code>r</code> of the options</p><button id="button" title="Compare">Compare<span class="wb-hidden"> LoRA</span></button>
<p id="no" translate="no">Compare <span id="yes" translate="yes">Compare</span></p><pre id="pre">Compare</pre>
<div class="wb-verbatim"><ul><li id="name">Compare</li><li id="words">Full fine-tuning</li></ul></div></div>
<p id="svelte">Compare <b>Full fine-tuning</b></p><label><input role="combobox" id="box" value="Compare"></label>
<textarea id="area" placeholder="Compare">Compare</textarea><svg><text id="svg">Compare</text></svg>"""


@pytest.fixture(scope="module")
def translator(chromium: Any) -> Any:
    page = chromium.new_page()
    page.set_content(f"<html><body>{PAGE}</body></html>")
    for name in ("phrases.js", "translate.js"):
        page.add_script_tag(content=page_file(name).read_text(encoding="utf-8"))
    words = json.dumps({"messages": MESSAGES, "glossary": GLOSSARY})
    page.evaluate(
        f"window.phrases = workbenchPhrases({json.dumps(MESSAGES)}); workbenchTranslate({words}, 'zh-Hans')"
    )
    yield page
    page.close()


@pytest.mark.parametrize("text", CASES)
def test_a_text_is_the_message_that_says_most_of_it(translator, text):
    assert translator.evaluate("text => phrases.translate(text)", text) == CASES[text]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_message_stays(translator, text):
    assert translator.evaluate("text => phrases.translate(text)", text) is None


def test_a_long_text_takes_no_longer_than_a_blink(translator):
    text = "; ".join(f"No row is of the kind, {i} rows of {i} seeds are alike" for i in range(60))
    took = translator.evaluate(
        "text => { const t = performance.now(); phrases.translate(text); return performance.now() - t; }",
        text,
    )
    assert took < 2000


def text_of(page: Any, name: str) -> str:
    return str(page.locator(f"#{name}").inner_text())


def test_a_sentence_with_markup_is_one_message(translator):
    assert text_of(translator, "bold") == "无法判断LoRA与全量微调：相差 0.5 个百分点"
    assert translator.locator("#bold i#kept").inner_text() == "0.5 个百分点", (
        "what fills a gap keeps its element"
    )
    assert text_of(translator, "run").splitlines()[0] == "用一个种子训练 LoRA"
    assert text_of(translator, "block") == "比较"
    assert translator.locator("#code code").inner_text() == "r"
    assert text_of(translator, "button") == "比较 LoRA"
    assert translator.get_attribute("#button", "title") == "比较"
    assert translator.text_content("#svg") == "比较"


def test_terms_are_explained_in_the_language(translator):
    assert translator.locator("#term .wb-term").count() == 1
    assert translator.locator("#term .wb-term-word").inner_text() == "准确率"
    assert translator.locator("#term .wb-term-text").text_content() == "答对的份额。"
    assert "data" not in translator.locator("#term").text_content()
    # No line begins with the sign: the term is a box, after which a browser may break the line.
    assert translator.locator("#term .wb-term-word + span").text_content() == "。"


def test_words_of_people_and_nodes_of_others_stay(translator):
    assert text_of(translator, "no") == "Compare 比较"
    assert text_of(translator, "pre") == "Compare"
    assert text_of(translator, "name") == "Compare"
    assert translator.input_value("#area") == "Compare"
    assert translator.get_attribute("#area", "placeholder") == "比较"
    assert text_of(translator, "words") == "全量微调"
    # Outside our own HTML only texts change: whoever made the nodes still holds them.
    assert translator.evaluate(
        "[...document.querySelector('#svelte').childNodes].map(n => n.textContent)"
    ) == ["比较 ", "全量微调"]


def test_changes_are_translated_before_they_are_seen(translator):
    translator.evaluate(
        """async () => {
          const node = document.querySelector('#svelte').firstChild;
          node.data = "3 rows";
          const more = document.createElement("p");
          more.id = "more";
          more.textContent = "Show all 5";
          document.body.append(more);
          document.querySelector("#bold").innerHTML = "<b>No row is empty</b>; Rows are kept";
          document.querySelector("#button").title = "Full fine-tuning";
          await Promise.resolve();
          window.seen = [node.data, more.textContent, document.querySelector("#bold").textContent, document.querySelector("#button").title];
        }"""
    )
    assert translator.evaluate("seen") == ["3 行", "显示全部 5 项", "没有空行；行会保留", "全量微调"]


def test_a_closed_field_shows_its_choice_translated_and_keeps_its_value(translator):
    field = "document.querySelector('#box').parentElement.getAttribute('data-said')"
    assert translator.evaluate(field) == "比较"
    assert translator.input_value("#box") == "Compare"
    translator.evaluate("document.querySelector('#box').value = 'Full fine-tuning'")
    assert translator.evaluate(field) == "全量微调"
    translator.evaluate("document.querySelector('#box').value = 'fable-8m'")
    assert translator.evaluate(field) is None
