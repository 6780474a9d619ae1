"""The words of the page, found in the source: what a catalogue of another language has to hold. `python -m tests.messages`.

A message is a text as it stands between two tags, with `{name}` for what is filled in. The command brings every catalogue
up to date: new messages join it without a translation, those that the source no longer holds leave it.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "workbench"
LANGUAGES = ROOT / "assets" / "languages"
# Said on the command line, written into files, or asked of other machines: never on the page.
SILENT = (
    "cli/", "pretraining/", "standalone/", "serving/", "migrations.py", "database.py", "store_connection.py",
    "bench.py", "bench_", "peak.py", "process.py", "worker.py", "warm.py", "preloaded.py", "gpu_lease.py",
    "svg_plots.py", "notebook_view.py", "report_", "fake_tensors.py",
)  # fmt: skip
SPOKEN = ("standalone/claims.py",)
GRADIO: tuple[str, ...] = (
    "More tabs", "number input for {label}", "range slider for {label}", "Reset to default value", "Tab {number}",
    "Download plot as a PNG", "Box Select", "Lasso Select", "Zoom", "Pan", "Zoom in", "Zoom out", "Autoscale", "Reset axes", "Copy",
    "Unfold line", "Fold line", "Empty value", "Warning", "Info", "Error",
    "common.complete", "common.copy_message", "common.copied_message",
)  # fmt: skip
"""What Gradio and Plotly say in English themselves, whatever the browser's language."""
WORDS: tuple[str, ...] = (
    # Tabs are named by their ids, counts by a helper; a verdict is put together from its verb.
    "Data", "Learn", "{first} beats {second} by {apart}.", "{first} loses to {second} by {apart}.",
    "beats {label}", "loses to {label}", "{first} beats {second}", "{first} loses to {second}", "by {apart}",
    "{count} row{s}", "{count} run{s}", "{count} step{s}", "{count} epoch{s}", "{count} second{s}", "{count} minute{s}", "{count} seed{s}",
    "{count} seed{s} each", "{count} hop{s}", "{count} label{s}", "{count} point{s}", "{count} core{s}", "{count} method{s}", "{count} token{s}",
    "{count} weight{s}", "{count} thread{s}", "{count} head{s}", "{count} text{s}", "{count} task{s}", "{count} visitor{s}", "{count} word{s}",
    "{count} pair{s}", "Scores on {count} test rows that no choice has seen", "Scores", "Take {label}, and merge it.",
    "{label} diverged in all {count} seeds", "{label} diverged with seed {number}", "{label} diverged with seeds {numbers}", "{label} diverged",
    "{label} failed in all {count} seeds", "{label} failed with seed {number}", "{label} failed with seeds {numbers}", "{label} failed",
    "{label} {failure} in all {count} seeds", "in all {count} seeds", "with seed {number}", "with seeds {numbers}",
    "{count} of {all} failed", "{low} to {high}", "of {amount}", "row {number}", "seed {number}", "setting {id}", "step {number}",
    "train {count}", "validation {count}", "test {count}", "{count} train", "{count} validation", "{count} test", "limit {number}", "{count} reviews", "{count} nats", "heads {number}",
    "tokens of {model} per row", "words per row", "Low-rank", "Quantisation-aware", "Back-translation", "Test rows", "line", "split",
    "{count} live", "{count} ticked", "{count} done", "{done} of {all}", "one seed", "one setting", "each",
    "{label} seed {seed}", "{label}, seed {seed}", "run {id}", "{count} more seed{s}", "{count} more test row{s}",
    "{value} would tell them apart.", "{count} {score} points", "{score}, points", "{count} reader{s}", "{count} vote{s}", "of {count} vote{s}",
    "Bradley-Terry strength with 95 % interval", "About {count} more seed{s}", "About {count} more seed{s} or {number} more test rows",
    "about {count} more seed{s}", "about {count} more seed{s} or {number} more test rows",
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    # Words that stand alone, in lower case.
    "trains", "Trains", "counting...", "counting…", "simplicity", "merged", "cannot", "supported", "refuted", "cannot tell", "place", "best", "follow", "smooth",
    "loss", "infinite", "log", "failed", "diverged", "finished", "running", "queued", "waiting", "cancelled", "lost", "starting", "chosen", "right", "wrong", "yes", "no", "none", "heads",
    "tokens", "rows", "runs", "seeds", "steps", "epochs", "seconds", "linear", "cosine", "constant", "score", "memory",
    "latency", "size", "time", "method", "train", "validation", "test", "accuracy", "classification", "generation",
    "preference", "language modelling", "base", "majority", "decoder", "encoder",
)  # fmt: skip
"""What no single place in the source says whole."""
_INLINE = re.compile(r"</?(?:b|strong|em|i|code|kbd|sub|sup)(?: [^<>]*)?>")
_TAG = re.compile(r"<[^<>]*>|&[a-z]+;|\n\s*\n")
_ATTRIBUTE = re.compile(r'(?:aria-label|title|placeholder|alt|data-label)="([^"]*[A-Za-z][^"]*)"')
_SAID = re.compile(r"""["`]((?:[A-Z][a-z]+|\$\{[a-z]+\}) [^"`<>=]*)["`]""")
"""A text in a script: it begins with a word or a value, and goes on after a space."""
_FIELD = re.compile(r"\{[^{}]*\}")
_QUIET_CALLS = {"compile", "getLogger", "debug", "info", "error", "exception", "execute", "executescript", "import_module",
                "getattr", "setattr", "hasattr", "startswith", "endswith", "removeprefix", "removesuffix", "strptime",
                "strftime", "encode", "decode", "field_of", "page_file", "TypeVar", "cast", "fullmatch", "match", "sub"}  # fmt: skip
_QUIET_NAMES = {"elem_classes", "elem_id", "storage_key", "secret", "api_visibility", "css", "head", "key", "action",
                "encoding", "mode", "dtype", "kind", "pattern", "regex", "__all__"}  # fmt: skip


def messages(root: Path = SOURCE) -> dict[str, list[str]]:
    """Every message with the files that say it, in the order of the files."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        if (where.startswith(SILENT) and where not in SPOKEN) or "/svg" in where:
            continue
        for text in _texts(ast.parse(path.read_text(encoding="utf-8")), card=where.startswith("methods/")):
            for message in split(text):
                files = found.setdefault(message, [])
                if where not in files:
                    files.append(where)
    for where, text in _assets():
        for message in split(text):
            found.setdefault(message, []).append(where)
    for message in (*GRADIO, *WORDS):
        found.setdefault(message, []).append("tests/messages.py")
    return found


def _assets() -> Iterator[tuple[str, str]]:
    """What the page shows of files that are no source: of presets and of the cards of data and models; and its scripts' words."""
    for path in sorted((ROOT / "presets").glob("*.yaml")):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        for shown in (values, *values.get("chain", ()), *(values.get("data_sources") or ())):
            for name in ("title", "description"):
                if isinstance(shown, dict) and isinstance(shown.get(name), str):
                    yield f"presets/{path.name}", shown[name]
    for path in sorted((ROOT / "assets").glob("*/*/card.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        where = path.parent.relative_to(ROOT).as_posix()
        for name in ("title", "summary"):
            if card.get(name):
                yield where, card[name]
        for kind in card.get("kinds", ()):
            yield where, str(kind).replace("_", " ")
    for path in sorted((ROOT / "assets" / "replays").glob("*.json")):
        yield f"assets/replays/{path.name}", json.loads(path.read_text(encoding="utf-8"))["title"]
    for path in sorted((ROOT / "assets" / "atlas").glob("*.yaml")):
        yield f"assets/atlas/{path.name}", yaml.safe_load(path.read_text(encoding="utf-8"))["title"]
    for path in sorted((ROOT / "assets" / "page").glob("*.css")):
        for text in re.findall(r'--words-[a-z]+: "([^"]+)"', path.read_text(encoding="utf-8")):
            yield f"assets/page/{path.name}", text
    for path in sorted((ROOT / "assets" / "page").glob("*.js")):
        for text in _SAID.findall(re.sub(r"(?m)^\s*//.*$|\s//\s.*$", "", path.read_text(encoding="utf-8"))):
            yield f"assets/page/{path.name}", text.replace("${", "{")


def split(text: str) -> Iterator[str]:
    """The messages of a text with tags; markup within a sentence stays part of it."""
    for said in _ATTRIBUTE.findall(text):
        if is_message(said := " ".join(said.split())):
            yield named(said)
    for piece in _TAG.split(_INLINE.sub("", text)):
        piece = " ".join(piece.split())
        if is_message(piece):
            yield named(piece)


def named(message: str) -> str:
    """With a name for every gap, none twice."""
    seen: dict[str, int] = {}

    def name(found: re.Match[str]) -> str:
        bare = re.split(r"[:!.\[]", found[0][1:-1])[0].strip() or "value"
        bare = bare if bare.isidentifier() else f"value{bare}" if bare.isdigit() else "value"
        seen[bare] = seen.get(bare, 0) + 1
        return f"{{{bare}}}" if seen[bare] == 1 else f"{{{bare}_{seen[bare]}}}"

    return _FIELD.sub(name, message)


def is_message(text: str) -> bool:
    """Whether people read this: words, not names of classes, columns, files or statements."""
    bare = _FIELD.sub(" ", text)
    words = re.findall(r"[A-Za-z][a-z]+", bare)
    if (
        not words
        or bare.rstrip().endswith((";", "{", "}"))
        or re.search(
            r"\\[dwsb]|\(\?|::|==|^SELECT |^INSERT |^UPDATE |^DELETE |^PRAGMA |^BEGIN|^ALTER |^CREATE ", text
        )
    ):
        return False
    if " " not in bare.strip():
        return bool(re.fullmatch(r"[A-Z][a-z]+[.:…?!]?", bare.strip())) and len(bare.strip()) > 2
    tokens = bare.split()
    return not all(
        re.fullmatch(r"[a-z0-9_.=\-/*:%]*[_\-=./:0-9*][a-z0-9_.=\-/*:%]*", token) for token in tokens
    )


def _texts(tree: ast.Module, card: bool) -> Iterator[str]:
    if card and (text := ast.get_docstring(tree)):
        for part in re.split(r"\n\s*\n|\n(?=\*\*)", text):
            yield re.sub(r"^\*\*(Use it|Costs|Watch)\*\*\s*", "", part)
    yield from _walk(tree)


def _walk(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
        return
    if isinstance(node, ast.JoinedStr):
        yield _joined(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _walk(part.value)
        return
    if isinstance(node, ast.Call) and _called(node) in _QUIET_CALLS and not _is_notice(node):
        return
    if isinstance(node, ast.Dict):
        for key in node.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value[:1].isupper():
                yield key.value
    if isinstance(node, ast.Compare | ast.Subscript | ast.alias | ast.arg):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or (
            isinstance(node, ast.Dict) and name == "keys"
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_docstring(child) or _is_quiet(child):
                continue
            yield from _walk(child)


def _joined(node: ast.JoinedStr) -> str:
    said = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            said += str(part.value).replace("{", "(").replace("}", ")")
        elif isinstance(part, ast.FormattedValue):
            said += f"{{{_name(part.value)}}}"
    return said


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Call(args=[first, *_]):
            return _name(first)
        case ast.Call(func=ast.Attribute(value=value)):
            return _name(value)
        case ast.BinOp(left=left):
            return _name(left)
        case ast.IfExp(body=ast.Constant(), orelse=ast.Constant()):
            return "s"
    return "value"


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _is_notice(node: ast.Call) -> bool:
    """`gr.Info("…")` and `raise gr.Error("…")` speak to people, `log.info` does not."""
    return isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "gr"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_quiet(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in _QUIET_NAMES


def main(arguments: list[str]) -> int:
    """Bring the catalogues up to date, and say what each still lacks: exit status 1 while one does."""
    known, lacking = messages(), 0
    for path in sorted(LANGUAGES.glob("*.json")):
        had = json.loads(path.read_text(encoding="utf-8"))
        now = {message: had.get(message, "") for message in known} | {
            message: said
            for message, said in had.items()
            if message not in known and said and "--keep" in arguments
        }
        path.write_text(json.dumps(now, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        empty = [message for message, said in now.items() if not said]
        lacking += len(empty)
        print(f"{path.stem}: {len(now):,} messages, {len(empty):,} not translated", *empty, sep="\n  ")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
