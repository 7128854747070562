"""HAProxy, the only way in. It finds replicas by DNS, so scaling changes nothing here.

Its configuration lies in a volume of the stack's own. A changed one is brought there by a one-shot loader and
taken over in place, as is a renewed certificate: only another image or port replaces the container.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra import edge
from infra.components import container
from infra.components.container import Health, Mount, Platform, Port, Spec
from infra.config import Config
from infra.images import Images
from infra.policy import REDIRECT_PORT, TLS_PORT

UID = 10003
CONFIG_PART = "lb-config"
PLAIN_PORT = 3000
_CONFIGURATION = Path(__file__).with_name("haproxy.cfg")
_ROOT_REASON = "the loader hands the files to their owner"
_GLOBAL_SECTION = "global"


class LoadBalancer(pulumi.ComponentResource):
    """`url` is where it answers from this host; `certificate` what it shows there, empty without TLS."""

    url: pulumi.Output[str]
    certificate: pulumi.Output[str]

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:loadbalancer:LoadBalancer", "load-balancer", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        pem = site_pem(config)
        volume = _loaded(config, images, platform, pem, child)
        self.server = container.service(platform, _spec(config, images, volume), opts=child)
        self.url = self.server.id.apply(lambda _: url_of(config))
        self.certificate = pulumi.Output.unsecret(pem.apply(lambda text: edge.leaf(text) if text else ""))
        self.register_outputs({"url": self.url, "certificate": self.certificate})


def url_of(config: Config) -> str:
    port = config.integer("httpsPort" if config.encrypted else "httpPort")
    return http_url(config.text("bindAddress"), port, encrypted=config.encrypted)


def http_url(address: str, port: int, *, encrypted: bool = False) -> str:
    """Where a port published on `address` answers; the usual addresses under their usual name."""
    usual = {"127.0.0.1": "localhost", "0.0.0.0": "localhost", "::": "localhost"}  # noqa: S104
    host = usual.get(address, f"[{address}]" if ":" in address else address)
    return f"http{'s' if encrypted else ''}://{host}:{port}"


def site_pem(config: Config) -> pulumi.Output[str]:
    """Certificate and private key, secret; empty without TLS. Files are read when the program runs."""
    match config.text("tls"):
        case "files":
            text = edge.combined(config.text("tlsCertificateFile"), config.text("tlsKeyFile"))
            return pulumi.Output.secret(text)
        case "self-signed":
            return config.secret("tlsSelfSigned")
    return pulumi.Output.from_input("")


def configuration(config: Config, pem: str) -> dict[str, str]:
    """The files of one configuration by name; `hash` names all of them and is none itself."""
    values = {
        "AMAS_MAX_REPLICAS": config.text("maxReplicas"),
        "AMAS_TLS": "on" if config.encrypted else "off",
        "AMAS_HTTPS_PORT": config.text("httpsPort"),
        "AMAS_HSTS_MAX_AGE_S": config.text("hstsMaxAgeS"),
    }
    main = _CONFIGURATION.read_text(encoding="utf-8")
    digest = hashlib.sha256(
        "\0".join([main, pem, *sorted(map("=".join, values.items()))]).encode()
    ).hexdigest()[:12]
    values |= {"AMAS_LB_CONFIG": digest, "AMAS_LB_FOLDER": f"/config/{digest}"}
    files = {"values.cfg": _setenv(values), "haproxy.cfg": main, **({"site.pem": pem} if pem else {})}
    return {"hash": digest, **files}


def _setenv(values: Mapping[str, str]) -> str:
    lines = [f"    setenv {name} {value}" for name, value in sorted(values.items())]
    return "\n".join([_GLOBAL_SECTION, *lines, ""])


def _loaded(
    config: Config, images: Images, platform: Platform, pem: pulumi.Output[str], child: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """The volume's name, known once the configuration is in it and in force."""
    volume = docker.Volume(
        CONFIG_PART,
        name=platform.naming.of(CONFIG_PART),
        labels=[docker.VolumeLabelArgs(**label) for label in platform.naming.labels(CONFIG_PART)],
        opts=child,
    )
    files = pem.apply(lambda text: configuration(config, text))
    # A hash over a private key, which nobody guesses, tells nothing of it.
    digest = pulumi.Output.unsecret(files["hash"])
    loaded = container.job(
        platform,
        name=f"{CONFIG_PART}-loader",
        part=CONFIG_PART,
        inputs={
            "image": images["lb"],
            "command": ["amas-lb-load", digest],
            "user": "0:0",
            "memory": 128,
            "memory_swap": 128,
            "capabilities": {"drops": ["ALL"], "adds": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]},
            "volumes": [container.volume(Mount(volume.name, "/config", read_only=False))],
            "uploads": [
                {"file": f"/incoming/{name}", "content": files[name]}
                for name in ("haproxy.cfg", *(("site.pem",) if config.encrypted else ()), "values.cfg")
            ],
        },
        root_reason=_ROOT_REASON,
        opts=child,
    )
    return pulumi.Output.all(volume.name, loaded).apply(lambda both: str(both[0]))


def _spec(config: Config, images: Images, volume: pulumi.Output[str]) -> Spec:
    return Spec(
        part="lb",
        image=images["lb"],
        uid=UID,
        memory_mb=config.integer("lbMemoryMb"),
        cpu_shares=2048,
        health=Health(container.http_get("http://127.0.0.1:8405/lb-health"), interval_s=2),
        mounts=[Mount(volume, "/config")],
        ports=_ports(config),
    )


def _ports(config: Config) -> list[Port]:
    """With TLS the plain port leads to a redirect; inside the network the plain one stays."""
    ip, plain = config.text("bindAddress"), config.integer("httpPort")
    if not config.encrypted:
        return [Port(PLAIN_PORT, plain, ip)]
    return [Port(REDIRECT_PORT, plain, ip), Port(TLS_PORT, config.integer("httpsPort"), ip)]
