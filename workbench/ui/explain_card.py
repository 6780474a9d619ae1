"""Which words a label rests on: each ticked run's tokens, coloured and underlined by how they speak for its label, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.curves import family_of
from workbench.families import family as find_family
from workbench.result import Run
from workbench.ui.parts import marker
from workbench.ui.vote_card import names_of

HOW = (
    "Gradient times input: how much the label's logit, less the mean of the others', would change with each token's vector."
    " Blue and underlined speaks for the label, orange and dotted against it; the stronger the tint, the larger the share."
    " It shows what this one answer is sensitive to, not why."
)
WORDS = 3


def explain_html(found: Sequence[Mapping[str, Any]], runs: Sequence[Run]) -> Markup:
    """One block per run, in their order."""
    names, by_id = names_of(runs), {run.id: run for run in runs}
    blocks = Markup("").join(
        _block(one, names.get(one["run_id"], ""), by_id.get(one["run_id"])) for one in found
    )
    return Markup(
        '<div class="wb-explain"><p class="wb-note">{}</p><div class="wb-explain-runs">{}</div></div>'
    ).format(HOW, blocks)


def _block(found: Mapping[str, Any], name: str, run: Run | None) -> Markup:
    family = family_of(run.spec.choice.method) if run else "base"
    if found["reason"]:
        body = Markup('<p class="wb-small wb-two">{}</p>').format(found["reason"])
    else:
        body = Markup('<p class="wb-tokens" translate="no">{}</p><p class="wb-note">{}</p>').format(
            tokens_html(found["tokens"]), strongest(found["tokens"])
        )
    said = (
        Markup('<span class="wb-said-small" translate="no">{}</span>').format(found["label"])
        if found["label"]
        else ""
    )
    return Markup(
        '<article class="wb-explain-run {}"><div class="wb-row">{}<h4>{}</h4><span class="wb-space"></span>{}</div>{}</article>'
    ).format(find_family(family).css_class, marker(family, 12), name, said, body)


def tokens_html(tokens: Sequence[Mapping[str, Any]]) -> Markup:
    """The text with its tokens marked, relative to the strongest one."""
    most = max((abs(token["score"]) for token in tokens), default=0.0) or 1.0
    drawn = Markup("")
    for token in tokens:
        share = abs(token["score"]) / most
        kind = "for" if token["score"] >= 0 else "against"
        core = str(token["text"]).lstrip()
        drawn += str(token["text"])[: len(str(token["text"])) - len(core)]
        drawn += Markup('<mark class="wb-{}" style="--share:{:.0f}%" title="{:+.0%}">{}</mark>').format(
            kind, share * 70, token["score"], core
        )
    return drawn


def strongest(tokens: Sequence[Mapping[str, Any]]) -> str:
    """The tokens with the largest shares, in words."""
    ranked = sorted(tokens, key=lambda token: -abs(token["score"]))[:WORDS]
    return "Most: " + ", ".join(f"{str(t['text']).strip() or '␣'} {t['score']:+.0%}" for t in ranked)
