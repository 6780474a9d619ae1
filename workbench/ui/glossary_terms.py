"""Words of the glossary, explained where they stand: in lessons by `[[key|words]]`, in any plain text by themselves."""

from __future__ import annotations

import functools
import re

from markdown_it import MarkdownIt
from markupsafe import Markup

from workbench.glossary import entry, glossary, pieces
from workbench.ui import parts

_TERM = re.compile(r"\[\[(?P<key>[a-z0-9-]+)(?:\|(?P<words>[^\]]+))?\]\]")


def explained(key: str, words: str = "", language: str = "en") -> Markup:
    """A word of the glossary with its explanation, said as `words` where another form of it is needed."""
    found = entry(key, language)
    return parts.term(words or found.word, found.text)


def with_terms(text: str, language: str = "en") -> Markup:
    """Plain text in which the first mention of each word of the glossary is explained."""
    return parts.join(
        *(
            piece if isinstance(piece, str) else parts.term(piece[0], piece[1].text)
            for piece in pieces(text, language)
        )
    )


@functools.lru_cache(maxsize=512)
def prose(markdown: str, language: str = "en", *, inline: bool = False) -> Markup:
    """A lesson's Markdown as HTML; HTML within it stays text. Terms are explained."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    html = reader.renderInline(markdown) if inline else reader.render(markdown)

    def term(found: re.Match[str]) -> str:
        # The words were escaped with the rest of the text: they must not be escaped twice.
        words = (
            Markup(found["words"]) if found["words"] else Markup.escape(entry(found["key"], language).word)
        )
        return str(explained(found["key"], words, language))

    return Markup(_TERM.sub(term, html))


def glossary_list(language: str) -> Markup:
    """Every word with its explanation, to read and to print."""
    rows = (
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(one.word, one.text)
        for one in glossary(language).values()
    )
    return Markup('<dl class="wb-glossary">{}</dl>').format(Markup("").join(rows))
