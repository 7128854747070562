"""Stored decisions a second, ours beside the plain way and beside pgbench, in turns on one database.

Run: python -m tests.bench.ingest [--seconds 5] [--rounds 3] [--json FILE]. Only the ratios mean anything.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import docker
import httpx
import uvloop

from service import migrate
from service.insights.testing import raw_trace, uuid7
from tests.integration.service.conftest import DB, ROLES, Database, running
from tests.integration.service.standing import KEYS

CONNECTIONS = 64
Result = dict[str, float]
Contender = Callable[[float], Result]


def main() -> int:
    options = _options()
    with _database() as database, contextlib.ExitStack() as processes:
        contenders = _contenders(database, processes)
        rounds: dict[str, list[Result]] = {name: [] for name in contenders}
        for turn in range(options.rounds):
            for name, contend in contenders.items():
                database.rows("TRUNCATE decision_insights, decision_keys")
                before = os.getloadavg()[0]
                result = contend(options.seconds) | {"load_before": before}
                result["stored"] = float(str(database.rows("SELECT count(*) FROM decision_insights")[0][0]))
                rounds[name].append(result)
                print(f"round {turn + 1} {name}: " + json.dumps(result), flush=True)  # noqa: T201  # its output
    report = _report(rounds)
    print(json.dumps({key: report[key] for key in ("ratios", "medians", "lost")}, indent=2))  # noqa: T201
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["lost"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@contextlib.contextmanager
def _database() -> Iterator[Database]:
    """The bench asks the container's own address: a port of the loopback goes through a proxy process."""
    engine = docker.from_env()
    password = {role: secrets.token_urlsafe(12) for role in ROLES}
    files = {f"{role}_password": text for role, text in password.items()}
    name = f"amas-bench-{os.getpid()}"
    network = engine.networks.create(name, driver="bridge")
    try:
        with running(engine, name, DB, files, data="/var/lib/amas/db") as (container, port):
            Database(container, port, password).await_ready()
            container.reload()
            address = container.attrs["NetworkSettings"]["Networks"][name]["IPAddress"]
            database = Database(container, DB.port, password, host=address)
            migrate.migrate(database.url("owner"), migrate.files(migrate.MIGRATIONS), lambda _: None)
            yield database
    finally:
        network.remove()
        engine.close()


def _contenders(database: Database, processes: contextlib.ExitStack) -> dict[str, Contender]:
    ours = ["-m", "service", "--host", "127.0.0.1", "--drain-seconds", "0", "--port"]
    plain = ["-m", "tests.bench.ingest_plain"]
    contenders = {
        "group commit (ours)": _posting(processes.enter_context(_served(ours, database))),
        "commit per request": _posting(processes.enter_context(_served(plain, database))),
    }
    if shutil.which("pgbench"):
        contenders["pgbench, a row per commit"] = _pgbench(database)
    return contenders


@contextlib.contextmanager
def _served(arguments: list[str], database: Database) -> Iterator[tuple[int, int]]:
    """Its port and its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {"DATABASE_URL": database.url("app"), "REDIS_URL": "redis://127.0.0.1:1", "API_KEYS": KEYS}
    server = subprocess.Popen([sys.executable, *arguments, str(port)], env=os.environ | environment)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/health")
                break
            if time.monotonic() > deadline:
                raise TimeoutError(arguments)
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def _posting(served: tuple[int, int]) -> Contender:
    port, process_id = served

    def contend(seconds: float) -> Result:
        before = _cpu_s(process_id)
        result = uvloop.run(_post_for(port, seconds))
        rows = max(1.0, result["acknowledged"])
        return result | {"cpu_ms_per_1000_rows": round(1e6 * (_cpu_s(process_id) - before) / rows, 1)}

    return contend


def _cpu_s(process_id: int) -> float:
    """Of the service alone; unlike the rate it hardly depends on who else uses the machine."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _post_for(port: int, seconds: float) -> Result:
    """A bare client: a full one would cost more than what is measured."""
    ends_at = time.monotonic() + seconds
    latencies_s: list[float] = []
    await asyncio.gather(*(_post(port, ends_at, latencies_s) for _ in range(CONNECTIONS)))
    latencies_s.sort()
    return {
        "rows_per_s": round(len(latencies_s) / seconds),
        "p50_ms": round(1000 * latencies_s[len(latencies_s) // 2], 1),
        "p99_ms": round(1000 * latencies_s[len(latencies_s) * 99 // 100], 1),
        "acknowledged": float(len(latencies_s)),
    }


async def _post(port: int, ends_at: float, latencies_s: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (start := time.monotonic()) < ends_at:
        body = raw_trace(uuid7(datetime.now(UTC)), stateSnapshot={"mood": 0.5, "text": "x" * 400})
        head = (
            "POST /api/decisions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ingest\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        await reader.readexactly(int(length[1]) if length else 0)
        if answer.startswith(b"HTTP/1.1 201"):
            latencies_s.append(time.monotonic() - start)
    writer.close()


def _pgbench(database: Database) -> Contender:
    """One row a commit at as many clients: what the database itself does without group commit above it."""
    script = Path(__file__).with_name("ingest_row.sql")
    arguments = ["pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-f", str(script)]

    def contend(seconds: float) -> Result:
        command = [*arguments, "-T", str(max(1, round(seconds))), database.url("app")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"tps = ([\d.]+)", said)
        done = re.search(r"actually processed: (\d+)", said)
        assert found
        assert done
        return {"rows_per_s": round(float(found[1])), "acknowledged": float(done[1])}

    return contend


def _report(rounds: dict[str, list[Result]]) -> dict[str, object]:
    """Ratios within each round, and their medians; a wide spread says that the machine was not ours alone."""
    first = next(iter(rounds.values()))
    ratios = {
        "ours to " + name: [
            round(ours["rows_per_s"] / theirs["rows_per_s"], 2)
            for ours, theirs in zip(first, results, strict=True)
        ]
        for name, results in rounds.items()
    }
    lost = [
        name for name, results in rounds.items() for one in results if one["stored"] < one["acknowledged"]
    ]
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    return {"connections": CONNECTIONS, "ratios": ratios, "medians": medians, "lost": lost, "rounds": rounds}


if __name__ == "__main__":
    sys.exit(main())
