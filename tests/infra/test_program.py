"""The whole program against mocks: what it asks the engine for."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import policy
from infra.components.api import SECRET_SETTINGS
from infra.components.container import JobFailed
from infra.keys import KEYS, REQUIRED_SECRETS
from service import settings
from tests.infra.conftest import CANARIES, SECRET_SIGNATURE, VOLUME, Recorded, Run, snake

JOBS = ("-loader", "migrate", "db-roles", "db-former-logins")


def is_job(name: str) -> bool:
    return name.endswith(JOBS)


def environment(inputs: dict[str, Any]) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in snake(inputs)["envs"])


def test_every_part_of_the_environment_is_asked_for(asked: Recorded) -> None:
    services = {name for name in asked.containers if not is_job(name)}
    exporters = {"db-exporter", "redis-exporter", "host-exporter"}
    stores = {"db", "cache", "queue", "backup"}
    assert services == {*stores, "api-0", "api-1", "lb", "prometheus", "scheduler", *exporters}


def test_every_container_holds_the_standard(asked: Recorded) -> None:
    for name, inputs in asked.containers.items():
        root_reason = "loads files" if name.endswith("-loader") else None
        assert policy.violations(snake(inputs), job=is_job(name), root_reason=root_reason) == [], name


def test_replicas_follow_the_configuration_and_carry_no_fixed_name(run: Run) -> None:
    containers = run(replicas="3", dbMaxConnections="200").containers
    replicas = [inputs for name, inputs in containers.items() if name.startswith("api-") and not is_job(name)]
    assert len(replicas) == 3
    assert not any("name" in inputs for inputs in replicas)
    assert all(snake(inputs)["networks_advanced"][0]["aliases"] == ["api"] for inputs in replicas)


def test_only_the_balancer_and_prometheus_publish_ports(run: Run) -> None:
    containers = run(httpPort="13000", prometheusPort="19090").containers
    published = {
        name: [port["external"] for port in inputs["ports"]]
        for name, inputs in containers.items()
        if inputs.get("ports")
    }
    assert published == {"lb": [13000], "prometheus": [19090]}


def test_the_services_environment_is_exactly_its_settings(asked: Recorded) -> None:
    """A setting infra does not set, or an entry the service does not read, is a lie in one of them."""
    given = set(environment(asked.containers["api-0"]))
    secrets = {f"{name}_FILE" for name in settings.SECRET_NAMES}
    assert given == set(settings.ENV_NAMES) - set(settings.SECRET_NAMES) | secrets


def test_every_service_setting_key_reaches_the_container(asked: Recorded) -> None:
    given = environment(asked.containers["api-0"])
    assert {key.setting for key in KEYS if key.setting} == set(given) - set(SECRET_SETTINGS) - {
        "ALERT_RULES_FILE"
    }


def test_rules_of_ones_own_reach_the_replicas_and_change_them_when_edited(run: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    volumes = []
    for text in ("rules: []\n", "rules: []  # edited\n"):
        rules.write_text(text)
        asked = run(alertRulesFile=str(rules))
        replica = asked.containers["api-0"]
        assert environment(replica)["ALERT_RULES_FILE"] == "/secrets/alert-rules.yaml"
        uploads = snake(asked.containers["api-secrets-loader"])["uploads"]
        assert "/incoming/alert-rules.yaml" in json.dumps(uploads)
        volumes.append(json.dumps(snake(replica)["volumes"]))
    assert volumes[0] != volumes[1]


def test_secrets_stand_nowhere_but_in_wrapped_uploads(asked: Recorded) -> None:
    for typ, name, inputs in asked.resources:
        if typ == "pulumi:pulumi:Stack":
            continue
        unwrapped = {
            field: value
            for field, value in inputs.items()
            if not (isinstance(value, dict) and SECRET_SIGNATURE in value)
        }
        text = json.dumps(unwrapped)
        assert [canary for canary in CANARIES.values() if canary in text] == [], name
        if name.endswith("-loader") and "secrets" in name:
            assert SECRET_SIGNATURE in inputs["uploads"], name


def test_every_secret_is_used(asked: Recorded) -> None:
    """A secret nobody reads would be generated, kept and rotated for nothing."""
    uploads = json.dumps([inputs.get("uploads") for inputs in asked.containers.values()])
    hashed = {"cachePassword", "queuePassword", "keyIngest", "keyRead", "keyMetrics", "keyAdmin"}
    unseen = {name for name, canary in CANARIES.items() if canary not in uploads}
    assert unseen <= hashed


def test_data_volumes_are_marked(asked: Recorded) -> None:
    volumes = asked.of_type(VOLUME)
    kept = {
        inputs["name"]
        for inputs in volumes.values()
        if {"label": "amas.data", "value": "keep"} in inputs["labels"]
    }
    assert kept == {f"amas-test-{part}" for part in ("db", "queue", "prometheus", "backup", "offsite")}


def test_a_changed_secret_changes_the_volume_its_readers_mount(run: Run, asked: Recorded) -> None:
    def mounted(recorded: Recorded) -> list[str]:
        return [volume["volume_name"] for volume in snake(recorded.containers["api-0"])["volumes"]]

    before = mounted(asked)
    assert mounted(run()) == before
    assert mounted(run(secrets={**CANARIES, "keyIngest": "rotated"})) != before


def test_a_failed_migration_starts_no_replica(run: Run) -> None:
    recorded = Recorded()
    with pytest.raises(JobFailed, match="migrate ended with exit code 1:\nthe job's last words"):
        run(exit_codes={"migrate": 1}, into=recorded)
    assert "migrate" in recorded.containers
    assert not {"api-0", "api-1", "lb"} & set(recorded.containers)


def test_a_failed_job_for_the_passwords_starts_nothing_that_logs_in(run: Run) -> None:
    recorded = Recorded()
    with pytest.raises(JobFailed, match="db-roles ended with exit code 1:\nthe job's last words"):
        run(exit_codes={"db-roles": 1}, into=recorded)
    needing = {
        "migrate", "api-0", "api-1", "lb", "db-exporter", "scheduler", "db-former-logins", "backup"
    }  # fmt: skip
    assert not needing & set(recorded.containers)


def test_the_database_knows_no_password(asked: Recorded) -> None:
    """Else a rotation would replace it: seconds without writes."""
    volumes = [volume["container_path"] for volume in snake(asked.containers["db"])["volumes"]]
    assert sorted(volumes) == ["/run/postgresql", "/var/lib/amas/db"]


def test_the_database_is_told_how_durable_its_wal_is_to_be(run: Run) -> None:
    recorded = run(walDurability="async", walDegradeAfterS="5")
    given = environment(recorded.containers["db"])
    assert (given["AMAS_WAL_DURABILITY"], given["AMAS_WAL_DEGRADE_AFTER_S"]) == ("async", "5")
    assert environment(recorded.containers["api-0"])["WAL_DURABILITY"] == "async"


def test_without_backups_nothing_waits_for_them_and_their_data_stays(run: Run) -> None:
    recorded = run(backups="false")
    assert "backup" not in recorded.containers
    assert {environment(recorded.containers[part])[name] for part, name in DURABILITY.items()} == {"async"}
    assert {"backup-data", "offsite-data"} <= set(recorded.of_type(VOLUME))


DURABILITY = {"db": "AMAS_WAL_DURABILITY", "api-0": "WAL_DURABILITY"}


def test_the_backups_crontab_is_rendered_from_the_configuration(run: Run) -> None:
    recorded = run(backupSchedule="0 5 * * 1", proofSchedule="0 6 * * 1", offsiteSchedule="0 7 * * 1")
    crontab = uploads(recorded, "backup-config")["crontab"]
    for line in (
        "0 5 * * 1 amas job run backup",
        "0 6 * * 1 amas job run proof",
        "0 7 * * 1 amas job run offsite",
    ):
        assert f"\n{line} --limit-s " in crontab


def test_the_backup_knows_where_the_copy_off_site_goes(run: Run) -> None:
    assert environment(run().containers["backup"])["AMAS_OFFSITE"] == "/var/lib/amas/offsite"
    away = run(offsiteRepository="s3:s3.example.org/amas")
    assert environment(away.containers["backup"])["AMAS_OFFSITE"] == "s3:s3.example.org/amas"
    handed = uploads(away, "backup-secrets")
    assert handed["offsite_env"] == CANARIES["offsiteCredentials"] + "\n"
    assert handed["offsite_ssh_key"] == CANARIES["offsiteSshKey"] + "\n", "ssh wants the last line's end"


def test_a_copy_by_sftp_needs_the_host_it_may_believe(run: Run) -> None:
    with pytest.raises(pulumi.RunError, match="amas:offsiteKnownHosts is empty"):
        run(offsiteRepository="sftp:backup@there:/amas")
    away = run(offsiteRepository="sftp:backup@there:/amas", offsiteKnownHosts="there ssh-ed25519 abc")
    assert uploads(away, "backup-secrets")["offsite_known_hosts"] == "there ssh-ed25519 abc\n"


def test_the_backups_upkeep_is_no_job(run: Run) -> None:
    """A record a minute would tell nothing."""
    assert "\n* * * * * amas backup upkeep" in uploads(run(), "backup-config")["crontab"]


def test_the_backup_writes_to_its_two_volumes_alone(run: Run) -> None:
    volumes = snake(run().containers["backup"])["volumes"]
    written = {volume["container_path"] for volume in volumes if not volume["read_only"]}
    assert written == {"/var/lib/amas/backup", "/var/lib/amas/offsite"}


def test_jobs_beside_the_database_have_no_network_and_cannot_write_its_sockets(asked: Recorded) -> None:
    for name in ("db-roles", "db-former-logins"):
        job = snake(asked.containers[name])
        assert job["network_mode"] == "none"
        assert not job.get("networks_advanced")
        assert all(volume["read_only"] for volume in job["volumes"])


def uploads(recorded: Recorded, loader: str) -> dict[str, str]:
    files = snake(recorded.containers[f"{loader}-loader"]["uploads"])
    return {entry["file"].rpartition("/")[2]: entry["content"] for entry in files}


def test_each_password_of_the_service_has_a_login_of_its_own(run: Run) -> None:
    """Two passwords are valid while the replicas are replaced one by one."""
    logins = set()
    for password in ("one", "another"):
        recorded = run(secrets={**CANARIES, "dbAppPassword": password})
        login = uploads(recorded, "db-secrets")["app_role"]
        assert uploads(recorded, "api-secrets")["database_url"].startswith(
            f"postgresql://{login}:{password}@"
        )
        logins.add(login)
    assert len(logins) == 2
    assert all(re.fullmatch("amas_app_[0-9a-f]{8}", login) for login in logins)


def test_a_previous_key_is_accepted_beside_the_present_one(run: Run) -> None:
    recorded = run(secrets={**CANARIES, "keyIngestPrevious": "before"})
    lines = uploads(recorded, "api-secrets")["api_keys"].splitlines()
    digests = [hashlib.sha256(key.encode()).hexdigest() for key in ("before", CANARIES["keyIngest"])]
    assert sorted(line for line in lines if line.startswith("ingest")) == sorted(
        f"ingest {digest}" for digest in digests
    )
    assert len(lines) == 5


def test_our_own_parts_send_a_key_that_every_replica_knows(run: Run, asked: Recorded) -> None:
    """While replicas are replaced, old ones know only the previous key."""
    previous = {"keyReadPrevious": "read-before", "keyMetricsPrevious": "metrics-before"}
    rotated = run(secrets={**CANARIES, **previous})
    assert uploads(rotated, "prometheus-secrets") == {"metrics_key": "metrics-before"}
    assert uploads(rotated, "scheduler-secrets") == {
        "read_key": "read-before",
        "metrics_key": "metrics-before",
        "jobs_password": CANARIES["dbJobsPassword"],
    }
    assert uploads(asked, "prometheus-secrets") == {"metrics_key": CANARIES["keyMetrics"]}


def test_missing_secrets_are_one_message_with_the_next_command(run: Run) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(secrets={})
    assert str(caught.value).count("is not set") == len(REQUIRED_SECRETS)
    assert "./scripts/up" in str(caught.value)
