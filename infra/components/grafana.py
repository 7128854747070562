"""Grafana with the generated boards, where its image is given: it cannot be built from packages."""

from pathlib import Path

import pulumi

from infra.components import container
from infra.components.container import Health, Mount, Platform, Port, Spec
from infra.components.files import Files
from infra.config import Config, loopback

# The user of the official image.
UID = 472
BOARDS = Path(__file__).resolve().parents[2] / "dashboards"
PROVISIONING = "/etc/amas/provisioning"
# Nothing is kept: boards and sources come from files, and whoever may come in may look.
_SETTINGS = {
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_DISABLE_LOGIN_FORM": "true",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": "/etc/amas/boards/amas-overview.json",
    "GF_LOG_MODE": "console",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_PATHS_DATA": "/tmp/grafana",  # noqa: S108 - a tmpfs of the container's own
    "GF_PATHS_PLUGINS": "/tmp/grafana/plugins",  # noqa: S108
    "GF_PATHS_PROVISIONING": PROVISIONING,
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
    "GF_USERS_ALLOW_SIGN_UP": "false",
}


class Grafana(pulumi.ComponentResource):
    """Boards and data source as files; a changed one replaces the container."""

    def __init__(
        self, config: Config, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:grafana:Grafana", "grafana", None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def mounted(name: str, path: str, paths: list[Path]) -> Mount:
            contents: dict[str, pulumi.Input[str]] = {
                each.name: each.read_text(encoding="utf-8") for each in paths
            }
            files = Files(f"grafana-{name}", platform=platform, uid=UID, contents=contents, opts=child)
            return files.mount(path)

        provisioning = BOARDS / "provisioning"
        mounts = [
            mounted("boards", "/etc/amas/boards", sorted((BOARDS / "generated").glob("*.json"))),
            mounted("sources", f"{PROVISIONING}/datasources", [provisioning / "datasources.yaml"]),
            mounted("folders", f"{PROVISIONING}/dashboards", [provisioning / "boards.yaml"]),
        ]
        container.service(platform, _spec(config, mounts), opts=child)
        self.register_outputs({})


def _spec(config: Config, mounts: list[Mount]) -> Spec:
    return Spec(
        part="grafana",
        image=config.text("grafanaImage"),
        uid=UID,
        memory_mb=config.integer("grafanaMemoryMb"),
        cpu_shares=256,
        environment=_SETTINGS,
        health=Health(container.http_shows("http://127.0.0.1:3000/api/health", '"database": *"ok"')),
        mounts=mounts,
        ports=[Port(3000, config.integer("grafanaPort"), loopback(config.text("bindAddress")))],
        tmpfs_mb=128,
    )
