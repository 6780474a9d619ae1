"""Which language a visitor reads, the switch in the header, and the route that hands a catalogue to the browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from workbench.languages import ENGLISH, SHORT, document, translated, version
from workbench.lessons import LANGUAGES

if TYPE_CHECKING:
    from fastapi import FastAPI

COOKIE = "workbench-language"
YEAR = 365 * 24 * 3600


def asked_language(request: Any) -> str:
    """The reader's choice, in the address or as a cookie; else what their browser asks for first. As in language.js."""
    headers = getattr(request, "headers", None) or {}
    first = str(headers.get("accept-language", "")).split(",")[0].split(";")[0].split("-")[0].strip().lower()
    address = getattr(request, "query_params", None) or {}
    cookies = getattr(request, "cookies", None) or {}
    for name in (address.get("language"), cookies.get(COOKIE), first):
        if name in LANGUAGES:
            return str(name)
    return ENGLISH


def switch(language: str = ENGLISH) -> Markup:
    """A button for each language, in its own words; language.js acts on it."""
    buttons = Markup("").join(
        Markup(
            '<button type="button" class="wb-button wb-button-quiet wb-small" lang="{tag}" data-language="{name}"'
            ' aria-pressed="{pressed}" aria-label="{long}" title="{long}">{short}</button>'
        ).format(
            tag="zh-Hans" if name == "zh" else name,
            name=name,
            pressed="true" if name == language else "false",
            long=LANGUAGES[name],
            short=SHORT[name],
        )
        for name in LANGUAGES
    )
    return Markup(
        '<div class="wb-languages" role="group" aria-label="Language / 语言" translate="no">{}</div>'
    ).format(buttons)


def head() -> str:
    """Where the page's script finds the catalogues."""
    found = {name: f"language/{name}.json?v={version(name)}" for name in translated()}
    return f'<script type="application/json" id="wb-languages">{json.dumps(found)}</script>'


def add_routes(app: FastAPI) -> None:
    """`/language/zh.json?v=HASH`: kept by the browser as long as the hash stands."""
    # FastAPI reads the annotations of its handlers from the module's names.
    from fastapi import Response

    def words(name: str, v: str = "") -> Any:
        try:
            content = document(name)
        except ValueError as error:
            return Response(json.dumps({"detail": str(error)}), 404, media_type="application/json")
        age = f"public, max-age={YEAR}, immutable" if v == version(name) else "no-cache"
        return Response(content, media_type="application/json", headers={"cache-control": age})

    app.get("/language/{name}.json")(words)
