"""Prometheus' notation for the values of a test series, and for times."""

import re

MOST_VALUES = 100_000

_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[iI]nf|NaN)"
_ITEM = re.compile(
    rf"(?:(?P<blank>_|stale)|(?P<start>{_NUMBER})(?P<step>(?=[-+]){_NUMBER})?)(?:x(?P<times>\d+))?"
)
_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_TIME = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS_MS))


def values(notation: str) -> list[float | None]:
    """One for each step, None where there is no data. Raises ValueError, which names the wrong part.

    `1x2` is `1 1 1`, `1+2x2` is `1 3 5`, `_x2` is `_ _`: a missing value, as is `stale`. There is no
    looking back: what is missing is missing at once.
    """
    found: list[float | None] = []
    for item in notation.split():
        match = _ITEM.fullmatch(item)
        if (
            match is None
            or (item.startswith("stale") and match["times"])
            or (match["step"] and not match["times"])
        ):
            raise ValueError(f"{item!r} is none of VALUE, VALUExN, VALUE+STEPxN, VALUE-STEPxN, _, _xN, stale")
        times = int(match["times"] or 0)
        if len(found) + times >= MOST_VALUES:
            raise ValueError(f"{item!r} makes it more than {MOST_VALUES} values")
        found += _blanks(match) if match["blank"] else _steps(match, times)
    return found


def milliseconds(text: str) -> int:
    """Of `90s`, `1m30s`, `500ms`, `0`. Raises ValueError."""
    match = _TIME.fullmatch(text)
    if text == "0":
        return 0
    if match is None or not text:
        raise ValueError(f"{text!r} is no time such as 90s, 1m30s or 500ms")
    return sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS_MS.values(), strict=True))


def _blanks(match: re.Match[str]) -> list[float | None]:
    return [None] * (1 if match["times"] is None else int(match["times"]))


def _steps(match: re.Match[str], times: int) -> list[float | None]:
    # Added up step by step, as Prometheus does: 0.1 ten times is not 1.
    value, step = float(match["start"]), float(match["step"] or 0)
    found: list[float | None] = []
    for _ in range(times + 1):
        found.append(value)
        value += step
    return found
