"""HAProxy, the only way in. It finds replicas by DNS, so scaling changes nothing here."""

import pulumi

from infra.components import container
from infra.components.container import Health, Platform, Port, Spec
from infra.config import Config
from infra.images import Images

UID = 10003


class LoadBalancer(pulumi.ComponentResource):
    """`url` is where the environment answers from this host."""

    url: pulumi.Output[str]

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:loadbalancer:LoadBalancer", "load-balancer", None, opts)
        self.server = container.service(
            platform, _spec(config, images), opts=pulumi.ResourceOptions(parent=self)
        )
        url = http_url(config.text("bindAddress"), config.integer("httpPort"))
        self.url = self.server.id.apply(lambda _: url)
        self.register_outputs({"url": self.url})


def http_url(address: str, port: int) -> str:
    """Where a port published on `address` answers; the usual address under its usual name."""
    host = "localhost" if address == "127.0.0.1" else f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}"


def _spec(config: Config, images: Images) -> Spec:
    return Spec(
        part="lb",
        image=images["lb"],
        uid=UID,
        memory_mb=config.integer("lbMemoryMb"),
        cpu_shares=2048,
        environment={"AMAS_MAX_REPLICAS": config.text("maxReplicas")},
        health=Health(container.http_get("http://127.0.0.1:8405/lb-health"), interval_s=2),
        ports=[Port(3000, config.integer("httpPort"), config.text("bindAddress"))],
    )
