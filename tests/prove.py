"""Runs what takes too long for every change, and keeps what came of it in docs/proofs.

`python -m tests.prove NAME` runs one and writes docs/proofs/NAME.json; without a name it lists them.
`python -m tests.prove --stale` names those whose code has changed since (`scripts/check` shows it).
"""

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs/proofs"
KEPT_LINES = 80


@dataclass(frozen=True)
class Proof:
    """A claim, the command that shows it, and the paths whose change makes it old."""

    claim: str
    command: str
    covers: Sequence[str]


def tests(path: str, *options: str) -> str:
    return " ".join(["AMAS_TEST_FULL=1 python -m pytest -p no:randomly", path, *options])


PROOFS = {
    "limits": Proof(
        "Each part that eats all its memory is ended at its own limit and healthy again within 60 s",
        tests("tests/e2e/test_limits.py"),
        ("tests/e2e/test_limits.py", "infra/components", "images"),
    ),
    "faults": Proof(
        "What goes wrong during `up` is told with its cause and next command, and breaks nothing that served",
        tests(
            "tests/faults",
            "--ignore tests/faults/test_rotation.py",
            "--ignore tests/faults/test_stores_away.py",
            "--ignore tests/faults/test_backup_away.py",
            "--ignore tests/faults/test_restore.py",
            "--ignore tests/faults/test_drill.py",
            "--ignore tests/faults/test_scale.py",
        ),
        ("tests/faults", "runbook/up", "infra"),
    ),
    "stores-away": Proof(
        "A minute without the database at 500 posts a second loses nothing; either Redis away fails nothing",
        tests("tests/faults/test_stores_away.py", "-s"),
        ("tests/faults/test_stores_away.py", "service", "infra/components"),
    ),
    "storms": Proof(
        "1,000 alerts a minute before a receiver that answers 429, and ten minutes without one: all is told",
        "AMAS_RECEIVER_AWAY_S=600 "
        + tests(
            "tests/integration/service/test_storms.py", "tests/integration/service/test_heartbeat.py", "-s"
        ),
        (
            "tests/integration/service/test_storms.py",
            "tests/integration/service/test_heartbeat.py",
            "service/alerts",
        ),
    ),
    "restore": Proof(
        "A database lost with its volume, restored twice and to a moment, and a lost host: nothing missing",
        tests("tests/faults/test_restore.py", "-s"),
        ("tests/faults/test_restore.py", "runbook/restore", "runbook/backup", "images/backup"),
    ),
    "backup-away": Proof(
        "A minute without the backup at 200 posts a second: commits go on, an alert tells, nothing is lost; "
        "a backup that stays away cannot fill the disk, and is told of before WAL is dropped",
        tests("tests/faults/test_backup_away.py", "-s"),
        (
            "tests/faults/test_backup_away.py",
            "images/db",
            "images/backup",
            "infra/components",
            "service/wal.py",
        ),
    ),
    "drill": Proof(
        "Each fault of the drill loses nothing acknowledged, is told in time and well again in time",
        tests("tests/faults/test_drill.py", "-s"),
        ("tests/faults/test_drill.py", "runbook/drill", "service", "infra"),
    ),
    "scale": Proof(
        "Load past its trigger brings a replica in time, its end takes it away; a release sweeps the burst "
        "and a full memory is restarted without a failed request; the agent does nothing it has no word for",
        tests("tests/faults/test_scale.py", "-s"),
        (
            "tests/faults/test_scale.py",
            "runbook/agent",
            "runbook/scale",
            "runbook/up/burst.py",
            "infra/components/autoscaler.py",
        ),
    ),
    "change": Proof(
        "Rules, settings, images, the load balancer's configuration and certificate change under 300 "
        "requests a second: none fails and no decision is lost; an upgrade that fails takes itself back",
        tests("tests/change", "-s"),
        (
            "tests/change",
            "infra",
            "images/lb",
            "runbook/upgrade",
            "runbook/releases",
        ),
    ),
    "seed-rate": Proof(
        "The runbook's 1,000 requests a second for five minutes on two replicas: the verdict with its "
        "objectives, and where it is missed the highest good rate",
        tests("tests/e2e/test_seed_rate.py", "-s"),
        ("tests/e2e/test_seed_rate.py", "loadtests", "service"),
    ),
    "soak-hour": Proof(
        "An hour at the average rate on two replicas passes, and memory, queue and disk do not grow but by "
        "what is stored",
        tests("tests/e2e/test_soak.py", "-s"),
        ("tests/e2e/test_soak.py", "loadtests", "service"),
    ),
    "rotation": Proof(
        "Every secret is rotated under traffic without a failed request or a lost decision",
        tests("tests/faults/test_rotation.py", "-s"),
        ("tests/faults/test_rotation.py", "runbook/rotation.py", "infra"),
    ),
    "secrets": Proof(
        "No secret is found in inspect, image history, logs, processes, volumes, state or kept files",
        tests("tests/e2e/test_secrets_nowhere.py"),
        ("tests/e2e/test_secrets_nowhere.py", "runbook", "infra"),
    ),
    "backup-proof": Proof(
        "A backup is proven by a restore; one tampered, short of WAL, of other versions or emptied is not",
        tests("tests/integration/images/test_backup.py", "-s"),
        ("tests/integration/images/test_backup.py", "runbook/backup", "images/backup"),
    ),
    "bench": Proof(
        "The figures of the service: ingest, batches, reads, metrics, beside what they are measured against",
        "python -m tests.bench --seconds 6 --rounds 5",
        ("tests/bench", "service"),
    ),
    "bench-parts": Proof(
        "The metrics middleware costs a request at most 3 us, a snapshot 1 ms, a rule 1 us, a scrape 20 ms",
        " && ".join(
            f"python -m tests.bench.{one}" for one in ("middleware", "snapshot", "evaluate", "scrape")
        ),
        ("tests/bench", "service/collector", "service/alerts/evaluate.py", "service/metrics.py"),
    ),
    "growth": Proof(
        "A row costs at most 1.2 times the CPU with 20 million rows stored as with one; 1, 2 and 4 replicas",
        "python -m tests.bench.growth",
        ("tests/bench/growth.py", "tests/bench/fill.sql", "service"),
    ),
    "soak": Proof(
        "A replica under 1,000 posts a second for 10 minutes stays far below 512 MB and does not grow",
        "python -m tests.bench.soak --minutes 10 --rate 1000",
        ("tests/bench/soak.py", "service"),
    ),
    "traffic": Proof(
        "100,000 generated traces through the load balancer end exactly as their manifest says",
        tests("tests/e2e/test_traffic.py", "-s"),
        ("tests/e2e/test_traffic.py", "runbook/traffic", "service/insights"),
    ),
    "mutation": Proof(
        "Of all small changes to rules, limiter, dedup and spool the unit tests notice 85 % in each file",
        "python -m tests.mutation",
        (
            "tests/mutation.py",
            "service/alerts/evaluate.py",
            "service/alerts/limiter.py",
            "service/insights/decision.py",
            "service/insights/drain.py",
            "service/insights/intake.py",
            "service/insights/queue.py",
            "service/insights/spool.py",
            "service/insights/spooler.py",
        ),
    ),
}


def main(words: Sequence[str]) -> int:
    if "--stale" in words:
        return say_stale()
    if not words or words[0] not in PROOFS:
        print("\n".join(f"{name:<12} {proof.claim}" for name, proof in PROOFS.items()))  # noqa: T201
        return 2 if words else 0
    return prove(words[0], PROOFS[words[0]])


def prove(name: str, proof: Proof) -> int:
    """Only on a clean tree: the commit has to tell what was run."""
    changed = git("status", "--porcelain", "--", ":!docs/proofs")
    if changed:
        sys.stderr.write(f"prove: not on a clean tree; next: commit\n{changed}")
        return 2
    commit = git("rev-parse", "HEAD").strip()
    began, started = datetime.now(UTC), time.monotonic()
    done = run(proof.command)
    kept = {
        "proof": name,
        "claim": proof.claim,
        "holds": done.returncode == 0,
        "command": proof.command,
        "commit": commit,
        "covers": list(proof.covers),
        "began": began.isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - started),
        "machine": machine(),
        "said": without_places(done.stdout).splitlines()[-KEPT_LINES:],
    }
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
    (KEPT / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return done.returncode


def run(command: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=False
    )


def machine() -> dict[str, object]:
    """Enough to judge figures by; no names."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpus": os.cpu_count(),
        "cpu": cpu[1] if cpu else platform.machine(),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[2], 1),
    }


def without_places(text: str) -> str:
    return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")


def say_stale() -> int:
    """A reminder and no failure: a proof that is old is still what was seen at its commit."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        return 0
    for file in sorted(KEPT.glob("*.json")):
        kept = json.loads(file.read_text())
        changed = git("log", "--format=%h", f"{kept['commit']}..HEAD", "--", *kept["covers"]).split()
        if changed:
            print(f"note: {file.name} is {len(changed)} commits older than its code: tests.prove {file.stem}")  # noqa: T201
    return 0


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
