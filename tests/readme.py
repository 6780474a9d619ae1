"""Writes the README's map of the source from the modules' own docstrings: `python -m tests.readme`."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
START, END = "<!-- map -->", "<!-- end of map -->"
FOLDERS = {
    "presets": "one comparison each, as YAML that holds values only",
    "assets/models": "embedded base models: weights, tokenizer, card",
    "assets/datasets": "bundled data sets, each with its generator and card",
    "assets/lessons": "the Learn tab in two languages: lessons, guide, the tab's own words; facts in lessons.yaml",
    "assets/languages": "the page's messages and their translations, a file for each language but English",
    "assets/glossary": "words of fine-tuning, explained in place, a file for each language",
    "assets/replays": "recorded runs that play back, made by `workbench replay`",
    "assets/atlas": "what `workbench atlas` runs, and the results that ship",
    "assets/architectures": "configs of well-known models, for counting without a download",
    "assets/notebooks": "a tour of the Python interface",
    "assets/page": "the page's look and scripts: design tokens, style sheets, translation in the browser",
    "tests": "mirrors workbench; `tests/browser` drives the page in chromium",
    ".ci/run": "every check from nothing: lint, types, tests, browser tests",
}


def modules() -> list[Path]:
    """Every source file that the map must name, in reading order."""
    files = sorted(p for p in (ROOT / "workbench").rglob("*.py") if "__pycache__" not in p.parts)
    return [
        ROOT / "app.py",
        *[p for p in files if p.name not in ("__init__.py", "__main__.py") or p.parent.name == "cli"],
    ]


def first_sentence(path: Path) -> str:
    """What a module's docstring says before its first full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=[.!?])\s|\n\n", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]
    return sentence.rstrip(".")


def source_map() -> str:
    """The map as a Markdown block."""
    lines = [(str(p.relative_to(ROOT)), first_sentence(p)) for p in modules()] + list(FOLDERS.items())
    width = max(len(name) for name, _ in lines)
    return "\n".join(["```text", *[f"{name.ljust(width)}  {words}" for name, words in lines], "```"])


def written_map(readme: str) -> str:
    """The map that the README holds."""
    return readme.split(START, 1)[1].split(END, 1)[0].strip()


def main() -> None:
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(written_map(text), source_map()), encoding="utf-8")


if __name__ == "__main__":
    main()
