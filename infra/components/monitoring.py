"""Prometheus and the exporters it scrapes; the load balancer and the service expose their own metrics."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from infra.components import container
from infra.components.container import Health, Mount, Platform, Port, Spec
from infra.components.files import Files
from infra.config import Config, loopback
from infra.images import Images

UID = 10006
# All this host tells without a mount from it: a container's /proc shows the host's processors and memory.
_HOST_COLLECTORS = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "stat", "uname", "vmstat")


class Monitoring(pulumi.ComponentResource):
    """Prometheus on its data volume and one exporter each for PostgreSQL, both Redis and the host."""

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        data_volume: pulumi.Input[str],
        roles: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:monitoring:Monitoring", "monitoring", None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def secrets(
            part: str, contents: dict[str, pulumi.Input[str]], after: pulumi.Output[str] | None = None
        ) -> Mount:
            files = Files(f"{part}-secrets", platform=platform, uid=UID, contents=contents, opts=child)
            return files.mount("/secrets", after=after)

        storage = Mount(data_volume, "/var/lib/amas/prometheus", read_only=False)
        key = secrets("prometheus", {"metrics_key": config.held_key("keyMetrics")})
        for spec in (
            _db_exporter(config, images, secrets("db-exporter", _db_secret(config), after=roles)),
            _redis_exporter(config, images, secrets("redis-exporter", _redis_secret(config))),
            _host_exporter(config, images),
            _prometheus(config, images, (storage, key)),
        ):
            container.service(platform, spec, opts=child)
        self.register_outputs({})


def redis_passwords(passwords: Mapping[str, str]) -> str:
    """Return the exporter's password file: address to password."""
    return json.dumps({f"redis://{part}:6379": passwords[part] for part in sorted(passwords)})


def _db_secret(config: Config) -> dict[str, pulumi.Input[str]]:
    return {"monitor_password": config.secret("dbMonitorPassword")}


def _redis_secret(config: Config) -> dict[str, pulumi.Input[str]]:
    both = pulumi.Output.all(cache=config.secret("cachePassword"), queue=config.secret("queuePassword"))
    return {"redis_passwords.json": both.apply(redis_passwords)}


def _db_exporter(config: Config, images: Images, secrets: Mount) -> Spec:
    environment = {
        "DATA_SOURCE_URI": f"db:5432/{config.text('databaseName')}?sslmode=disable",
        "DATA_SOURCE_USER": "amas_monitor",
        "DATA_SOURCE_PASS_FILE": "/secrets/monitor_password",
    }
    proof = container.http_shows("http://127.0.0.1:9187/metrics", "^pg_up 1")
    spec = _exporter(config, images, "db-exporter", ["prometheus-postgres-exporter"], proof)
    return replace(spec, environment=environment, mounts=[secrets])


def _redis_exporter(config: Config, images: Images, secrets: Mount) -> Spec:
    command = [
        "prometheus-redis-exporter",
        "-redis.addr=",  # no instance of its own: Prometheus names the target in each scrape
        "-redis.password-file=/secrets/redis_passwords.json",
    ]
    proof = container.http_shows("http://127.0.0.1:9121/scrape?target=redis://queue:6379", "^redis_up 1")
    return replace(_exporter(config, images, "redis-exporter", command, proof), mounts=[secrets])


def _host_exporter(config: Config, images: Images) -> Spec:
    collectors = [f"--collector.{name}" for name in _HOST_COLLECTORS]
    command = ["prometheus-node-exporter", "--collector.disable-defaults", *collectors]
    proof = container.http_shows("http://127.0.0.1:9100/metrics", "^node_memory_MemTotal_bytes")
    return _exporter(config, images, "host-exporter", command, proof)


def _exporter(
    config: Config, images: Images, part: str, command: Sequence[str], proof: Sequence[str]
) -> Spec:
    """Build an exporter whose health check, `proof`, looks for what it must reach to be of use."""
    return Spec(
        part=part,
        image=images["monitoring"],
        uid=UID,
        memory_mb=config.integer("exporterMemoryMb"),
        cpu_shares=256,
        command=command,
        health=Health(proof, interval_s=10),
    )


def _prometheus(config: Config, images: Images, mounts: Sequence[Mount]) -> Spec:
    return Spec(
        part="prometheus",
        image=images["monitoring"],
        uid=UID,
        memory_mb=config.integer("prometheusMemoryMb"),
        command=[
            "prometheus",
            "--config.file=/etc/amas/prometheus.yml",
            "--storage.tsdb.path=/var/lib/amas/prometheus",
            f"--storage.tsdb.retention.time={config.integer('prometheusRetentionDays')}d",
            f"--storage.tsdb.retention.size={config.integer('prometheusRetentionMb')}MB",
            "--web.listen-address=0.0.0.0:9090",
        ],
        health=Health(container.http_get("http://127.0.0.1:9090/-/ready")),
        mounts=mounts,
        ports=[Port(9090, config.integer("prometheusPort"), loopback(config.text("bindAddress")))],
    )
