"""Files for a part, secret or not, in a read-only volume named by their content.

The provider refuses uploads into a read-only container, so a one-shot loader receives them, writes them
with the part's owner and mode 0400 into the volume and deletes its own copy. A changed file makes a new
volume; whoever mounts it is replaced, so plain `pulumi up` after `pulumi config set --secret` rotates.
"""

import hashlib
from collections.abc import Mapping

import pulumi
import pulumi_docker as docker

from infra.components import container
from infra.components.container import Mount, Platform

_ROOT_REASON = "the loader hands the files to their owner"
_LOAD = (
    "set -eu; cp /incoming/* /files/; chmod 0400 /files/*; chmod 0500 /files; "
    "chown -R {uid}:{uid} /files; rm -r /incoming"
)


class Files(pulumi.ComponentResource):
    """A volume holding `contents` (file name to text), readable by `uid` alone."""

    volume: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        platform: Platform,
        uid: int,
        contents: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("amas:files:Files", name, None, opts)
        digest = pulumi.Output.unsecret(pulumi.Output.all(uid=uid, **contents).apply(content_hash))
        child = pulumi.ResourceOptions(parent=self)
        volume = docker.Volume(
            name,
            name=digest.apply(lambda text: platform.naming.of(f"{name}-{text}")),
            labels=[docker.VolumeLabelArgs(**label) for label in platform.naming.labels("files")],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(delete_before_replace=False)),
        )
        loaded = container.job(
            platform,
            name=f"{name}-loader",
            part="files",
            inputs=_loader(platform.loader_image, uid, volume.name, contents),
            root_reason=_ROOT_REASON,
            opts=child,
        )
        # Mounting what the finished loader names makes every reader wait for it.
        self.volume = pulumi.Output.all(volume.name, loaded).apply(lambda both: str(both[0]))
        self.register_outputs({"volume": self.volume})

    def mount(self, path: str, *, after: pulumi.Output[str] | None = None) -> Mount:
        """Mount the files; with `after`, a reader starts only when that job has succeeded.

        A failed job leaves the volume's name unresolved. It does not change the name: a job that ran again
        replaces no reader.
        """
        if after is None:
            return Mount(self.volume, path)
        return Mount(pulumi.Output.all(self.volume, after).apply(lambda both: str(both[0])), path)


def content_hash(contents: Mapping[str, str | int]) -> str:
    """12 hex digits over names and contents.

    It stands in a volume's name, in the clear. That tells nothing: each secret volume holds at least
    one value of 256 random bits.
    """
    lines = [f"{name}\0{contents[name]}" for name in sorted(contents)]
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()[:12]


def _loader(
    image: str, uid: int, volume: pulumi.Input[str], contents: Mapping[str, pulumi.Input[str]]
) -> dict[str, object]:
    return {
        "image": image,
        "entrypoints": ["/bin/sh", "-c"],
        "command": [_LOAD.format(uid=uid)],
        "user": "0:0",
        "memory": 32,
        "memory_swap": 32,
        "capabilities": {"drops": ["ALL"], "adds": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]},
        "volumes": [container.volume(Mount(volume, "/files", read_only=False))],
        "uploads": [
            {"file": f"/incoming/{name}", "content": content} for name, content in sorted(contents.items())
        ],
    }
