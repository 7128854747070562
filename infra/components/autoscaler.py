"""Replicas that come and go: the autoscaler decides, the agent alone may ask the engine for them."""

import pulumi
import pulumi_docker as docker

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

# Also the group of the agent's socket: whoever has it may give the agent's four orders.
UID = 10007
SOCKETS = "/agent"
SOCKET = f"{SOCKETS}/orders.sock"
_ROOT_REASON = "the engine's socket belongs to root; without a capability, a network or a file to write"


class Autoscaler(pulumi.ComponentResource):
    """Both containers. Nothing waits for them: the configured replicas serve without."""

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:autoscaler:Autoscaler", "autoscaling", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        sockets = _socket_volume(platform, child)
        agent = container.service(platform, _agent(config, images, platform, sockets), opts=child)
        key: dict[str, pulumi.Input[str]] = {"read_key": config.held_key("keyRead")}
        secrets = Files("autoscaler-secrets", platform=platform, uid=UID, contents=key, opts=child)
        mounts = (Mount(sockets, SOCKETS), secrets.mount("/secrets"))
        after_agent = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[agent]))
        container.service(platform, _autoscaler(config, images, mounts), opts=after_agent)
        self.register_outputs({})


def _socket_volume(platform: Platform, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    labels = [docker.VolumeLabelArgs(**label) for label in platform.naming.labels("agent")]
    name = "agent-socket"
    return docker.Volume(name, name=platform.naming.of(name), labels=labels, opts=child).name


def _agent(config: Config, images: Images, platform: Platform, sockets: pulumi.Output[str]) -> Spec:
    return Spec(
        part="agent",
        image=images["runbook"],
        uid=0,
        gid=UID,
        root_reason=_ROOT_REASON,
        engine_socket="/engine/docker.sock",
        memory_mb=config.integer("agentMemoryMb"),
        cpu_shares=256,
        command=["python", "-m", "runbook.agent"],
        environment={
            "AMAS_STACK": platform.naming.stack,
            "AMAS_ENGINE_SOCKET": "/engine/docker.sock",
            "AMAS_AGENT_SOCKET": SOCKET,
            "AMAS_MOST_BURST": str(config.most_replicas - config.integer("replicas")),
        },
        health=Health(["amas-agent-health"], interval_s=10, timeout_s=10),
        mounts=(Mount(sockets, SOCKETS, read_only=False),),
        # A replica that drains is waited for.
        grace_s=60,
    )


def _autoscaler(config: Config, images: Images, mounts: tuple[Mount, ...]) -> Spec:
    return Spec(
        part="autoscaler",
        image=images["runbook"],
        uid=UID,
        memory_mb=config.integer("autoscalerMemoryMb"),
        cpu_shares=256,
        command=["amas", "scale", "watch"],
        environment={
            "AMAS_URL": "http://lb:3000",
            "AMAS_READ_KEY_FILE": "/secrets/read_key",
            "AMAS_AGENT_SOCKET": SOCKET,
            "AMAS_SCALE_LEAST": config.text("replicas"),
            "AMAS_SCALE_MOST": str(config.most_replicas),
            "AMAS_SCALE_CPU_PERCENT": config.text("autoscaleCpuPercent"),
            "AMAS_SCALE_LATENCY_MS": config.text("autoscaleLatencyMs"),
            "AMAS_SCALE_QUEUE_AGE_S": config.text("autoscaleQueueAgeS"),
            "AMAS_SCALE_MEMORY_PERCENT": config.text("autoscaleMemoryPercent"),
            "AMAS_SCALE_OUT_AFTER_S": config.text("autoscaleOutAfterS"),
            "AMAS_SCALE_IN_AFTER_S": config.text("autoscaleInAfterS"),
            "AMAS_SCALE_COOLDOWN_S": config.text("autoscaleCooldownS"),
            "AMAS_SCALE_DRY_RUN": str(config.flag("autoscaleDryRun")).lower(),
        },
        health=Health(container.http_get("http://127.0.0.1:9747/health")),
        mounts=mounts,
    )
