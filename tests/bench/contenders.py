"""Ours and what it is measured beside; each runs for some seconds and tells what it reached."""

import contextlib
import hashlib
import io
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import httpx
import msgspec
import psycopg

from service.insights.testing import raw_trace, uuid7
from tests.bench.ground import Ground, Served, container_cpu_s, served
from tests.bench.load import Result, get_for, post_for

HERE = Path(__file__).parent
MANY, FEW = 64, 4
OURS = ("service", "--drain-seconds", "0")
BATCH_LINES = 500
Contender = Callable[[float], Result]


def contenders(ground: Ground, processes: contextlib.ExitStack) -> dict[str, Contender]:
    """In the order they take turns: what is compared stands side by side.

    With and without metrics each have a process that does nothing else: what batches leave in the memory of
    one would count as a cost of its metrics.
    """
    watched = processes.enter_context(served(ground, *OURS))
    ours = processes.enter_context(served(ground, *OURS))
    unwatched = processes.enter_context(served(ground, *OURS, DISABLE_METRICS_COLLECTION="true"))
    plain = processes.enter_context(served(ground, "plain"))
    return {
        "group commit, 64": posting(ground, watched, MANY),
        "group commit, 64, no metrics": posting(ground, unwatched, MANY),
        "commit per request, 64": posting(ground, plain, MANY),
        "pgbench, a row per commit, 64": pgbench(ground),
        "group commit, 4": posting(ground, ours, FEW),
        "commit per request, 4": posting(ground, plain, FEW),
        "NDJSON, 500 lines": lines(ground, ours),
        "COPY and merge, 500 rows": copy_and_merge(ground),
        "cached read": cached_read(ours),
        "bare JSON route": lambda seconds: get_for(f"{plain.url}/constant", MANY, seconds),
    }


def posting(ground: Ground, server: Served, connections: int) -> Contender:
    """Every 2xx has to be a row in the end; what the client, the kernel and Docker cost is not counted."""

    def contend(seconds: float) -> Result:
        before = server.cpu_s(), container_cpu_s(ground.database.container)
        result = post_for(f"{server.url}/api/decisions", connections, seconds)
        after = server.cpu_s(), container_cpu_s(ground.database.container)
        rows = float(str(ground.database.rows("SELECT count(*) FROM decision_insights")[0][0]))
        if rows < result["requests"]:
            raise SystemExit(f"bench: {result['requests']:.0f} were acknowledged, {rows:.0f} are stored")
        spent = [1000 * (late - early) / rows for early, late in zip(before, after, strict=True)]
        return result | {
            "service_cpu_s_per_1000_rows": round(spent[0], 4),
            "database_cpu_s_per_1000_rows": round(spent[1], 4),
            "cpu_s_per_1000_rows": round(sum(spent), 4),
            "rss_mb": round(server.rss_mb()),
        }

    return contend


def pgbench(ground: Ground) -> Contender:
    """What the database itself does at one durable row a commit, without group commit above it."""
    program = shutil.which("pgbench")
    if program is None:
        raise SystemExit("bench: no pgbench on PATH; next: apt install postgresql-client postgresql-contrib")
    script = str(HERE / "row.sql")
    arguments = [program, "-n", "-M", "prepared", "-c", str(MANY), "-j", "2", "-f", script]

    def contend(seconds: float) -> Result:
        command = [*arguments, "-T", str(max(1, round(seconds))), ground.database.url("app")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"tps = ([\d.]+)", said)
        if not found:
            raise SystemExit(f"bench: {said}")
        return {"per_s": round(float(found[1]))}

    return contend


def lines(ground: Ground, server: Served) -> Contender:
    """Batches made before the clock starts, over four connections."""

    def contend(seconds: float) -> Result:
        bodies = iter([b"\n".join(_traces(BATCH_LINES)) for _ in range(round(40 * seconds))])
        headers = {"Authorization": "Bearer ingest", "Content-Type": "application/x-ndjson"}
        started = time.monotonic()

        def send() -> int:
            """By the plainest client there is: what it costs is taken from the server's share of the host."""
            sent = 0
            with contextlib.closing(HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as client:
                while time.monotonic() - started < seconds and (body := next(bodies, None)):
                    client.request("POST", "/api/decisions", body, headers)
                    sent += msgspec.json.decode(client.getresponse().read(), type=_Answer).stored
            return sent

        with ThreadPoolExecutor(FEW) as pool:
            stored = sum(pool.map(lambda _: send(), range(FEW)))
        took_s = time.monotonic() - started
        rows = float(str(ground.database.rows("SELECT count(*) FROM decision_insights")[0][0]))
        if rows < stored:
            raise SystemExit(f"bench: {stored} lines were acknowledged, {rows:.0f} are stored")
        return {"per_s": round(stored / took_s), "requests": float(stored)}

    return contend


class _Answer(msgspec.Struct):
    stored: int


COPY = """
COPY incoming (decision_id, created_at, occurred_at, user_id, action, duration_ms,
state_snapshot, difficulty_factors, triggers, extra, content_hash) FROM STDIN
"""
MERGE = """
INSERT INTO decision_insights (decision_id, created_at, occurred_at, user_id, action, duration_ms,
state_snapshot, difficulty_factors, triggers, extra, content_hash)
SELECT decision_id, created_at, occurred_at, user_id, action, duration_ms,
state_snapshot, difficulty_factors, triggers, extra, content_hash FROM incoming
ON CONFLICT DO NOTHING
"""


def copy_and_merge(ground: Ground) -> Contender:
    """The same rows by COPY into a temporary table and one INSERT; the text is made beforehand."""

    def contend(seconds: float) -> Result:
        texts = [_copied(BATCH_LINES) for _ in range(round(60 * seconds))]
        rows, started = 0, time.monotonic()
        with psycopg.connect(ground.database.url("owner")) as connection:
            connection.execute(
                "CREATE TEMP TABLE incoming (LIKE decision_insights INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
            )
            connection.commit()
            for text in texts:
                with connection.cursor().copy(COPY) as copy:
                    copy.write(text)
                rows += connection.execute(MERGE).rowcount
                connection.commit()
                if time.monotonic() - started > seconds:
                    break
        return {"per_s": round(rows / (time.monotonic() - started))}

    return contend


def cached_read(server: Served) -> Contender:
    """One insight, in the cache from the second read on."""
    decision_id = uuid7(datetime.now(UTC))

    def contend(seconds: float) -> Result:
        headers = {"Authorization": "Bearer ingest", "Content-Type": "application/json"}
        httpx.post(f"{server.url}/api/decisions", content=raw_trace(decision_id), headers=headers)
        url = f"{server.url}/api/insights/{decision_id}"
        httpx.get(url)
        if httpx.get(url).headers["x-cache"] != "hit":
            raise SystemExit("bench: the insight is not cached")
        return get_for(url, MANY, seconds)

    return contend


def _traces(count: int) -> list[bytes]:
    filler = {"mood": 0.5, "text": "x" * 400}
    return [raw_trace(uuid7(datetime.now(UTC)), stateSnapshot=filler) for _ in range(count)]


def _copied(count: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    snapshot = '{"mood": 0.5, "text": "' + "x" * 400 + '"}'
    out = io.StringIO()
    for _ in range(count):
        decision_id = uuid7(datetime.now(UTC))
        content_hash = hashlib.sha256(decision_id.encode()).hexdigest()
        out.write(
            f"{decision_id}\t{now}\t{now}\tuser-1\traise_difficulty\t12.5\t{snapshot}"
            f'\t{{"length": 1.25}}\t["slow_answer"]\t{{}}\t\\\\x{content_hash}\n'
        )
    return out.getvalue().encode()
