"""PostgreSQL with TimescaleDB on its data volume; its roles and passwords by jobs beside it.

The server mounts no secret, so a changed password restarts nothing: a job sets it over the server's socket.
"""

import hashlib
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10001
DATA = "/var/lib/amas/db"
SOCKETS = "/run/postgresql"
_JOB_MEMORY_MB = 64


class Database(pulumi.ComponentResource):
    """`ready` is known once the server answers queries over TCP, `roles` once every password is in force."""

    ready: pulumi.Output[str]
    roles: pulumi.Output[str]

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        data_volume: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:database:Database", "database", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        sockets = _socket_volume(platform, child)
        passwords = Files("db-secrets", platform=platform, uid=UID, contents=_passwords(config), opts=child)
        mounts = (Mount(data_volume, DATA, read_only=False), Mount(sockets, SOCKETS, read_only=False))
        self.server = container.service(platform, _spec(config, images, mounts), opts=child)
        self.job_mounts = (Mount(sockets, SOCKETS), passwords.mount("/secrets"))
        self.roles = container.job(
            platform,
            name="db-roles",
            part="db-roles",
            inputs=_beside_server(config, images, self.job_mounts, ["amas-db-roles"]),
            # By depends_on alone: through an input, a replaced server would take this job and all its
            # dependents down first, the replicas among them.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[self.server])),
        )
        self.ready = self.server.id
        self.register_outputs({"ready": self.ready})


class FormerLogins(pulumi.ComponentResource):
    """Ends the service's earlier logins; comes after the replicas.

    A roll that fails never gets here: the replicas of the release before keep a login that does not end.
    """

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        database: Database,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:database:FormerLogins", "former-logins", None, opts)
        container.job(
            platform,
            name="db-former-logins",
            part="db-roles",
            inputs=_beside_server(config, images, database.job_mounts, ["amas-db-roles", "former"]),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def app_role(password: str) -> str:
    """Name of the login that has this password: another password is another login, valid beside the first.

    8 hex digits of a hash give nothing away of a password of 256 random bits.
    """
    return f"amas_app_{hashlib.sha256(password.encode()).hexdigest()[:8]}"


def _socket_volume(platform: Platform, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Whoever mounts it with the server's user is a superuser: the server and its jobs, nothing else."""
    labels = [docker.VolumeLabelArgs(**label) for label in platform.naming.labels("db")]
    name = "db-socket"
    return docker.Volume(name, name=platform.naming.of(name), labels=labels, opts=child).name


def _passwords(config: Config) -> dict[str, pulumi.Input[str]]:
    return {
        "owner_password": config.secret("dbOwnerPassword"),
        "app_password": config.secret("dbAppPassword"),
        "app_role": config.secret("dbAppPassword").apply(app_role),
        "reader_password": config.secret("dbReaderPassword"),
        "monitor_password": config.secret("dbMonitorPassword"),
        "backup_password": config.secret("dbBackupPassword"),
        "jobs_password": config.secret("dbJobsPassword"),
    }


def _beside_server(
    config: Config, images: Images, mounts: tuple[Mount, ...], command: list[str]
) -> dict[str, Any]:
    """Inputs of a job that talks to the server as the server's own user, over the socket: no network."""
    return {
        **container.unprivileged(UID),
        "image": images["db"],
        "command": command,
        "envs": container.environment({"AMAS_DATABASE": config.text("databaseName")}),
        "memory": _JOB_MEMORY_MB,
        "memory_swap": _JOB_MEMORY_MB,
        "network_mode": "none",
        "networks_advanced": None,
        "volumes": [container.volume(mount) for mount in mounts],
    }


def _spec(config: Config, images: Images, mounts: tuple[Mount, ...]) -> Spec:
    memory_mb = config.integer("dbMemoryMb")
    return Spec(
        part="db",
        image=images["db"],
        uid=UID,
        memory_mb=memory_mb,
        cpu_shares=2048,
        environment={
            "AMAS_DATABASE": config.text("databaseName"),
            "AMAS_MAX_CONNECTIONS": config.text("dbMaxConnections"),
            # PostgreSQL's manual, 19.4.1: a quarter of the memory is a reasonable start.
            "AMAS_SHARED_BUFFERS_MB": str(memory_mb // 4),
            "AMAS_WAL_DURABILITY": config.wal_durability,
            "AMAS_WAL_DEGRADE_AFTER_S": config.text("walDegradeAfterS"),
        },
        health=Health(["amas-db-health"], interval_s=3, start_period_s=60),
        mounts=mounts,
        # Parallel queries allocate here; the engine's default of 64 MiB breaks them.
        shm_mb=memory_mb // 4,
        # A fast shutdown writes a checkpoint first.
        grace_s=90,
    )
