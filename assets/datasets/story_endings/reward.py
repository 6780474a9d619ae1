"""The checker of `story_endings`: reward(prompt, completion) in [0, 1], and which of two endings is preferred.

An ending is good when it is kind AND complete: a kind act is done, nothing unkind happens, the character named in the
start is there, the last sentence is whole, and nothing is repeated to fill space. Standard library only.
"""

import itertools
import re
from collections import Counter

WEIGHTS = {"kindness": 0.45, "complete": 0.25, "named": 0.2, "length": 0.1}
SHORTEST, LONGEST = 10, 70  # words of an ending that is neither a stub nor a ramble
UNKIND_FACTOR = 0.35  # what one unkind act leaves of the whole reward; a second one leaves this share of that

# Acts that are done. A match is one act; the same act twice is still one.
KIND_ACTS = {
    "help": r"helped|saved|rescued|freed",
    "share": r"shared",
    "give": r"(?:gave|handed|lent|brought|offered) (?:\w+ ){1,5}to (?:the|his|her|a|[A-Z])|"
    r"gave (?:him|her|it|them) (?:a|an|half|more|some|the|one|two|his|her)\b(?! (?:push|kick|slap|mean))|gave (?:it|half|some|one) (?:of \w+ )?(?:to|back)",
    "lend": r"lent (?:him|her|it|them)|lent [A-Z]\w+|let (?:him|her|it|them|[A-Z]\w+) (?:play|ride|use|have|hold|sleep|join|sit|go first|wear|come|share)",
    "hug": r"hugged|hugs?\b(?= and)|gave (?:\w+ ){1,3}(?:big |warm )?hug",
    "comfort": r"comforted|cheered (?:\w+ ){1,3}up|dried (?:his|her|its) tears|held (?:his|her|its) (?:hand|paw)|patted|"
    r"made (?:\w+ ){1,3}feel (?:better|safe|warm|welcome)|calmed",
    "care": r"(?:took|taken) (?:good )?care of|look(?:ed|ing) after|fed|wrapped|washed|fixed|mended|bandaged|carried (?:\w+ ){1,3}(?:home|back|up)|"
    r"warmed|covered",
    "invite": r"invited|asked (?:him|her|it|them|[A-Z]\w+) to (?:play|join|come|sit)|made room",
    "sorry": r"said sorry|says sorry|forgave|apologi[sz]ed",
    "thank": r"thanked|(?:he|she|they) (?:was|were) (?:so |very )?(?:kind|gentle)|spoke (?:kindly|gently|softly)",
    "with": r"stayed with|walked (?:him|her|it|them|[A-Z]\w+) home|sat (?:down )?with (?:him|her|it|them)|waited with",
    "kindness": r"(?:was|were|be|being) (?:so |very |always )?(?:kind|nice|gentle)",
}
# Acts that are only meant, asked for or allowed count half.
KIND_WISHES = {
    "help": r"(?:to|can|will|could|[Ll]et's|[Ll]et us|must|should|would|please) help\b|helping",
    "share": r"(?:to|can|will|could|[Ll]et's|must|should|we) share\b|sharing|(?:take|took|taking) turns",
    "give": r"(?:to|can|will|could|would) give\b (?:him|her|it|them|you|some|half)",
    "hug": r"\bhug\b",
    "thank": r"[Tt]hank you|[Tt]hanks",
    "invite": r"can (?:play|come|join)|you may (?:play|have|use)",
    "kindness": r"\bkind\b|kindness|friendly|gently|caring",
    "sorry": r"(?:I'm|I am|am so|so) sorry",
    "care": r"take care of|(?:to|will|can) (?:feed|fix|mend|look after)\b",
}
UNKIND_ACTS = {
    "hit": r"\b(?:hit|hits|hitting)\b|\bkick(?:ed|s|ing)?\b|\bpush(?:ed|es|ing)? (?:him|her|it|them|away|the|[A-Z])|\bpinch(?:ed|es)?\b|\bslapp?(?:ed|s)?\b|\bpoked?\b|pulled (?:his|her|its) (?:hair|tail|ear)|\bshoved?\b",
    "hurt": r"\b(?:hurt|hurts|hurting) (?:him|her|it|them|the|his|her|[A-Z])|\bkill(?:ed|s)?\b|\bfight(?:ing)?\b|\bfought\b|\b(?:bit|bites?) (?:him|her|it|them|the|[A-Z])",
    "take": r"\bgrab(?:bed|s)? (?:\w+ ){1,4}(?:away|from)|\bsnatch(?:ed|es)?\b|\b(?:steal|stole|stolen|steals)\b|took (?:\w+ ){1,4}away from|\bhid (?:his|her|its|the|it)\b",
    "mock": r"laughed at|laughing at|made fun of|\bteas(?:ed|ing|es)\b|\bcalled (?:him|her|it|them|[A-Z]\w+) (?:names|silly|stupid|ugly|a baby)|\bmocked\b|made a (?:mean|rude) face",
    "shout": r"\b(?:yell|shout|scream)(?:ed|ing|s)? at\b|[Gg]o away\b|said (?:mean|rude|bad) (?:things|words)",
    "harm": r"threw (?:\w+ ){1,5}(?:at|into the mud|in the mud|into the bin)|\bsplashed (?:mud|dirty water)|\bbroke (?:\w+ ){1,3}on purpose|\btripped (?:him|her|it|them|[A-Z]\w+)|\bstamped on\b|\bscared (?:\w+ ){1,3}away\b|\btricked\b|\blied\b|\btore up\b|locked (?:\w+ ){1,3}out",
    "mean": r"\bmean\b(?! to\b)|\bselfish\b|\bgreedy\b|\bcruel\b|\brude\b|\bnasty\b|\bunkind\b|\brefused\b|\bkept (?:it all|them all|all of \w+) (?:for|to) (?:himself|herself)|did not care",
}
NEGATION = re.compile(
    r"\b(?:not|never|no|nobody|none|without|refused|refuse|forgot|nor|neither|hardly|won't|stopped|instead of)\b|n't\b",
    re.I,
)
# Words that any sentence needs; a heap of good words has none.
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
        "was",
        "were",
        "is",
        "are",
        "had",
        "has",
        "have",
        "did",
        "do",
        "be",
        "been",
        "that",
        "this",
        "as",
        "all",
        "very",
        "too",
        "not",
        "who",
        "there",
    ]
)
NOT_NAMES = frozenset(
    [
        "Once",
        "One",
        "The",
        "A",
        "An",
        "He",
        "She",
        "It",
        "They",
        "We",
        "I",
        "You",
        "His",
        "Her",
        "Their",
        "There",
        "That",
        "This",
        "Then",
        "When",
        "But",
        "And",
        "So",
        "At",
        "In",
        "On",
        "Mom",
        "Dad",
        "Mommy",
        "Daddy",
        "Mum",
        "Mummy",
        "Grandma",
        "Grandpa",
        "Mr",
        "Mrs",
        "Miss",
        "Every",
        "Soon",
        "Suddenly",
        "After",
        "Before",
        "All",
        "Now",
        "Today",
        "Long",
        "No",
        "Yes",
        "Oh",
        "Wow",
        "Look",
        "Please",
        "Thank",
        "Let",
        "What",
        "Where",
        "Why",
        "How",
        "Who",
        "My",
        "Your",
        "Our",
        "Its",
        "Some",
        "Monday",
        "Sunday",
        "Saturday",
        "Christmas",
        "As",
        "From",
        "Near",
        "Far",
        "Up",
        "Down",
        "Little",
        "Big",
        "Next",
        "Last",
        "Just",
        "Early",
        "Late",
        "Finally",
        "Inside",
        "Outside",
        "Nobody",
        "Everyone",
        "Poor",
        "Under",
        "Behind",
        "Beside",
    ]
)


def reward(prompt: str, completion: str) -> float:
    """How kind and complete an ending is: the weighted parts, cut by unkind acts and by repetition or stuffing."""
    total = sum(WEIGHTS[name] * value for name, value in parts(prompt, completion).items())
    unkind = len(acts(completion, UNKIND_ACTS) | refusals(completion))
    return round(max(0.0, min(1.0, total * UNKIND_FACTOR**unkind * variety(prompt, completion))), 4)


def prefers(prompt: str, a: str, b: str) -> bool:
    """Is `a` the better ending? False where both are equally good."""
    return reward(prompt, a) > reward(prompt, b)


def parts(prompt: str, completion: str) -> dict[str, float]:
    """The four parts, each in [0, 1]; `reward` weighs them."""
    return {
        "kindness": kindness(completion),
        "complete": completeness(completion),
        "named": named(prompt, completion),
        "length": length(completion),
    }


def kindness(text: str) -> float:
    """Different kind acts, at most one for each sentence: none 0, one 0.6, two or more 1; a mere wish counts half."""
    seen: set[str] = set()
    credit = 0.0
    for sentence in sentences(text):
        done = (acts(sentence, KIND_ACTS) if is_sentence(sentence) else set()) - seen
        meant = (acts(sentence, KIND_WISHES) if is_sentence(sentence) else set()) - seen - done
        if done:
            credit += 1.0
            seen.add(min(done))
        elif meant:
            credit += 0.5
            seen.add(min(meant))
    return min(1.0, 0.6 * credit)


def completeness(text: str) -> float:
    """1 when the last sentence is whole, a little when at least one sentence was, else 0."""
    text = text.strip()
    if re.search(r"""[.!?]["']?$""", text) and text.count('"') % 2 == 0 and is_sentence(sentences(text)[-1]):
        return 1.0
    return 0.2 if re.search(r"[.!?]", text) and words(text) else 0.0


def named(prompt: str, completion: str) -> float:
    """1 when the start's character appears and nobody else of that sort is named; 0.5 with a stranger; else 0."""
    known = [
        word
        for word in re.findall(r"\b[A-Z][a-z]+\b", prompt)
        if word not in NOT_NAMES and word.lower() not in SENTENCE_OPENERS
    ]
    if not known:
        return 1.0
    # The first name in the start is the hero.
    if not re.search(rf"\b{known[0]}\b", completion):
        return 0.0
    return 0.5 if names(completion) - set(known) else 1.0


def length(text: str) -> float:
    """1 between the bounds, falling to 0 at half the shortest and twice the longest."""
    count = len(words(text))
    if count < SHORTEST:
        return max(0.0, 2 * count / SHORTEST - 1)
    return 1.0 if count <= LONGEST else max(0.0, 2 - count / LONGEST)


def variety(prompt: str, text: str) -> float:
    """A factor: 1 for ordinary prose; small for loops, for heaps of one word, and for a copy of the start."""
    said = words(text)
    if len(said) < 4:
        return 0.2
    factor = 1.0
    pairs = list(itertools.pairwise(said))
    factor *= falling(len(set(pairs)) / len(pairs), 0.85)
    triples = list(zip(said, said[1:], said[2:]))
    factor *= falling(len(set(triples)) / max(1, len(triples)), 0.9)
    lines = [" ".join(words(line)) for line in sentences(text)]
    factor *= falling(len(set(lines)) / len(lines), 1.0)
    own = Counter(
        word
        for word in said
        if word not in FUNCTION_WORDS and word.capitalize() not in names(prompt + " " + text)
    )
    if own:
        most = own.most_common(1)[0][1]
        factor *= 1.0 if most <= max(3, 0.1 * len(said)) else falling(max(3, 0.1 * len(said)) / most, 1.0)
    share = sum(word in FUNCTION_WORDS for word in said) / len(said)
    factor *= 1.0 if share >= 0.3 else (share / 0.3) ** 2
    before = words(prompt)
    old = set(zip(before, before[1:], before[2:], before[3:]))
    new = list(zip(said, said[1:], said[2:], said[3:]))
    copied = sum(four in old for four in new) / max(1, len(new))
    return factor * (1.0 if copied <= 0.25 else max(0.0, 1.25 - copied) ** 2)


def falling(value: float, enough: float) -> float:
    return 1.0 if value >= enough else (value / enough) ** 3


def acts(text: str, kinds: dict[str, str]) -> set[str]:
    """Which acts of a list are done in the text; a denied act ("did not push her") is not done."""
    found = set()
    for name, pattern in kinds.items():
        for match in re.finditer(
            pattern if kinds is not KIND_WISHES else rf"\b(?:{pattern})",
            text,
            re.I if kinds is not KIND_ACTS else 0,
        ):
            if not denied(text, match.start()):
                found.add(name)
                break
    return found


def refusals(text: str) -> set[str]:
    """A kind act that is refused is unkind: "would not share", "refused to help"."""
    pattern = r"(?:would not|will not|wouldn't|won't|did not want to|didn't want to|never) (?:\w+ )?(?:help|share|give|let|lend|say sorry)\b"
    return {"refuse"} if re.search(pattern, text, re.I) else set()


def denied(text: str, start: int) -> bool:
    """Does a negation stand within the five words before, in the same clause?"""
    before = re.split(r"[.!?;,:\"]|\bbut\b", text[:start])[-1]
    return bool(NEGATION.search(" ".join(before.split()[-5:])))


def names(text: str) -> set[str]:
    """Capitalised words that are not the usual openings of a sentence."""
    found = set()
    for match in re.finditer(r"\b[A-Z][a-z]+\b", text):
        opens = not text[: match.start()].strip() or bool(re.search(r"[.!?\"]\s*$", text[: match.start()]))
        if match[0] in NOT_NAMES or (opens and match[0].lower() in SENTENCE_OPENERS):
            continue
        if (
            opens
            and len(re.findall(rf"\b{match[0]}\b", text)) == 1
            and not re.match(
                r" (?:was|is|had|said|and|went|the|got|made|sat|put|did|could|came|held|knelt|read|told|won|found|ran|spoke|cut|sat|gave|saw|ran|took|looked|smiled|felt|wanted|helped|asked|picked|sat|[a-z]+ed)\b|'s",
                text[match.end() :],
            )
        ):
            continue
        found.add(match[0])
    return found


SENTENCE_OPENERS = frozenset(
    [
        "together",
        "both",
        "slowly",
        "quickly",
        "gently",
        "softly",
        "carefully",
        "later",
        "that",
        "from",
        "with",
        "everybody",
        "everyone",
        "someone",
        "people",
        "birds",
        "dogs",
        "cats",
        "children",
        "friends",
        "other",
        "another",
        "two",
        "three",
        "sometimes",
        "maybe",
        "still",
        "even",
        "if",
        "while",
        "until",
        "since",
        "to",
        "for",
        "by",
        "only",
        "right",
        "left",
        "home",
        "back",
        "away",
        "again",
        "always",
        "never",
        "mother",
        "father",
        "sharing",
        "helping",
        "being",
        "first",
        "second",
        "which",
        "whoever",
        "such",
        "here",
        "everything",
        "nothing",
        "something",
        "afterwards",
        "meanwhile",
        "instead",
        "happy",
        "sad",
    ]
)


def sentences(text: str) -> list[str]:
    return [
        piece.strip() for piece in re.split(r"(?<=[.!?])[\"']?\s+|\n+", text.strip()) if piece.strip()
    ] or [""]


def is_sentence(text: str) -> bool:
    """Long enough, not endless, and made like a sentence: some words that any sentence needs."""
    said = words(text)
    own = [word for word in said if word not in FUNCTION_WORDS]
    return 3 <= len(said) <= 40 and len(own) - len(set(own)) <= 2 and 0.15 * len(said) <= len(said) - len(own)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
