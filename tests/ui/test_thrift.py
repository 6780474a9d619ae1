"""What is left out is not missed."""

import gradio as gr
import pytest
from gradio.blocks import BlocksConfig
from gradio.queueing import Queue
from gradio.state_holder import SessionState

from workbench.runner import Runner
from workbench.store import Store
from workbench.ui import page


@pytest.fixture
def demo(tmp_path, monkeypatch):
    monkeypatch.setattr(gr.utils, "diff", gr.utils.diff)
    monkeypatch.setattr(BlocksConfig, "__copy__", BlocksConfig.__copy__)
    store = Store(tmp_path / "store")
    return page.build(store, Runner(store))


def test_no_statistics_are_made_after_an_event(demo, monkeypatch):
    queue = demo._queue
    assert isinstance(queue, Queue)
    monkeypatch.setattr(queue, "_get_df", lambda records: pytest.fail("a table of all events was made"))
    for number in range(3):
        queue.events_recorded += 1
        queue.event_analytics[str(number)] = {"function": "f", "status": "success", "process_time": 0.1}
        assert queue.compute_analytics_summary(list(queue.event_analytics.values())) == {"functions": {}}
    assert queue.ANALYTICS_MAX_EVENTS == 1


def test_a_session_keeps_states_and_changed_parts_but_no_copy_of_the_page(demo):
    session = SessionState(demo)
    number, box = next((n, b) for n, b in demo.blocks.items() if isinstance(b, gr.Textbox))
    session[number] = changed = gr.Textbox(label="another", render=False)
    session._update_config(number)
    session._update_value_in_config(number, "typed")
    assert session[number] is changed
    assert demo.blocks[number] is box
    state = next(n for n, b in demo.blocks.items() if isinstance(b, gr.State))
    session[state] = "mine"
    assert (session[state], state in SessionState(demo)) == ("mine", False)
    assert list(session.components) == []


def test_the_page_itself_is_described_whole(demo):
    told = {one["id"]: one for one in demo.get_config_file()["components"]}
    number = next(n for n, b in demo.blocks.items() if isinstance(b, gr.Dropdown) and b.choices)
    assert told[number]["props"]["choices"]
    assert told.keys() == demo.blocks.keys()
