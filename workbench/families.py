"""The method families: title, explanation, marker and colours, said once for chips, cards, tables and plots.

The colours are those of assets/page/tokens.css; a test compares the two.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    name: str
    title: str
    sentence: str
    symbol: str
    """Plotly's name of the marker; `shape` draws the same one in SVG."""
    light: str
    dark: str
    shape: str
    """SVG inside a 12 by 12 box, filled with the family colour."""

    @property
    def css_class(self) -> str:
        """Class that sets the custom property `--c` to the family colour of the theme in use."""
        return "f-" + self.name.replace("_", "-")

    def colour(self, dark: bool = False) -> str:
        return self.dark if dark else self.light


FAMILIES: tuple[Family, ...] = (
    Family(
        "whole",
        "Whole model",
        "Every weight moves.",
        "square",
        "#2B3399",
        "#476DDA",
        '<rect x="2" y="2" width="8" height="8" rx="1"/>',
    ),
    Family(
        "selected",
        "Selected weights",
        "A few of the weights move.",
        "triangle-up",
        "#366382",
        "#94EAE1",
        '<path d="M6 1.4 11 10.4H1z"/>',
    ),
    Family(
        "low_rank",
        "Low-rank",
        "A small product of two matrices is added.",
        "circle",
        "#318DF2",
        "#9EBDFE",
        '<circle cx="6" cy="6" r="4.4"/>',
    ),
    Family(
        "rotation",
        "Rotation and spectral",
        "Weights are turned, not shifted.",
        "hexagon",
        "#754EC7",
        "#B284F5",
        '<path d="M6 .9 10.5 3.5v5L6 11.1 1.5 8.5v-5z"/>',
    ),
    Family(
        "prompt",
        "Learned prompts",
        "The model stays; its input is learned.",
        "diamond",
        "#864F14",
        "#C79333",
        '<path d="M6 .6 11.4 6 6 11.4.6 6z"/>',
    ),
    Family(
        "added",
        "Added modules",
        "Small new parts between the old ones.",
        "cross",
        "#14421A",
        "#43AFA6",
        '<path d="M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z"/>',
    ),
    Family(
        "quantised",
        "Quantised",
        "Fewer bits per weight.",
        "x",
        "#5F005A",
        "#926391",
        '<path d="M3.2 1 6 3.8 8.8 1 11 3.2 8.2 6 11 8.8 8.8 11 6 8.2 3.2 11 1 8.8 3.8 6 1 3.2z"/>',
    ),
    Family(
        "experts",
        "Experts",
        "Parts of a mixture-of-experts model.",
        "star",
        "#888702",
        "#F9CC6B",
        '<path d="m6 .6 1.6 3.6 3.9.4-2.9 2.6.8 3.9L6 9.1l-3.4 2 .8-3.9L.5 4.6l3.9-.4z"/>',
    ),
    Family(
        "feedback",
        "Feedback",
        "Learn from preference, reward or own samples.",
        "triangle-down",
        "#E06785",
        "#AF5D2C",
        '<path d="M6 10.8 1 1.8h10z"/>',
    ),
    Family(
        "base",
        "Reference",
        "The base model and simple baselines: nothing is fine-tuned.",
        "circle-open",
        "#626F7C",
        "#93A0AD",
        '<circle cx="6" cy="6" r="4" fill="none" stroke="var(--c)" stroke-width="1.8"/>',
    ),
)

_BY_NAME = {family.name: family for family in FAMILIES}


def family(name: str) -> Family:
    if name not in _BY_NAME:
        raise ValueError(f"unknown family {name!r}; known: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
