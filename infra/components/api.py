"""The service: its migration as one step, then its replicas, each healthy before the next starts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pulumi
import pulumi_docker as docker

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.database import app_role
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10004
SCOPES = {"ingest": "keyIngest", "read": "keyRead", "metrics": "keyMetrics", "admin": "keyAdmin"}
SECRET_SETTINGS = {
    "DATABASE_URL_FILE": "/secrets/database_url",
    "REDIS_URL_FILE": "/secrets/redis_url",
    "QUEUE_URL_FILE": "/secrets/queue_url",
    "API_KEYS_FILE": "/secrets/api_keys",
    "ALERT_WEBHOOK_URL_FILE": "/secrets/alert_webhook_url",
    "ALERT_WEBHOOK_URL_L2_FILE": "/secrets/alert_webhook_url_l2",
    "ALERT_WEBHOOK_URL_L3_FILE": "/secrets/alert_webhook_url_l3",
    "ALERT_WEBHOOK_SECRET_FILE": "/secrets/alert_webhook_secret",
    "HEARTBEAT_URL_FILE": "/secrets/heartbeat_url",
}
RECEIVERS = {
    "alert_webhook_url": "alertWebhookUrl",
    "alert_webhook_url_l2": "alertWebhookUrlL2",
    "alert_webhook_url_l3": "alertWebhookUrlL3",
    "alert_webhook_secret": "alertWebhookSecret",
    "heartbeat_url": "heartbeatUrl",
}
RULES = "alert-rules.yaml"
# Readiness goes, the load balancer needs two checks and the DNS hold to notice, then the queue drains.
_GRACE_S = 45


class Api(pulumi.ComponentResource):
    """`ready` is known once every replica answers `/ready`."""

    ready: pulumi.Output[str]

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        roles: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:api:Api", "api", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        migrated = _migrate(config, images, platform, roles, child)
        files = Files("api-secrets", platform=platform, uid=UID, contents=_secrets(config), opts=child)
        spec = _spec(config, images, files.mount("/secrets", after=migrated))
        self.replicas = _chain(platform, spec, config.integer("replicas"), child)
        self.ready = self.replicas[-1].id
        self.register_outputs({"ready": self.ready})


def database_url(user: str, password: str, database: str) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@db:5432/{database}"


def redis_url(part: str, password: str) -> str:
    return f"redis://:{quote(password, safe='')}@{part}:6379/0"


def key_lines(keys: Sequence[tuple[str, str]]) -> str:
    """Scope and SHA-256 of each key, one or two a scope: the service never holds a key itself."""
    return "".join(f"{scope} {hashlib.sha256(key.encode()).hexdigest()}\n" for scope, key in sorted(keys))


def _chain(
    platform: Platform, spec: Spec, count: int, child: pulumi.ResourceOptions
) -> list[docker.Container]:
    """Each waits for the one before, so that a roll replaces them one at a time."""
    replicas: list[docker.Container] = []
    for index in range(count):
        waits = pulumi.ResourceOptions(depends_on=list(replicas[-1:]))
        opts = pulumi.ResourceOptions.merge(child, waits)
        replicas.append(container.replica(platform, spec, name=f"api-{index}", opts=opts))
    return replicas


def _spec(config: Config, images: Images, secrets: Mount) -> Spec:
    return Spec(
        part="api",
        image=images["service"],
        uid=UID,
        memory_mb=config.integer("apiMemoryMb"),
        cpu_shares=1024,
        environment={**config.settings(), **SECRET_SETTINGS, "ALERT_RULES_FILE": _rules_path(config)},
        health=Health(container.http_get("http://127.0.0.1:8000/ready"), interval_s=3),
        mounts=[secrets],
        grace_s=_GRACE_S,
    )


def _migrate(
    config: Config,
    images: Images,
    platform: Platform,
    roles: pulumi.Output[str],
    child: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    name = config.text("databaseName")
    url = config.secret("dbOwnerPassword").apply(lambda text: database_url("amas_owner", text, name))
    secrets = Files("migrate-secrets", platform=platform, uid=UID, contents={"database_url": url}, opts=child)
    memory_mb = 192
    return container.job(
        platform,
        name="migrate",
        part="migrate",
        inputs={
            **container.unprivileged(UID),
            "image": images["service"],
            "command": ["python", "-m", "service.migrate"],
            "envs": container.environment({"DATABASE_URL_FILE": "/secrets/database_url"}),
            "memory": memory_mb,
            "memory_swap": memory_mb,
            "volumes": [container.volume(secrets.mount("/secrets", after=roles))],
        },
        opts=child,
    )


def _secrets(config: Config) -> dict[str, pulumi.Input[str]]:
    name = config.text("databaseName")
    return {
        "database_url": config.secret("dbAppPassword").apply(
            lambda text: database_url(app_role(text), text, name)
        ),
        "redis_url": config.secret("cachePassword").apply(lambda text: redis_url("cache", text)),
        "queue_url": config.secret("queuePassword").apply(lambda text: redis_url("queue", text)),
        "api_keys": _keys(config).apply(key_lines),
        **_receivers(config),
        **_rules(config),
    }


def _rules_path(config: Config) -> str:
    return f"/secrets/{RULES}" if config.text("alertRulesFile") else ""


def _rules(config: Config) -> dict[str, pulumi.Input[str]]:
    """The operator's rules, read when the program runs: an edited file rolls the replicas."""
    path = config.text("alertRulesFile")
    return {RULES: Path(path).read_text(encoding="utf-8")} if path else {}


def _receivers(config: Config) -> dict[str, pulumi.Input[str]]:
    """One file each, also for what is not set: a blank one says so, and setting it changes no container."""
    held = {file: config.optional_secret(name) for file, name in RECEIVERS.items()}
    return {file: "\n" if secret is None else secret for file, secret in held.items()}


def _keys(config: Config) -> pulumi.Output[Sequence[tuple[str, str]]]:
    held = [(scope, config.secret(key)) for scope, key in SCOPES.items()]
    for scope, key in SCOPES.items():
        previous = config.optional_secret(f"{key}Previous")
        held += [(scope, previous)] if previous is not None else []
    scopes = [scope for scope, _ in held]
    return pulumi.Output.all(*(key for _, key in held)).apply(
        lambda keys: list(zip(scopes, map(str, keys), strict=True))
    )
