"""The monitoring image: its baked configuration is one Prometheus takes, job by job."""

import json

from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, eventually

UID = 10006
JOBS = {"api", "lb", "db", "cache", "queue", "host", "scheduler", "autoscaler", "backup", "prometheus"}


def scrape_pools(prometheus: Container) -> set[str]:
    """Empty while the server is not far enough to say."""
    said = ask(prometheus, "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/scrape_pools")
    return set(json.loads(said.text)["data"]["scrapePools"]) if said.exit_code == 0 else set()


def test_prometheus_loads_the_baked_configuration(lab: Lab) -> None:
    prometheus = lab.run(
        "monitoring",
        volumes={
            lab.volume(): "/var/lib/amas/prometheus",
            lab.volume({"metrics_key": b"secret"}, uid=UID): "/secrets",
        },
        network=lab.network(),
    )
    eventually(lambda: scrape_pools(prometheus) == JOBS, prometheus)
    config = ask(prometheus, "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/status/config")
    assert "secret" not in json.loads(config.text)["data"]["yaml"].replace("/secrets/", "")
    assert ask(prometheus, "promtool", "check", "config", "/etc/amas/prometheus.yml").exit_code == 0


def test_exporters_answer_for_the_stores_with_passwords_from_files(lab: Lab) -> None:
    """The exporter's flags as the stack gives them: a renamed one would only show as a missing metric."""
    network = lab.network()
    exporter = lab.run(
        "monitoring",
        ["prometheus-redis-exporter", "-redis.addr=", "-redis.password-file=/secrets/redis_passwords.json"],
        volumes={
            lab.volume({"redis_passwords.json": b'{"redis://cache:6379": "right"}'}, uid=UID): "/secrets"
        },
        network=network,
    )
    acl = b"user default on >right ~* &* +@all\nuser health on nopass ~health:* -@all +ping +set\n"
    lab.run(
        "redis",
        ["amas-redis", "cache"],
        volumes={lab.volume({"users.acl": acl}, uid=10002): "/secrets"},
        environment={"AMAS_MAXMEMORY_MB": "16"},
        **lab.alias(network, "cache"),
    )
    scrape = ["wget", "-q", "-O", "-", "http://127.0.0.1:9121/scrape?target=redis://cache:6379"]
    eventually(lambda: "\nredis_up 1\n" in ask(exporter, *scrape).text, exporter)
