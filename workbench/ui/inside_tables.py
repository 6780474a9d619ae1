"""What is inside a run as sentences and tables: beside other runs, matrix by matrix, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench import inside_words
from workbench.families import family as find_family
from workbench.inside_words import Document
from workbench.ui.curve_table import plain_table
from workbench.ui.parts import format_score, term

NBSP = "\u00a0"
SINGULAR = term(
    "singular values",
    "A change of a matrix can be taken apart into directions, each with a strength: its singular values. The sum of"
    " their squares is the size of the whole change, squared; a direction's part of it is its share of the change.",
)
RANK = term(
    "Rank",
    "How many directions a change uses at all. LoRA allows r of them; full fine-tuning as many as the matrix has.",
)
EFFECTIVE = term(
    "effective rank",
    "How many equally strong directions would be as spread out as these: the exponential of the entropy of the singular"
    " values (Roy and Vetterli, 2007). It is small where a few directions are far stronger than the rest.",
)
COSINE = term(
    "cosine",
    "1 for two vectors of the same direction, 0 for two that have nothing in common.",
)


def words_html(document: Document, family: str) -> Markup:
    items = Markup("").join(Markup("<li>{}</li>").format(one) for one in inside_words.sentences(document))
    return Markup('<ul class="wb-inside-words {}">{}</ul>').format(find_family(family).css_class, items)


def beside_html(documents: Sequence[Document], scores: Mapping[str, float | None], score: str) -> Markup:
    """Each run's rank, what it uses of it, and its test score: whether a low rank is enough, in figures."""
    rows = []
    for document in documents:
        directions = inside_words.median_directions(document)
        effective = inside_words.median_effective_rank(document)
        allowed = inside_words.nominal_rank(document)
        rows.append(
            (
                f"{document['label']}, seed {document['seed']}",
                str(allowed) if allowed else f"{inside_words.full_rank(document)} (all)",
                str(directions) if directions is not None else "",
                f"{effective:.1f}" if effective is not None else "",
                format_score(scores.get(document["run"])),
            )
        )
    heads = ("Run", "Rank allowed", "Directions for 90 %", "Effective rank", f"{score}, %")
    note = Markup(
        '<p class="wb-note wb-inside-note">Medians over the matrices inside the layers, from the {} of the change. {}:'
        " how many directions a change may use; the {} and the directions for 90 % say how many it does use. The score is"
        " on the test part; with one seed it says nothing of luck.</p>"
    ).format(SINGULAR, RANK, EFFECTIVE)
    table = plain_table(heads, rows, "How many directions each run uses, and its score")
    return Markup('<div class="wb-inside-scroll">{}</div>{}').format(table, note)


def matrices_html(document: Document) -> Markup:
    """Every matrix with all its figures."""
    rows = [
        (
            f"{'layer ' + str(m['layer']) if m['layer'] else 'outside'}, {inside_words.kind_title(m['kind'])}",
            " × ".join(str(side) for side in m["shape"]),
            inside_words.percent(m["value"]) if m["value"] is not None else "",
            f"{m['values'][0]:.3g}" if m["values"] else "0",
            str(m["nominal"] or ""),
            str(m["rank"]) if m["rank"] is not None else f"over {len(m['values'])}",
            f"{m['effective_rank']:.1f}" if m["effective_rank"] is not None else "",
            *(str(m["directions"][share] or "") for share in ("50", "90", "99")),
        )
        for m in document.get("matrices", ())
    ]
    heads = (
        *("Matrix", "Shape", "Relative change", "Largest singular value", "r", "Rank", "Effective rank"),
        *("50 %", "90 %", "99 %"),
    )
    table = plain_table(
        heads, rows, "The change of every matrix, and the directions that hold 50, 90 and 99 % of it"
    )
    return Markup('<div class="wb-inside-scroll wb-inside-long" tabindex="0">{}</div>').format(table)


def tokens_html(document: Document) -> Markup:
    """Each learned vector with the words nearest to it, and whether they are near at all."""
    prompt = document.get("prompt")
    if not prompt:
        return Markup("")
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>').format(
            place,
            inside_words.is_near(prompt, token["nearest"][0]["cosine"]),
            Markup("").join(_word(one) for one in token["nearest"]),
            f"{token['norm'] / prompt['word_norm']:.2f}",
        )
        for place, token in enumerate(prompt["tokens"], 1)
    )
    note = Markup(
        '<p class="wb-note wb-inside-note">Behind each word its {} to the learned vector. Two words that are nearest to each'
        " other usually have {}, a vector of random direction and its nearest word {}: what lies between is far."
        " Length: beside that of words on average.</p>"
    ).format(COSINE, f"{prompt['usual_nearest']:.2f}", f"{prompt['chance_nearest']:.2f}")
    return Markup(
        '<div class="wb-inside-scroll"><table class="wb-near"><caption class="wb-hidden">Nearest words of each learned'
        ' vector</caption><thead><tr><th scope="col">#</th><th scope="col">Reading</th><th scope="col">Nearest words</th>'
        '<th scope="col">Length</th></tr></thead><tbody>{}</tbody></table></div>{}'
    ).format(rows, note)


def _word(one: Mapping[str, Any]) -> Markup:
    return Markup('<span class="wb-word" translate="no"><b>{}</b>{:.2f}</span>').format(
        one["token"].strip() or repr(one["token"]), one["cosine"]
    )


def overlap_html(found: Mapping[str, Any], first: str, second: str) -> Markup:
    """Which share of one run's strongest directions is among the other's, beside what chance would give."""
    rows = [
        (
            f"strongest {row['top']}",
            f"strongest {row['among']}",
            inside_words.percent(row["share"]),
            inside_words.percent(row["chance"]),
        )
        for row in found["rows"]
    ]
    table = plain_table(
        (f"Of {first}", f"Among {second}", "Shared", "By chance"),
        rows,
        f"Directions that {first} and {second} share",
    )
    return Markup(
        '<p>{}</p><div class="wb-inside-scroll wb-inside-shared">{}</div><p class="wb-note wb-inside-note">Shared directions as in Hu et al.'
        " (2021, section 7.2), mean of the input and the output side of each matrix.</p>"
    ).format(inside_words.about_overlap(found, first, second), table)
