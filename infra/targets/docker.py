"""Target `docker`: everything on one engine, in boot order."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.components.api import Api
from infra.components.autoscaler import Autoscaler
from infra.components.backup import Backup
from infra.components.container import Platform
from infra.components.database import Database, FormerLogins
from infra.components.grafana import Grafana
from infra.components.loadbalancer import LoadBalancer
from infra.components.monitoring import Monitoring
from infra.components.network import Network
from infra.components.redis import Cache, Queue
from infra.components.scheduler import Scheduler
from infra.components.volumes import DataVolumes
from infra.config import Config
from infra.images import Images
from infra.naming import Naming


@dataclass(frozen=True)
class Environment:
    """What a caller may want to know about the built stack."""

    url: pulumi.Output[str]
    certificate: pulumi.Output[str]
    network: pulumi.Output[str]
    data_volumes: Mapping[str, pulumi.Output[str]]


def build(config: Config, images: Images, naming: Naming) -> Environment:
    network = Network(naming)
    volumes = DataVolumes(naming)
    platform = Platform(
        naming,
        network.name,
        images["base"],
        log_max_size_mb=config.integer("logMaxSizeMb"),
        log_max_files=config.integer("logMaxFiles"),
    )
    database = Database(config, images, platform, volumes.names["db"])
    if config.flag("backups"):
        Backup(config, images, platform, volumes.names, database.roles)
    cache = Cache(config, images, platform)
    queue = Queue(config, images, platform, volumes.names["queue"])
    stores = [database, cache, queue]
    api = Api(config, images, platform, database.roles, opts=pulumi.ResourceOptions(depends_on=stores))
    FormerLogins(config, images, platform, database, opts=pulumi.ResourceOptions(depends_on=[api]))
    balancer = LoadBalancer(config, images, platform, opts=pulumi.ResourceOptions(depends_on=[api]))
    monitoring = Monitoring(
        config,
        images,
        platform,
        volumes.names["prometheus"],
        database.roles,
        opts=pulumi.ResourceOptions(depends_on=stores),
    )
    if config.flag("autoscale"):
        Autoscaler(config, images, platform, opts=pulumi.ResourceOptions(depends_on=[balancer]))
    if config.text("grafanaImage"):
        Grafana(config, platform, opts=pulumi.ResourceOptions(depends_on=[monitoring]))
    Scheduler(config, images, platform, opts=pulumi.ResourceOptions(depends_on=[balancer]))
    return Environment(balancer.url, balancer.certificate, network.name, volumes.names)
