"""The checker of `tone`: reward(prompt, completion) in [0, 1], and which of two replies is preferred.

A reply is good when it is polite AND brief AND about the matter: courteous words in whole sentences, nothing rude, few
words, a word of the request taken up, nothing repeated to fill space. Standard library only.
"""

import itertools
import re
from collections import Counter

WEIGHTS = {"polite": 0.4, "brief": 0.25, "to_the_point": 0.2, "complete": 0.15}
SHORTEST, LONGEST = 6, 32  # words of a reply that is neither curt nor rambling
RUDE_FACTOR = 0.3  # what one rude phrase leaves of the whole reward

COURTESY = {
    "thanks": r"thank you|thanks for|many thanks|grateful",
    "regret": r"sorry|i apologi[sz]e|my apologies|i regret|forgive",
    "please": r"please",
    "pleasure": r"happy to|glad to|my pleasure|gladly|you are welcome|with pleasure",
    "offer": r"would you like|could you|may i|would it help|let me know|if you wish|if you like|can i help",
    "assent": r"of course|certainly|by all means|you are (?:quite )?right",
    "kindness": r"kind(?:ly)?|good (?:morning|day|evening)|have a (?:nice|good|lovely)|best wishes|i understand",
}
RUDE = re.compile(
    r"\b(?:stupid|silly|idiot|fool|dumb|shut up|go away|whatever|nonsense|ridiculous|lazy|nobody cares|(?:don't|do not) care|"
    r"not my (?:problem|job|fault)|your (?:own )?fault|waste of (?:my )?time|wasting my time|stop (?:bothering|whining|complaining)|leave me alone|"
    r"are you (?:blind|deaf)|so what|who cares|deal with it|get lost|how dare you|use your eyes|learn to|grow up|"
    r"as if i|what do you want|tough luck|hate|annoying|too bad)\b",
    re.I,
)
NEGATION = re.compile(r"\b(?:not|never|no|without|hardly)\b|n't\b", re.I)
FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "but",
        "so",
        "or",
        "then",
        "when",
        "because",
        "if",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "with",
        "from",
        "by",
        "into",
        "up",
        "down",
        "out",
        "over",
        "he",
        "she",
        "it",
        "they",
        "we",
        "i",
        "you",
        "his",
        "her",
        "its",
        "their",
        "him",
        "them",
        "me",
        "my",
        "your",
        "our",
        "us",
        "was",
        "were",
        "is",
        "are",
        "am",
        "had",
        "has",
        "have",
        "did",
        "do",
        "does",
        "be",
        "been",
        "will",
        "would",
        "can",
        "could",
        "may",
        "might",
        "that",
        "this",
        "these",
        "those",
        "as",
        "all",
        "very",
        "too",
        "not",
        "who",
        "there",
        "what",
        "which",
        "please",
    ]
)


def reward(prompt: str, completion: str) -> float:
    """How polite, brief and apt a reply is: the weighted parts, cut by rudeness and by repetition or stuffing."""
    total = sum(WEIGHTS[name] * value for name, value in parts(prompt, completion).items())
    rude = len(rudeness(completion))
    return round(max(0.0, min(1.0, total * RUDE_FACTOR**rude * variety(prompt, completion))), 4)


def prefers(prompt: str, a: str, b: str) -> bool:
    """Is `a` the better reply? False where both are equally good."""
    return reward(prompt, a) > reward(prompt, b)


def parts(prompt: str, completion: str) -> dict[str, float]:
    """The four parts, each in [0, 1]; `reward` weighs them."""
    return {
        "polite": politeness(completion),
        "brief": brevity(completion),
        "to_the_point": to_the_point(prompt, completion),
        "complete": completeness(completion),
    }


def politeness(text: str) -> float:
    """Different courtesies, at most one for each sentence: none 0, one 0.6, two or more 1. Denied ones do not count."""
    seen: set[str] = set()
    for sentence in sentences(text):
        if is_sentence(sentence):
            found = {n for n, pattern in COURTESY.items() if _said(pattern, sentence)} - seen
            if found:
                seen.add(min(found))
    return min(1.0, 0.6 * len(seen))


def _said(pattern: str, sentence: str) -> bool:
    return any(
        not NEGATION.search(" ".join(re.split(r"[,;:]", sentence[: match.start()])[-1].split()[-3:]))
        for match in re.finditer(rf"\b(?:{pattern})\b", sentence, re.I)
    )


def rudeness(text: str) -> set[str]:
    """The rude phrases of a reply; shouting in capitals is one of them."""
    found = {match[0].lower() for match in RUDE.finditer(text)}
    return found | ({"CAPITALS"} if len(re.findall(r"\b[A-Z]{3,}\b", text)) >= 2 else set())


def brevity(text: str) -> float:
    """1 between the bounds, falling to 0 at no words and at twice the longest."""
    count = len(words(text))
    if count < SHORTEST:
        return max(0.0, (count - 1) / (SHORTEST - 1))
    return 1.0 if count <= LONGEST else max(0.0, 2 - count / LONGEST)


def to_the_point(prompt: str, completion: str) -> float:
    """1 when a sentence takes up a word of the request that is not found in any sentence."""
    asked = {_stem(word) for word in words(prompt) if word not in FUNCTION_WORDS and len(word) > 2}
    said = {_stem(w) for line in sentences(completion) if is_sentence(line) for w in words(line)}
    return 1.0 if asked & said else 0.0


def completeness(text: str) -> float:
    """1 when the last sentence is whole, else 0."""
    return float(bool(re.search(r"[.!?]$", text.strip())) and is_sentence(sentences(text)[-1]))


def variety(prompt: str, text: str) -> float:
    """A factor: 1 for ordinary prose; small for loops, heaps of courtesies, and a copy of the request."""
    said = words(text)
    if len(said) < 2:
        return 0.2
    pairs = list(itertools.pairwise(said))
    factor = _falling(len(set(pairs)) / len(pairs), 0.85)
    lines = [" ".join(words(line)) for line in sentences(text)]
    factor *= _falling(len(set(lines)) / len(lines), 1.0)
    most = Counter(word for word in said if word not in FUNCTION_WORDS).most_common(1)
    if most:
        factor *= _falling(max(2, 0.1 * len(said)) / most[0][1], 1.0)
    courteous = sum(len(re.findall(rf"\b(?:{pattern})\b", text, re.I)) for pattern in COURTESY.values())
    factor *= _falling(5 / max(1, courteous), 1.0)
    factor *= min(1.0, sum(word in FUNCTION_WORDS for word in said) / len(said) / 0.25)
    before = words(prompt)
    old = set(zip(before, before[1:], before[2:], before[3:]))
    new = list(zip(said, said[1:], said[2:], said[3:]))
    copied = sum(four in old for four in new) / max(1, len(new))
    return factor * (1.0 if copied <= 0.35 else max(0.0, 1.35 - copied) ** 2)


def _falling(value: float, enough: float) -> float:
    return 1.0 if value >= enough else (value / enough) ** 3


def _stem(word: str) -> str:
    return re.sub(r"(?:ing|ed|es|s)$", "", word)


def sentences(text: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if piece.strip()] or [""]


def is_sentence(text: str) -> bool:
    said = words(text)
    own = [word for word in said if word not in FUNCTION_WORDS]
    return 2 <= len(said) <= 40 and len(own) - len(set(own)) <= 1 and len(own) < len(said)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
