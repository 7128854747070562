"""The two Redis instances. They never share one: eviction on the cache would drop the queue."""

import hashlib

import pulumi

from infra.components import container
from infra.components.container import Health, Mount, Platform, Spec
from infra.components.files import Files
from infra.config import Config
from infra.images import Images

UID = 10002
# Rewriting the AOF forks: pages written meanwhile are held twice.
_QUEUE_KEYS_SHARE = 0.4
_CACHE_KEYS_SHARE = 0.75


class Cache(pulumi.ComponentResource):
    """Least recently used keys go first; nothing is written to disk."""

    def __init__(
        self, config: Config, images: Images, platform: Platform, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("amas:redis:Cache", "cache-redis", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        users = _users("cache", config.secret("cachePassword"), platform, child)
        memory_mb = config.integer("cacheMemoryMb")
        spec = _spec("cache", images, memory_mb, _CACHE_KEYS_SHARE, (users.mount("/secrets"),))
        self.server = container.service(platform, spec, opts=child)
        self.register_outputs({})


class Queue(pulumi.ComponentResource):
    """Every write reaches the disk before its reply (AOF always); nothing is evicted."""

    def __init__(
        self,
        config: Config,
        images: Images,
        platform: Platform,
        data_volume: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:redis:Queue", "queue-redis", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        users = _users("queue", config.secret("queuePassword"), platform, child)
        mounts = (Mount(data_volume, "/var/lib/amas/queue", read_only=False), users.mount("/secrets"))
        memory_mb = config.integer("queueMemoryMb")
        spec = _spec("queue", images, memory_mb, _QUEUE_KEYS_SHARE, mounts)
        self.server = container.service(platform, spec, opts=child)
        self.register_outputs({})


def acl(password: str) -> str:
    """Redis ACL file: the clients' user by password hash, and one that can only prove a write."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return (
        f"user default on #{digest} ~* &* +@all\n"
        "user health on nopass resetkeys ~health:* resetchannels -@all +ping +set\n"
    )


def _users(
    part: str, password: pulumi.Output[str], platform: Platform, opts: pulumi.ResourceOptions
) -> Files:
    contents: dict[str, pulumi.Input[str]] = {"users.acl": password.apply(acl)}
    return Files(f"{part}-secrets", platform=platform, uid=UID, contents=contents, opts=opts)


def _spec(part: str, images: Images, memory_mb: int, keys_share: float, mounts: tuple[Mount, ...]) -> Spec:
    return Spec(
        part=part,
        image=images["redis"],
        uid=UID,
        memory_mb=memory_mb,
        cpu_shares=1024,
        command=["amas-redis", part],
        environment={"AMAS_MAXMEMORY_MB": str(int(memory_mb * keys_share))},
        health=Health(["amas-redis-health"], interval_s=3, start_period_s=10),
        mounts=mounts,
    )
