"""Gradio components in our dress: a block of HTML with buttons that reach Python, and the segmented control."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.ui.theme import page_file


def html_block(value: str = "", **arguments: Any) -> gr.HTML:
    """HTML made of `parts`. Buttons made by `parts.button` fire the event `action`:

    >>> block.action(act_on_run, inputs=..., outputs=..., show_progress="hidden")
    >>> def act_on_run(event: gr.EventData): event.action, event.key

    A handler returns the new HTML (`str` of a part). The page changes only what differs and keeps the focus.
    """
    classes = arguments.pop("elem_classes", [])
    return gr.HTML(
        str(value),
        elem_classes=["wb-html", *([classes] if isinstance(classes, str) else classes)],
        apply_default_css=False,
        js_on_load=page_file("block.js").read_text(encoding="utf-8"),
        **arguments,
    )


def segmented(
    choices: Sequence[str | tuple[str, Any]], value: Any = None, *, label: str, **arguments: Any
) -> gr.Radio:
    """One of a few, side by side. `label` is spoken, not shown, unless `show_label=True`."""
    classes = arguments.pop("elem_classes", [])
    return gr.Radio(
        list(choices),
        value=value,
        label=label,
        show_label=arguments.pop("show_label", False),
        container=False,
        elem_classes=["wb-segmented", *([classes] if isinstance(classes, str) else classes)],
        **arguments,
    )
