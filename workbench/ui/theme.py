"""The look of the page: `gr.Blocks(fill_width=True)`, then `launch(theme=theme(), head=head())`. System fonts only.

The style sheet goes into `head`, not into `launch(css=)`: Gradio rewrites the latter rule by rule and loses what stands
for `:root` inside a media query, `:is()` lists with commas and `@supports`.
"""

from pathlib import Path

import gradio as gr

from workbench.families import FAMILIES, Family
from workbench.home import shipped

_SANS = ("Inter", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = (
    "ui-monospace",
    "SF Mono",
    "Cascadia Mono",
    "Menlo",
    "Consolas",
    "DejaVu Sans Mono",
    "monospace",
)

# Gradio's variable -> our token. Tokens change with the theme by themselves, so light and dark get the same value.
_MAP = {
    "body_background_fill": "var(--paper)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--ink-3)",
    "body_text_size": "14px",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--surface-2)",
    "border_color_accent": "var(--ink)",
    "border_color_accent_subdued": "var(--line-strong)",
    "border_color_primary": "var(--line)",
    "color_accent": "var(--ink)",
    "color_accent_soft": "var(--surface-3)",
    "link_text_color": "var(--link)",
    "link_text_color_hover": "var(--link)",
    "link_text_color_visited": "var(--link)",
    "link_text_color_active": "var(--link)",
    "code_background_fill": "var(--surface-3)",
    "shadow_drop": "var(--shadow)",
    "shadow_spread": "0px",
    "shadow_inset": "none",
    "block_background_fill": "var(--surface)",
    "block_border_color": "var(--line)",
    "block_border_width": "0px",
    "block_info_text_color": "var(--ink-3)",
    "block_info_text_size": "12px",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "var(--ink-2)",
    "block_label_text_size": "12px",
    "block_label_shadow": "none",
    "block_padding": "0px",
    "block_radius": "var(--r)",
    "block_shadow": "none",
    "block_title_text_color": "var(--ink-2)",
    "block_title_text_size": "12px",
    "block_title_text_weight": "500",
    "container_radius": "var(--r)",
    "layout_gap": "16px",
    "form_gap_width": "0px",
    "panel_background_fill": "transparent",
    "panel_border_width": "0px",
    "section_header_text_size": "14px",
    "accordion_text_color": "var(--ink)",
    "table_text_color": "var(--ink)",
    "table_border_color": "var(--line)",
    "table_even_background_fill": "var(--surface)",
    "table_odd_background_fill": "var(--surface)",
    "table_radius": "var(--r)",
    "table_row_focus": "var(--surface-3)",
    "checkbox_background_color": "var(--surface)",
    "checkbox_background_color_focus": "var(--surface)",
    "checkbox_background_color_hover": "var(--surface-3)",
    "checkbox_background_color_selected": "var(--action)",
    "checkbox_border_color": "var(--line-strong)",
    "checkbox_border_color_focus": "var(--line-strong)",
    "checkbox_border_color_hover": "var(--ink)",
    "checkbox_border_color_selected": "var(--action)",
    "checkbox_border_radius": "5px",
    "checkbox_border_width": "1.5px",
    "checkbox_shadow": "none",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_hover": "var(--surface-3)",
    "checkbox_label_background_fill_selected": "transparent",
    "checkbox_label_border_width": "0px",
    "checkbox_label_padding": "4px 8px",
    "checkbox_label_shadow": "none",
    "checkbox_label_text_color": "var(--ink)",
    "checkbox_label_text_color_selected": "var(--ink)",
    "checkbox_label_text_size": "14px",
    "error_background_fill": "var(--fail-tint)",
    "error_border_color": "var(--fail)",
    "error_text_color": "var(--fail)",
    "error_icon_color": "var(--fail)",
    "input_background_fill": "var(--surface)",
    "input_background_fill_focus": "var(--surface)",
    "input_background_fill_hover": "var(--surface)",
    "input_border_color": "var(--line-strong)",
    "input_border_color_focus": "var(--ink)",
    "input_border_color_hover": "var(--ink-3)",
    "input_border_width": "1px",
    "input_padding": "7px 12px",
    "input_placeholder_color": "var(--ink-3)",
    "input_radius": "var(--r)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_text_size": "14px",
    "loader_color": "var(--ink)",
    "slider_color": "var(--ink)",
    "stat_background_fill": "var(--ink-2)",
    "button_border_width": "1px",
    "button_transition": "background var(--motion)",
    "button_large_radius": "var(--r)",
    "button_medium_radius": "var(--r)",
    "button_small_radius": "6px",
    "button_large_text_size": "14px",
    "button_medium_text_size": "14px",
    "button_small_text_size": "13px",
    "button_primary_background_fill": "var(--action)",
    "button_primary_background_fill_hover": "color-mix(in oklab, var(--action) 86%, var(--paper))",
    "button_primary_border_color": "var(--action)",
    "button_primary_border_color_hover": "var(--action)",
    "button_primary_text_color": "var(--on-action)",
    "button_primary_text_color_hover": "var(--on-action)",
    "button_primary_shadow": "none",
    "button_primary_shadow_hover": "none",
    "button_primary_shadow_active": "none",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--surface-3)",
    "button_secondary_border_color": "var(--line-strong)",
    "button_secondary_border_color_hover": "var(--line-strong)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_text_color_hover": "var(--ink)",
    "button_secondary_shadow": "none",
    "button_secondary_shadow_hover": "none",
    "button_secondary_shadow_active": "none",
    "button_cancel_background_fill": "var(--surface)",
    "button_cancel_background_fill_hover": "var(--fail-tint)",
    "button_cancel_border_color": "var(--fail)",
    "button_cancel_border_color_hover": "var(--fail)",
    "button_cancel_text_color": "var(--fail)",
    "button_cancel_text_color_hover": "var(--fail)",
    "button_cancel_shadow": "none",
}


def theme() -> gr.themes.Base:
    """Gradio's own variables, each pointing at a token."""
    import inspect

    base = gr.themes.Base(font=_SANS, font_mono=_MONO)
    known = inspect.signature(base.set).parameters
    values = {
        name + tail: value for name, value in _MAP.items() for tail in ("", "_dark") if name + tail in known
    }
    base.set(**values)
    return base


def page_file(name: str) -> Path:
    return shipped("assets") / "page" / name


def css() -> str:
    """All style sheets but the report's, tokens and page first, and the families' dark colours for plots drawn with the
    light ones."""
    folder = page_file("tokens.css").parent
    sheets_of_page = (file for file in folder.glob("*.css") if file.name != "report.css")
    files = sorted(sheets_of_page, key=lambda p: (p.name != "tokens.css", p.name != "page.css", p.name))
    sheets = [file.read_text(encoding="utf-8") for file in files]
    return "\n".join([*sheets, *(_plot_rules(family) for family in FAMILIES)])


def head() -> str:
    """Style sheet and the scripts for light and dark, tab counts, explained terms and sheets; nothing is fetched."""
    scripts = [page_file(name).read_text(encoding="utf-8") for name in ("page.js", "sheet.js")]
    return f"<style>{css()}</style>\n" + "\n".join(f"<script>{script}</script>" for script in scripts)


def _plot_rules(family: Family) -> str:
    """Plotly writes a trace's colour into its style; the server draws in light colours, the page swaps them."""
    red, green, blue = (int(family.light[at : at + 2], 16) for at in (1, 3, 5))
    rules = []
    for kind in ("stroke", "fill"):
        selector = f'.dark .js-plotly-plot [style*="{kind}: rgb({red}, {green}, {blue})"]'
        rules.append(f"{selector} {{ {kind}: {family.dark} !important; }}")
        tint = f'.dark .js-plotly-plot [style*="{kind}: rgba({red}, {green}, {blue}"]'
        rules.append(f"{tint} {{ {kind}: color-mix(in oklab, {family.dark} 24%, transparent) !important; }}")
    return "\n".join(rules)
