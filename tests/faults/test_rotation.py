"""Secrets are rotated on a stack with data, under traffic, and no request fails."""

import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from runbook.up.secrets import LASTING
from tests.e2e.conftest import Stack, free_ports, inspected
from tests.faults.traffic import Traffic

UP = "pulumi up --yes --skip-preview --non-interactive"


@pytest.fixture
def stack() -> Iterator[Stack]:
    standing = Stack(f"rot-{secrets.token_hex(3)}", *free_ports(2))
    try:
        standing.up()
        yield standing
    finally:
        standing.remove()


@pytest.mark.full
def test_every_secret_is_rotated_without_a_failed_request(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    first = values(stack)
    database = container_id(stack, "db")
    run_id = f"rotation-{secrets.token_hex(3)}"

    with Traffic(stack.http_port, first["keyIngest"], run_id) as traffic:
        # Base64 holds characters that an address must escape.
        new = "head -c 32 /dev/urandom | base64 | pulumi config set --secret amas:dbAppPassword"
        stack.shell(f"{new} && {UP}")
        by_hand = values(stack)
        assert by_hand["dbAppPassword"] != first["dbAppPassword"]

        told = stack.amas("secrets", "rotate", "all", "--json")
        rotated = values(stack)
        assert not [value for value in rotated.values() if value in told.stdout + told.stderr]
        assert [name for name in first if rotated[name] == by_hand[name]] == list(LASTING)
        assert rotated["keyIngestPrevious"] == first["keyIngest"]

        traffic.key = rotated["keyIngest"]
        stack.amas("secrets", "rotate", "all", "--finish")

    with capsys.disabled():
        print(f"\nrotation: {traffic.figures()}")  # noqa: T201 - the figures are the result
    assert traffic.failed == []
    assert traffic.requests > 20 * traffic.seconds
    assert stored(stack, run_id) == len(set(traffic.stored)) == len(traffic.stored)
    assert container_id(stack, "db") == database, "the database was never restarted"
    assert_well(stack)
    assert_old_values_are_refused(stack, first, rotated)


def assert_well(stack: Stack) -> None:
    services = [container for container in inspected(stack) if container["State"].get("Health")]
    assert len(services) >= 11
    assert {container["State"]["Health"]["Status"] for container in services} == {"healthy"}
    assert not [name for name in values(stack) if name.endswith("Previous")]
    stack.shell("pulumi preview --expect-no-changes --non-interactive")
    stack.shell("pulumi refresh --preview-only --expect-no-changes --non-interactive")


def assert_old_values_are_refused(stack: Stack, old: dict[str, str], new: dict[str, str]) -> None:
    for name in ("Owner", "Reader", "Monitor"):
        role = f"amas_{name.lower()}"
        assert logs_in(stack, role, new[f"db{name}Password"])
        assert not logs_in(stack, role, old[f"db{name}Password"])
    former = superuser(
        stack,
        "SELECT string_agg(rolname, ' ') FROM pg_roles"
        " WHERE rolname LIKE 'amas_app\\_%' AND rolvaliduntil < now() + interval '15 minutes'",
    ).split()
    assert len(former) == 2
    for role in former:
        superuser(stack, f"ALTER ROLE {role} VALID UNTIL '2000-01-01'")
        assert not logs_in(stack, role, old["dbAppPassword"])
    assert status_with(stack, old["keyIngest"]) == "401"
    assert status_with(stack, new["keyIngest"]) == "400"


def status_with(stack: Stack, key: str) -> str:
    """The header comes by stdin, as a person who minds their keys would do it."""
    command = f"curl -s -o /dev/null -w %{{http_code}} -H @- -d {{}} {stack.url}/api/decisions"
    typed = f"Authorization: Bearer {key}\nContent-Type: application/json\n"
    return stack.run(command.split(), typed=typed).stdout


def values(stack: Stack) -> dict[str, str]:
    config = json.loads(stack.shell("pulumi config --show-secrets --json").stdout)
    return {
        name.removeprefix("amas:"): entry["value"] for name, entry in config.items() if entry.get("secret")
    }


def stored(stack: Stack, run_id: str) -> int:
    query = f"SELECT count(*) FROM decision_insights WHERE run_id = '{run_id}'"  # noqa: S608 - our own word
    return int(stack.amas("db", "psql", "--", "-Atc", query).stdout)


def part(stack: Stack, name: str) -> dict[str, Any]:
    return next(one for one in inspected(stack) if one["Config"]["Labels"]["amas.part"] == name)


def container_id(stack: Stack, name: str) -> str:
    return str(part(stack, name)["Id"])


def superuser(stack: Stack, statement: str) -> str:
    command = ["docker", "exec", f"amas-{stack.name}-db", "psql", "-XAt", "-U", "postgres", "-c", statement]
    return stack.run(command).stdout.strip()


def logs_in(stack: Stack, role: str, password: str) -> bool:
    address = part(stack, "db")["NetworkSettings"]["Networks"][f"amas-{stack.name}"]["IPAddress"]
    try:
        psycopg.connect(f"postgresql://{role}:{quote(password, safe='')}@{address}:5432/danci").close()
    except psycopg.OperationalError as refused:
        if "authentication failed" not in str(refused):
            raise
        return False
    return True
