"""k6 at a steady rate while something is changed: what failed, when, and how many decisions were accepted."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from loadtests.k6 import Keys
from runbook.up.toolchain import tools_bin

SCRIPT = Path(__file__).parent / "k6/steady.js"
RATE = 300
# Before and after the change: connections are warm, and what goes wrong late is seen too.
MARGIN_S = 3.0
# Requests that were under way when the load was ended.
CANCELLED = "context canceled"


@dataclass
class Steady:
    """Runs while the block does."""

    url: str
    ingest_key: str = field(repr=False)
    read_key: str = field(repr=False)
    run_id: str
    folder: Path
    rate: int = RATE
    failures: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict, repr=False)
    cancelled: int = 0
    seconds: float = 0.0
    _started: float = 0.0

    def __enter__(self) -> Self:
        self._log = (self.folder / f"{self.run_id}.log").open("w+")
        self._summary = self.folder / f"{self.run_id}.json"
        given = {
            "AMAS_TARGET": self.url,
            "AMAS_RUN_ID": self.run_id,
            "AMAS_RATE": str(self.rate),
            "AMAS_SUMMARY": str(self._summary),
            "K6_NO_USAGE_REPORT": "true",
        }
        command = [
            str(tools_bin() / "k6"),
            "run",
            "--quiet",
            "--no-color",
            "--log-format",
            "raw",
            "--address",
            "",
        ]
        with Keys(self.ingest_key, self.read_key).handed() as (descriptor, told):
            self._k6 = subprocess.Popen(
                [*command, str(SCRIPT)],
                env={**os.environ, **given, **told},
                pass_fds=(descriptor,),
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        self._started = time.monotonic()
        self.goes_on(MARGIN_S)
        return self

    def goes_on(self, seconds: float) -> None:
        """The load itself is what is waited for."""
        try:
            code = self._k6.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        pytest.fail(f"k6 ended with {code}: {Path(self._log.name).read_text()[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.goes_on(MARGIN_S)
            self.seconds = time.monotonic() - self._started
            self._k6.send_signal(signal.SIGTERM)
            self._k6.wait(60)
        finally:
            self._k6.kill()
            self._k6.wait()
        self._log.seek(0)
        told = [json.loads(line) for line in self._log if line.startswith("{")]
        self.failures = [one for one in told if CANCELLED not in one["said"]]
        self.cancelled = len(told) - len(self.failures)
        self._log.close()
        if self._summary.exists():
            self.metrics = json.loads(self._summary.read_text())

    def count(self, metric: str) -> int:
        return int(self.metrics.get(metric, {}).get("values", {}).get("count", 0))

    @property
    def accepted(self) -> int:
        return self.count("accepted")

    @property
    def refused_s(self) -> float:
        """From the first failure to the last."""
        moments = [one["at"] for one in self.failures]
        return (max(moments) - min(moments)) / 1000 if moments else 0.0

    def figures(self) -> str:
        lasted = self.metrics.get("http_req_duration", {}).get("values", {})
        return (
            f"{self.count('http_reqs')} requests in {self.seconds:.0f} s, {len(self.failures)} failed, "
            f"{self.count('dropped_iterations')} not sent in time, {self.accepted} decisions accepted, "
            f"P95 {lasted.get('p(95)', 0):.0f} ms, max {lasted.get('max', 0):.0f} ms"
        )

    def worst(self) -> list[str]:
        """Each kind of failure, with how often and from when to when."""
        kinds: dict[str, list[int]] = {}
        for one in self.failures:
            kinds.setdefault(f"{one['method']} {one['status']} {_detail(one['said'])}", []).append(one["at"])
        return [
            f"{len(moments)} x {kind} ({_clock(min(moments))} to {_clock(max(moments))})"
            for kind, moments in kinds.items()
        ]


def _detail(said: str) -> str:
    """A problem's own words; the id of the request would make each one a kind of its own."""
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, KeyError, TypeError):
        return said[:120]


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S.%f}"
