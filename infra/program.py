"""What `pulumi up` runs: configuration and image lock in, components built, a few outputs out."""

import pulumi

from infra import config, images
from infra.components.loadbalancer import http_url
from infra.keys import as_text
from infra.naming import Naming
from infra.targets import docker


def main() -> None:
    try:
        settings = config.load(pulumi.Config("amas"))
        lock = images.read(images.lock_path())
    except (config.ConfigInvalid, images.ImagesMissing) as problem:
        # RunError prints its message alone, without a traceback.
        raise pulumi.RunError(str(problem)) from None
    environment = docker.build(settings, lock, Naming(pulumi.get_stack()))
    pulumi.export("url", environment.url)
    pulumi.export("certificate", environment.certificate)
    inner = config.loopback(settings.text("bindAddress"))
    pulumi.export("prometheusUrl", http_url(inner, settings.integer("prometheusPort")))
    if settings.text("grafanaImage"):
        pulumi.export("grafanaUrl", http_url(inner, settings.integer("grafanaPort")))
    pulumi.export("network", environment.network)
    pulumi.export("databaseName", settings.text("databaseName"))
    pulumi.export("walDurability", settings.wal_durability)
    pulumi.export("images", dict(lock.tags))
    pulumi.export("settings", {name: as_text(value) for name, value in settings.values.items()})
    pulumi.export("dataVolumes", dict(environment.data_volumes))
