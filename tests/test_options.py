"""Options say each fact once and are checked where they are made."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.options import Options, option


@dataclass(frozen=True)
class Some(Options):
    r: int = option(8, "Rank of the update.", min=1, max=256)
    dropout: float = option(0.0, "Share of inputs dropped.", min=0, max=0.9)
    target_modules: tuple[str, ...] = option(("all-linear",), "Which layers.")
    bias: str = option("none", "Which biases train.", choices=("none", "all"))
    layers: int | None = option(None, "The last k; all of them when empty.", min=1)
    use_rslora: bool = option(False, "Scale by the root of r.")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 4}, "unknown option(s) rank; known: r, dropout, target_modules, bias, layers, use_rslora"),
        ({"layer": 4}, "unknown option(s) layer (did you mean layers?)"),
        ({"r": 0}, "r is a whole number of at least 1 and at most 256, not 0"),
        ({"r": 2.5}, "r is a whole number"),
        ({"r": True}, "r is a whole number"),
        ({"r": "many"}, "not 'many'"),
        ({"dropout": float("nan")}, "dropout is a number"),
        ({"bias": "some"}, "bias is one of none, all, not 'some'"),
        ({"use_rslora": 1}, "use_rslora is true or false"),
        ({"target_modules": [1]}, "target_modules is a list of names"),
        ({"r": None}, "r is a whole number"),
    ],
)
def test_bad_values_are_named_with_what_would_be_right(values, sentence):
    with pytest.raises(ValueError) as caught:
        Some.from_dict(values)
    assert sentence in str(caught.value)


@given(
    r=st.integers(1, 256),
    dropout=st.floats(0, 0.9),
    target_modules=st.lists(st.text(min_size=1), max_size=3).map(tuple),
    bias=st.sampled_from(["none", "all"]),
    layers=st.none() | st.integers(1, 99),
    use_rslora=st.booleans(),
)
def test_options_survive_a_round_trip_through_plain_values(**values):
    options = Some(**values)
    assert Some.from_dict(options.to_dict()) == options


def test_text_from_the_command_line_is_read_by_type():
    text = {
        "r": "4",
        "target_modules": "q_lin, v_lin",
        "use_rslora": "true",
        "layers": "none",
        "dropout": "1e-1",
    }
    assert Some.from_text(text) == Some(4, 0.1, ("q_lin", "v_lin"), "none", None, True)


def test_changed_tells_only_what_differs_from_the_defaults():
    assert Some(r=4, target_modules=("q",)).changed() == {"r": 4, "target_modules": ["q"]}
    assert Some().changed() == {}
