"""The learning rate that a method starts from: the one found by the recorded search, taken down for wider models.

The search (assets/learning_rates) was made on models of width 256. Adam moves every weight by about the learning rate
whatever the gradient's size, so that what a matrix adds to its output grows with its width, and wider models want smaller
steps (Yang et al. 2022, arXiv 2203.03466); vectors, coefficients and prompts add up over no width and keep their rate.
"""

from __future__ import annotations

from workbench.method import Method

SEARCHED_AT = 256
POWER = 1.5
"""Between the rates found here and those of PEFT's own comparison (width 3,072): see `tests/test_rates.py`."""


def default_rate(method: Method, width: int | None = None) -> float:
    """A method's own rate for a model of this width; as searched where the width is not known or smaller."""
    if not method.rate_by_width or width is None or width <= SEARCHED_AT:
        return method.learning_rate
    return float(f"{method.learning_rate * (SEARCHED_AT / width) ** POWER:.1e}")
