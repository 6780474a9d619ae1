"""Numbers as the page writes them: plain text, a no-break space before the unit, nothing for what was not measured."""

import math
from collections.abc import Callable

NBSP = "\u00a0"
MINUS = "\u2212"


def _is_missing(value: float | None) -> bool:
    """None and not-a-number both mean "not measured": a missing cell of a data frame arrives as the latter."""
    return value is None or math.isnan(value)


def _signed(text: str, value: float, always: bool) -> str:
    if value < 0 and text.strip("0.") != "":
        return MINUS + text
    return f"+{text}" if always and text.strip("0.") != "" else text


def format_count(value: float | None) -> str:
    """8003840 -> "8,003,840"."""
    if value is None or _is_missing(value):
        return ""
    return _signed(f"{abs(value):,.0f}", value, always=False)


def format_share(share: float | None) -> str:
    """A share from 0 to 1 as percent, with more decimals the smaller it is: "18.86 %", "0.069 %", "< 0.001 %"."""
    if share is None or _is_missing(share):
        return ""
    percent = share * 100
    if percent == 0:
        text = "0"
    elif percent < 0.0005:
        text = f"<{NBSP}0.001"
    elif percent < 0.1:
        text = f"{percent:.3f}"
    else:
        text = f"{percent:.2f}".removesuffix(".00")
    return f"{text}{NBSP}%"


def format_score(share: float | None) -> str:
    """A score from 0 to 1 in percent with one decimal and no unit, as the table writes it: 0.904 -> "90.4"."""
    if share is None or _is_missing(share):
        return ""
    return _signed(f"{abs(share) * 100:.1f}", share, always=False)


def format_points(difference: float | None, signed: bool = False) -> str:
    """A difference of two shares in percentage points: 0.041 -> "4.1 points"."""
    if difference is None or _is_missing(difference):
        return ""
    text = _signed(f"{abs(difference) * 100:.1f}", difference, always=signed)
    return f"{text}{NBSP}points"


def format_bytes(value: float | None) -> str:
    """Binary units, at most three figures: "512 B", "259 KiB", "6.13 MiB", "15.6 GiB"."""
    if value is None or _is_missing(value):
        return ""
    amount = float(abs(value))
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(amount) < 1024 or unit == "TiB":
            break
        amount /= 1024
    decimals = 0 if unit in ("B", "KiB") or amount >= 99.95 else 1 if amount >= 9.995 else 2
    text = f"{amount:.{decimals}f}"
    return _signed(text.removesuffix(".0") if decimals == 1 else text, value, always=False) + NBSP + unit


def format_milliseconds(value: float | None) -> str:
    """7.91 -> "7.9 ms"; from a second on, as seconds."""
    if value is None or _is_missing(value):
        return ""
    if value >= 999.5:
        return format_seconds(value / 1000)
    return f"{value:.1f}{NBSP}ms" if value < 99.95 else f"{value:.0f}{NBSP}ms"


def format_seconds(value: float | None) -> str:
    """0.0079 -> "7.9 ms", 6.2 -> "6.2 s", 41 -> "41 s", 125 -> "2 min 5 s", 4320 -> "1 h 12 min"."""
    if value is None or _is_missing(value):
        return ""
    if math.isinf(value):
        return "∞"
    if value == 0:
        return f"0{NBSP}s"
    if value < 0.0995:
        return f"{value * 1000:.1f}{NBSP}ms"
    if value < 9.95:
        return f"{value:.1f}".removesuffix(".0") + f"{NBSP}s"
    seconds = round(value)
    if seconds < 60:
        return f"{seconds}{NBSP}s"
    if seconds < 3600:
        return _two_units(seconds // 60, "min", seconds % 60 if seconds < 600 else 0, "s")
    return _two_units(seconds // 3600, "h", seconds % 3600 // 60, "min")


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    text = f"{large}{NBSP}{large_unit}"
    return f"{text} {small}{NBSP}{small_unit}" if small else text


def format_time_left(seconds: float | None) -> str:
    """Rounded so that it does not flicker: "34 s left", "about 4 min left"; empty while nobody knows."""
    if seconds is None or _is_missing(seconds) or math.isinf(seconds):
        return ""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 90:
        return f"{round(seconds)}{NBSP}s left"
    if seconds < 3600:
        return f"about {round(seconds / 60)}{NBSP}min left"
    return f"about {_two_units(int(seconds // 3600), 'h', int(seconds % 3600 // 60), 'min')} left"


def format_value(value: float | None, kind: str) -> str:
    """A measured value by the `format` of its metric."""
    if value is None or _is_missing(value):
        return ""
    if kind not in _FORMATS:
        raise ValueError(f"unknown format {kind!r}; known: {', '.join(_FORMATS)}")
    return _FORMATS[kind](value)


def _format_number(value: float) -> str:
    return _signed(f"{abs(value):,.0f}" if abs(value) >= 100 else f"{abs(value):.3g}", value, always=False)


_FORMATS: dict[str, Callable[[float], str]] = {
    "share": format_share,
    "count": format_count,
    "bytes": format_bytes,
    "seconds": format_seconds,
    "ms": format_milliseconds,
    "ratio": lambda value: f"{value:.2f}",
    "nats": lambda value: _signed(f"{abs(value):.2f}", value, always=True),
    "number": _format_number,
}
