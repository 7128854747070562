"""Backups: the database's WAL as it is written, full copies, their proof, and the copy off site."""

from collections.abc import Mapping

import pulumi

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.crontab import Job, crontab
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

# The database's own: what is restored must belong to it.
UID = 10001
KEPT = "/var/lib/amas/backup"
OFFSITE = "/var/lib/amas/offsite"
CRONTAB = "/config/crontab"
# What Barman wants to be asked all the time: segments put away, a receiver kept alive.
_UPKEEP = "* * * * * amas backup upkeep"


class Backup(pulumi.ComponentResource):
    """Nothing waits for it: the database serves without, and makes its commits wait when it has seen it."""

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        data_volumes: Mapping[str, pulumi.Output[str]],
        roles: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:backup:Backup", "backup", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secrets = Files("backup-secrets", platform=platform, uid=UID, contents=_secrets(config), opts=child)
        schedule = crontab(jobs(config), "backup", CRONTAB, also=[_UPKEEP])
        rendered = Files(
            "backup-config", platform=platform, uid=UID, contents={"crontab": schedule}, opts=child
        )
        mounts = (
            Mount(data_volumes["backup"], KEPT, read_only=False),
            Mount(data_volumes["offsite"], OFFSITE, read_only=False),
            secrets.mount("/secrets", after=roles),
            rendered.mount("/config"),
        )
        self.server = container.service(platform, _spec(config, images, mounts), opts=child)
        self.register_outputs({})


def jobs(config: Config) -> list[Job]:
    """What is done with the copies. A limit is far above what a large database takes."""
    return [
        Job("backup", config.text("backupSchedule"), 14400, "backup now --json"),
        Job("proof", config.text("proofSchedule"), 14400, "backup prove --json"),
        Job("offsite", config.text("offsiteSchedule"), 14400, "backup offsite --json"),
        Job(
            "offsite-proof",
            config.text("offsiteProofSchedule"),
            14400,
            "backup prove --from-offsite --json",
        ),
    ]


def _secrets(config: Config) -> dict[str, pulumi.Input[str]]:
    """Blank where none is set: setting one changes no mount."""
    return {
        "backup_password": config.secret("dbBackupPassword"),
        "jobs_password": config.secret("dbJobsPassword"),
        "restic_password": config.secret("resticPassword"),
        "offsite_env": _with_end(config.optional_secret("offsiteCredentials")),
        "offsite_ssh_key": _with_end(config.optional_secret("offsiteSshKey")),
        "offsite_known_hosts": f"{config.text('offsiteKnownHosts')}\n",
    }


def _with_end(lines: pulumi.Output[str] | None) -> pulumi.Input[str]:
    """What a terminal or a pipe handed over may have lost its last line's end, and ssh wants it."""
    return "\n" if lines is None else lines.apply(lambda text: text.rstrip("\n") + "\n")


def _spec(config: Config, images: Images, mounts: tuple[Mount, ...]) -> Spec:
    return Spec(
        part="backup",
        image=images["backup"],
        uid=UID,
        memory_mb=config.integer("backupMemoryMb"),
        cpu_shares=256,
        environment={
            "AMAS_DATABASE": config.text("databaseName"),
            "AMAS_DB_HOST": "db",
            "AMAS_DB_PASSWORD_FILE": "/secrets/jobs_password",
            "AMAS_RETENTION": config.text("backupRetention"),
            "AMAS_OFFSITE": config.text("offsiteRepository") or OFFSITE,
        },
        health=Health(["amas-backup-health"], interval_s=10, timeout_s=10, start_period_s=60),
        mounts=mounts,
        # The receiver writes what it holds, a copy that runs is broken off.
        grace_s=60,
        # A restore that is proven runs a server of its own.
        shm_mb=128,
        tmpfs_mb=64,
    )
