"""PostgreSQL with TimescaleDB on its data volume."""

import pulumi

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10001
DATA = "/var/lib/amas/db"


class Database(pulumi.ComponentResource):
    """`ready` is known once the server answers queries over TCP."""

    ready: pulumi.Output[str]

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
        passwords = Files(
            "db-secrets",
            platform=platform,
            uid=UID,
            contents={
                "owner_password": config.secret("dbOwnerPassword"),
                "app_password": config.secret("dbAppPassword"),
                "reader_password": config.secret("dbReaderPassword"),
                "monitor_password": config.secret("dbMonitorPassword"),
            },
            opts=child,
        )
        mounts = (Mount(data_volume, DATA, read_only=False), passwords.mount("/secrets"))
        self.server = container.service(platform, _spec(config, images, mounts), opts=child)
        self.ready = self.server.id
        self.register_outputs({"ready": self.ready})


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
        },
        health=Health(["amas-db-health"], interval_s=3, start_period_s=60),
        mounts=mounts,
        # Parallel queries allocate here; the engine's default of 64 MiB breaks them.
        shm_mb=memory_mb // 4,
        # A fast shutdown writes a checkpoint first.
        grace_s=90,
    )
