"""Names under which texts and labels usually go, and the names of the parts of a data set."""

from __future__ import annotations

import re

TEXT_NAMES = (
    "text", "sentence", "review", "content", "utterance", "question", "query", "message", "comment", "tweet",
    "review_text", "review_body", "body", "document", "post", "article", "abstract", "description", "headline",
    "title", "prompt", "input", "sms",
    "文本", "内容", "评论", "句子", "正文", "文章", "问题", "标题", "text_a",
)  # fmt: skip
LABEL_NAMES = (
    "label_text", "label_name", "label", "labels", "class", "intent", "sentiment", "category", "target", "topic",
    "stars", "rating", "polarity", "emotion", "gold", "gold_label", "tag", "class_name", "label_id", "spam",
    "标签", "类别", "分类", "情感", "意图", "类型", "y", "v1", "score",
)  # fmt: skip
PAIRS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2"),
    ("text_a", "text_b"), ("sent1", "sent2"), ("s1", "s2"), ("question", "sentence"), ("question", "passage"),
    ("query", "passage"),
)  # fmt: skip
# What is asked and what is to be answered; the first pair is the format's own.
PROMPT_COMPLETION_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("prompt", "output"), ("prompt", "answer"), ("prompt", "target"),
    ("instruction", "response"), ("question", "answer"), ("question", "response"), ("question", "output"),
    ("problem", "solution"), ("query", "response"), ("query", "answer"), ("input", "output"), ("input", "target"),
    ("inputs", "targets"), ("source", "target"), ("src", "tgt"), ("text", "summary"), ("document", "summary"),
    ("dialogue", "summary"), ("article", "highlights"), ("article", "summary"), ("context", "response"),
    ("meaning_representation", "target"), ("meaning_representation", "human_reference"), ("mr", "ref"),
    ("prompt", "chosen"), ("question", "chosen"), ("conversations", "chosen"), ("input", "preferred_output"),
    ("text", "target"), ("q", "a"),
    ("提示", "回答"), ("问题", "答案"), ("问题", "回答"), ("问", "答"), ("指令", "输出"), ("输入", "输出"), ("原文", "译文"),
    ("原文", "摘要"), ("文章", "摘要"), ("正文", "摘要"), ("文本", "摘要"), ("内容", "摘要"),
)  # fmt: skip
# The better and the worse of two answers.
CHOSEN_NAMES = (
    "chosen", "chosen_response", "response_chosen", "preferred", "preferred_output", "winner", "好回答", "优选",
)  # fmt: skip
REJECTED_NAMES = (
    "rejected", "rejected_response", "response_rejected", "dispreferred", "non_preferred_output", "loser", "差回答", "拒绝",
)  # fmt: skip
PARTS = {
    "train": "train", "training": "train", "trn": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
PART_ORDER = ("train", "validation", "test")


def plain(name: str) -> str:
    """`Review Text` and `review-text` are the same name."""
    return re.sub(r"[\s\-.]+", "_", name.strip().casefold())


def is_known(name: str) -> bool:
    return plain(name) in _KNOWN


_KNOWN = {*TEXT_NAMES, *LABEL_NAMES, *(name for pair in PAIRS for name in pair), "id", "idx", "index"}


def part_of(stem: str) -> str | None:
    """The part that a file name speaks of: `train`, `dev`, `test_official`, `train-00000-of-00002`; None without one."""
    words = re.split(r"[\W_]+", stem.casefold())
    found = {PARTS[word] for word in words if word in PARTS}
    return found.pop() if len(found) == 1 else None
