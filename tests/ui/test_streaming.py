"""No edit that the page gets changes a value that it got before."""

import gradio as gr
import pytest

from workbench.runner import Runner
from workbench.store import Store
from workbench.ui import page, streaming


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"model": "a", "choices": [1, 2]}, {"__type__": "update"}),
        ({"__type__": "update", "value": "<p>", "cards": "x"}, {"__type__": "update"}),
        ([1, 2, 3], [1]),
        ("<p>one", "<p>two"),
        ("one", "one and two"),
        (None, {"a": 1}),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_edits_replace_or_append_at_the_root_only(old, new):
    value = old
    for action, path, part in streaming.edits(old, new):
        assert path == []
        value = part if action == "replace" else value + part
    assert value == new


def test_the_page_streams_what_its_handlers_yield_that_way(tmp_path, monkeypatch):
    monkeypatch.setattr(gr.utils, "diff", gr.utils.diff)
    store = Store(tmp_path / "store")
    demo = page.build(store, Runner(store))
    event = next(fn for fn in demo.fns.values() if len(fn.outputs) >= 2)
    yields = [[{"model": "a"}, *[{"__type__": "update"}] * (len(event.outputs) - 1)],
              [{"__type__": "update"}] * len(event.outputs)]  # fmt: skip
    told = [demo.handle_streaming_diffs(event, list(one), "session", "run", final=False) for one in yields]
    assert told[0][0] == {"model": "a"}
    assert told[1] == [[["replace", [], {"__type__": "update"}]], *[[]] * (len(event.outputs) - 1)]
