"""A series of load tests as a summary and as annotations. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loadtests.baseline import Compared

Facts = Mapping[str, Any]
# What the workflow commands of GitHub read as an end or as a sign of their own.
_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY_ESCAPES = (*_ESCAPES, (":", "%3A"), (",", "%2C"))


def verdict(runs: Sequence[Facts]) -> str:
    """Of all: what measured nothing has not passed, and one failure is a failure."""
    words = {run["verdict"] for run in runs}
    return next((word for word in ("invalid", "failed") if word in words), "passed" if runs else "invalid")


def summary(runs: Sequence[Facts], answer: str, comments: Sequence[str], missing: str | None = None) -> str:
    """Markdown: one line a run, then what each says of itself; `answer` is the baseline's."""
    lines = [
        f"# Load test: {'broken off' if missing else verdict(runs)}",
        "",
        *([f"Without a verdict, {missing}", ""] if missing else []),
        f"Against the baseline: **{answer}**",
        "",
        "| run | verdict | requests/s | P95 | P99 | errors |",
        "| --- | --- | --- | --- | --- | --- |",
        *(f"| {' | '.join(_row(run))} |" for run in runs),
        "",
        *comments,
    ]
    return "\n".join(lines) + "\n"


def annotations(runs: Sequence[Facts], compared: Compared) -> list[str]:
    """What a reader should see beside the job; nothing where all is well."""
    lines = [_annotation(*one) for run in runs for one in _of_run(run)]
    if compared.answer == "worse":
        lines.append(_annotation("error", "Load test: worse than the baseline", "see the job's summary"))
    elif compared.answer == "set":
        lines.append(
            _annotation("notice", "Load test: nothing was compared", f"baseline {compared.sentence}")
        )
    elif compared.answer in {"unclear", "not comparable", "none"}:
        message = "\n".join([f"baseline: {compared.sentence}", *compared.incomparable])
        lines.append(_annotation("warning", "Load test: nothing can be said of a change", message))
    return lines


def _row(run: Facts) -> Iterator[str]:
    plan, result = run["plan"], run["result"] or {}
    if not result.get("requests"):
        result = {}
    yield f"`{plan['runId']}`"
    yield str(run["verdict"])
    yield f"{result['rate']:,.1f}" if result else "-"
    for name in ("p95_ms", "p99_ms"):
        yield f"{result[name]:.1f} ms" if result else "-"
    errors = result.get("error_share")
    yield "-" if errors is None else f"{errors:.3%}"


def _of_run(run: Facts) -> Iterator[tuple[str, str, str]]:
    """Level, title, message."""
    if run["verdict"] == "passed":
        return
    plan = run["plan"]
    reasons = [str(one) for one in run["reasons"]] or ["see the job's summary"]
    yield "error", f"Load test {plan['test']} {plan['profile']}: {run['verdict']}", "\n".join(reasons)


def _annotation(level: str, title: str, message: str) -> str:
    return f"::{level} title={_escaped(title, _PROPERTY_ESCAPES)}::{_escaped(message, _ESCAPES)}"


def _escaped(text: str, escapes: Sequence[tuple[str, str]]) -> str:
    for sign, escape in escapes:
        text = text.replace(sign, escape)
    return text
