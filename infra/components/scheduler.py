"""The runbook's schedule: supercronic running verbs that need only the network."""

import pulumi

from infra.components import container
from infra.components.container import Health, Platform, Spec
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10005


class Scheduler(pulumi.ComponentResource):
    """The crontab is rendered from the configuration; a changed schedule replaces the container."""

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:scheduler:Scheduler", "scheduler", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        contents: dict[str, dict[str, pulumi.Input[str]]] = {
            "secrets": {"read_key": config.held_key("keyRead"), "metrics_key": config.held_key("keyMetrics")},
            "config": {"crontab": crontab(config.text("healthSchedule"))},
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
            command=["supercronic", "-prometheus-listen-address", "0.0.0.0:9746", "/config/crontab"],
            environment={
                "AMAS_URL": "http://lb:3000",
                "AMAS_READ_KEY_FILE": "/secrets/read_key",
                "AMAS_METRICS_KEY_FILE": "/secrets/metrics_key",
            },
            health=Health(container.http_get("http://127.0.0.1:9746/health")),
            mounts=mounts,
        )
        container.service(platform, spec, opts=child)
        self.register_outputs({})


def crontab(health: str) -> str:
    """Return supercronic's format: five fields, then the command; it never runs a job twice at once."""
    return f"# Rendered from the stack's configuration.\n{health} amas health --json\n"
