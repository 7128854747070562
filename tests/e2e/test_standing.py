"""A standing stack, used as its people use it; every test leaves it as it was."""

import json
import re
import subprocess
import urllib.request
from typing import Any

import pytest

from tests.e2e.conftest import Stack, eventually, inspected


def as_json(text: str) -> Any:
    return json.loads(text)


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = {container["Id"] for container in inspected(stack)}
    done = stack.up()
    assert "nothing to change" in done.stderr
    assert {container["Id"] for container in inspected(stack)} == before


@pytest.mark.parametrize(
    "command",
    [
        "pulumi preview --expect-no-changes",
        "pulumi refresh --preview-only --expect-no-changes",
        "pulumi up --yes --skip-preview --expect-no-changes",
    ],
)
def test_plain_pulumi_finds_nothing_to_change(stack: Stack, command: str) -> None:
    stack.shell(f"{command} --non-interactive")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("curl -fsS http://localhost:3000/health", '{"status":"ok","timestamp":"'),
        (
            "curl -fsS http://localhost:3000/api/about/metrics/prometheus",
            'amas_queue_size{type="decision"} 0',
        ),
        ("curl -fsS http://localhost:3000/api/alerts/active | jq", "[]"),
        ("curl -fsS http://localhost:3000/api/alerts/active | jq 'length'", "0"),
        ("curl -fsS http://localhost:3000/api/alerts/history | jq 'length'", "0"),
        ('psql $DATABASE_URL -c "SELECT COUNT(*) FROM decision_insights;"', "count"),
        ('psql $DATABASE_URL -c "SELECT pg_is_in_recovery();"', "f"),
        ("psql $DATABASE_URL -c \"SELECT pg_size_pretty(pg_database_size('danci'));\"", "MB"),
        (
            "psql $DATABASE_URL -c \"SELECT pg_size_pretty(pg_total_relation_size('decision_insights'))\"",
            "kB",
        ),
        ("redis-cli -u $REDIS_URL PING", "PONG"),
    ],
)
def test_the_seeds_commands_work_as_written(stack: Stack, command: str, expected: str) -> None:
    """Only the port differs: tests never take 3000."""
    done = stack.shell(command.replace("http://localhost:3000", stack.url))
    assert expected in done.stdout


def test_the_seeds_idle_connection_fix_is_allowed(stack: Stack) -> None:
    """Section 7.2, as written."""
    stack.shell(
        """psql $DATABASE_URL -c "
  SELECT pg_terminate_backend(pid)
  FROM pg_stat_activity
  WHERE state = 'idle'
  AND state_change < NOW() - INTERVAL '10 minutes';
" """
    )


def test_psql_and_redis_are_one_word_away(stack: Stack) -> None:
    assert stack.amas("db", "psql", "--", "-Atc", "SELECT 41 + 1").stdout.strip() == "42"
    assert stack.amas("db", "psql", typed="SELECT 'from stdin';").stdout.find("from stdin") > 0
    assert "PONG" in stack.amas("cache", "cli", "--", "PING").stdout
    assert stack.amas("db", "psql", "--", "-c", "SELECT broken", check=False).returncode != 0


def test_the_ingest_key_writes_and_the_read_key_does_not(stack: Stack) -> None:
    trace = '{"decisionId":"e2e-key-1","userId":"u","occurredAt":"%s","action":"show","durationMs":1}'
    post = (
        "curl -sS -o /dev/null -w '%{{http_code}}' -X POST {url}/api/decisions"
        " -H \"Authorization: Bearer $(amas keys show {scope})\" -H 'Content-Type: application/json'"
        " -H 'X-Amas-Run-Id: e2e-keys' -d \"$(printf '{trace}' $(date -u +%FT%TZ))\""
    )
    codes = [
        stack.shell(post.format(url=stack.url, scope=scope, trace=trace)).stdout
        for scope in ("ingest", "read")
    ]
    assert codes == ["201", "403"]
    admin = '-H "Authorization: Bearer $(amas keys show admin)"'
    stack.shell(f"curl -fsS -X DELETE {stack.url}/api/runs/e2e-keys {admin}")


def test_smoke_stores_reads_and_counts_a_thousand_traces(stack: Stack) -> None:
    report = as_json(stack.amas("smoke", "--json").stdout)
    assert report["ok"]
    lines = {line["name"]: line["detail"] for line in report["lines"]}
    assert lines["counted by the API"] == lines["counted by SQL"] == "1000"
    rows = stack.amas(
        "db", "psql", "--", "-Atc", "SELECT count(*) FROM decision_insights WHERE run_id IS NOT NULL"
    )
    assert rows.stdout.strip() == "0", "the smoke test purges its own rows"


def test_health_passes_from_the_host_and_as_the_scheduled_job(stack: Stack) -> None:
    stack.amas("health")
    scheduler = f"amas-{stack.name}-scheduler"
    crontab = subprocess.check_output(["docker", "exec", scheduler, "cat", "/config/crontab"], text=True)
    (command,) = re.findall(r"amas job run health .* -- (.*)", crontab)
    report = as_json(subprocess.check_output(["docker", "exec", scheduler, *command.split()], text=True))
    assert {check["state"] for check in report["checks"]} <= {"ok", "unknown"}


def test_status_names_every_part_and_its_health(stack: Stack) -> None:
    report = as_json(stack.amas("status", "--json").stdout)
    healthy = {part["part"] for part in report["parts"] if part["state"] == "healthy"}
    assert {
        "db",
        "cache",
        "queue",
        "backup",
        "api",
        "lb",
        "prometheus",
        "scheduler",
        "autoscaler",
        "agent",
    } <= healthy


def test_decisions_are_acknowledged_when_the_backup_has_them_too(stack: Stack) -> None:
    mode = ("db", "psql", "--", "-Atc", "SHOW synchronous_standby_names")
    eventually(lambda: stack.amas(*mode).stdout.strip() == "barman_receive_wal", within_s=60, what="sync")
    wal = as_json(stack.shell(f"curl -fsS {stack.url}/api/about/monitoring").stdout)["wal"]
    assert (wal["syncDegraded"], wal["slotLost"]) == (False, False)
    assert wal["receiverLagBytes"] < 16 << 20


def test_logs_of_a_part_can_be_read(stack: Stack) -> None:
    assert "database system is ready" in stack.amas("logs", "db", "--since", "2h").stdout
    assert stack.amas("logs", "nothing", check=False).returncode == 2


def test_every_prometheus_target_is_up(stack: Stack) -> None:
    def states() -> dict[str, str]:
        address = f"http://127.0.0.1:{stack.prometheus_port}/api/v1/targets?state=active"
        with urllib.request.urlopen(address, timeout=10) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        return {target["scrapeUrl"]: target["health"] for target in targets}

    def all_up() -> bool:
        found = states()
        return len(found) >= 9 and set(found.values()) == {"up"}

    eventually(all_up, within_s=60, what="every scrape target up")


def test_inspect_finds_nothing_missing_on_any_container(stack: Stack) -> None:
    containers = inspected(stack)
    running = [one for one in containers if one["State"]["Running"]]
    jobs = [one for one in containers if not one["State"]["Running"]]
    assert len(running) >= 11
    assert len(jobs) >= 8
    assert {one["Name"]: missing(one) for one in containers if missing(one)} == {}
    assert {one["Name"]: missing_while_running(one) for one in running if missing_while_running(one)} == {}
    for job in jobs:
        assert job["State"]["ExitCode"] == 0, job["Name"]
        assert job["HostConfig"]["RestartPolicy"]["Name"] == "no", job["Name"]
        # Only what hands files to their owner runs as root, with three capabilities.
        if job["Config"]["User"].startswith("0"):
            assert job["Config"]["Labels"]["amas.part"] in {"files", "lb-config"}, job["Name"]
            assert set(job["HostConfig"]["CapAdd"]) <= LOADERS_CAPABILITIES, job["Name"]


LOADERS_CAPABILITIES = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CHOWN", "DAC_OVERRIDE", "FOWNER"}


def missing(container: dict[str, Any]) -> list[str]:
    """Of what every container has, jobs included."""
    host, config = container["HostConfig"], container["Config"]
    binds = [one["Source"] for one in container["Mounts"] if one["Type"] == "bind"]
    is_agent = config["Labels"].get("amas.part") == "agent"
    held = {
        "memory limit": host["Memory"] > 0,
        "swap equal to memory": host["MemorySwap"] == host["Memory"],
        "no capability": host["CapDrop"] == ["ALL"],
        "no new privileges": "no-new-privileges:true" in host["SecurityOpt"],
        "not privileged": not host["Privileged"],
        "log cap": bool(host["LogConfig"]["Config"].get("max-size")),
        "image by its id": config["Image"].startswith("sha256:"),
        "stack and part labels": {"amas.stack", "amas.part"} <= set(config["Labels"]),
        "no bind of the host but the agent's": binds == (["/var/run/docker.sock"] if is_agent else []),
    }
    return [name for name, holds in held.items() if not holds]


def missing_while_running(container: dict[str, Any]) -> list[str]:
    host = container["HostConfig"]
    is_agent = container["Config"]["Labels"]["amas.part"] == "agent"
    bound = [binding["HostIp"] for ports in (host["PortBindings"] or {}).values() for binding in ports]
    held = {
        "health check": container["State"].get("Health", {}).get("Status") == "healthy",
        "processes limited": [limit["Name"] for limit in host["Ulimits"] or []] == ["nproc"],
        "share of the CPU": host["CpuShares"] > 0,
        "read-only root": host["ReadonlyRootfs"],
        "restart policy": host["RestartPolicy"]["Name"] == "always",
        # The engine's socket belongs to root; what else would come with that is looked for above.
        "user that is not root": is_agent or not container["Config"]["User"].startswith("0"),
        "ports on loopback alone": set(bound) <= {"127.0.0.1"},
        "init": host["Init"],
    }
    return [name for name, holds in held.items() if not holds]
