"""The runbook's schedule: supercronic running verbs that need only the network."""

import pulumi

from infra.components import container, load_tests
from infra.components.container import Health, Platform, Spec
from infra.components.crontab import Job, crontab
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10005
CRONTAB = "/config/crontab"


class Scheduler(pulumi.ComponentResource):
    """The crontab is rendered from the configuration; a changed schedule replaces the container."""

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:scheduler:Scheduler", "scheduler", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        contents: dict[str, dict[str, pulumi.Input[str]]] = {
            "secrets": {
                "read_key": config.held_key("keyRead"),
                "metrics_key": config.held_key("keyMetrics"),
                "jobs_password": config.secret("dbJobsPassword"),
                **load_tests.secrets(config),
            },
            "config": {"crontab": crontab(jobs(config), "scheduler", CRONTAB)},
        }
        mounts = [
            Files(f"scheduler-{kind}", platform=platform, uid=UID, contents=files, opts=child).mount(
                f"/{kind}"
            )
            for kind, files in contents.items()
        ]
        spec = Spec(
            part="scheduler",
            image=images["runbook"],
            uid=UID,
            memory_mb=config.integer("schedulerMemoryMb"),
            command=["amas-scheduler", CRONTAB, "scheduler"],
            environment={
                "AMAS_URL": "http://lb:3000",
                "AMAS_READ_KEY_FILE": "/secrets/read_key",
                "AMAS_METRICS_KEY_FILE": "/secrets/metrics_key",
                "AMAS_DB_HOST": "db",
                "AMAS_DATABASE": config.text("databaseName"),
                "AMAS_DB_PASSWORD_FILE": "/secrets/jobs_password",
                "AMAS_RETENTION_DAYS": config.text("insightsRetentionDays"),
                "AMAS_AUTOSCALER_URL": "http://autoscaler:9747",
                **load_tests.environment(config, images),
            },
            health=Health(container.http_get("http://127.0.0.1:9746/health")),
            mounts=mounts,
            # A load test that is broken off ends k6 and purges its rows; without one a stop takes a moment.
            grace_s=90,
        )
        container.service(platform, spec, opts=child)
        self.register_outputs({})


def jobs(config: Config) -> list[Job]:
    """What needs only the network. A limit is far above what the verb takes on a large database."""
    autoscaler = Job("autoscaler", "*/5 * * * *", 60, "scale status --json")
    return [
        *([autoscaler] if config.flag("autoscale") else []),
        Job("health", config.text("healthSchedule"), 300, "health --json"),
        Job("retention", config.text("retentionSchedule"), 900, "retention simulate --json"),
        Job("db-growth", config.text("dbGrowthSchedule"), 900, "db growth --json"),
        Job("threshold-review", config.text("thresholdReviewSchedule"), 900, "audit thresholds --json"),
        Job("audit", config.text("auditSchedule"), 900, "audit list --json"),
        *load_tests.jobs(config),
    ]
