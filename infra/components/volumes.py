"""Data volumes: protected from deletion and replacement, and left in place by a destroy."""

from collections.abc import Mapping

import pulumi
import pulumi_docker as docker

from infra.naming import Naming

PARTS = ("db", "queue", "prometheus", "backup", "offsite")


class DataVolumes(pulumi.ComponentResource):
    """What must outlive every container. An existing volume of the right name is adopted with its data."""

    names: Mapping[str, pulumi.Output[str]]

    def __init__(self, naming: Naming, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("amas:volumes:DataVolumes", "data", None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.names = {part: _volume(naming, part, child).name for part in PARTS}
        self.register_outputs(dict(self.names))


def _volume(naming: Naming, part: str, opts: pulumi.ResourceOptions) -> docker.Volume:
    marks = [{"label": "amas.data", "value": "keep"}, *naming.labels(part)]
    labels = [docker.VolumeLabelArgs(**mark) for mark in marks]
    return docker.Volume(f"{part}-data", name=naming.of(part), labels=labels, opts=opts)
