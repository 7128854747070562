"""The stack's own bridge network: parts find one another by name, nothing else reaches them."""

import pulumi
import pulumi_docker as docker

from infra.naming import Naming


class Network(pulumi.ComponentResource):
    """A bridge under the stack's name."""

    name: pulumi.Output[str]

    def __init__(self, naming: Naming, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("amas:network:Network", "network", None, opts)
        network = docker.Network(
            "network",
            name=naming.network,
            driver="bridge",
            labels=[docker.NetworkLabelArgs(**label) for label in naming.labels("network")],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = network.name
        self.register_outputs({"name": self.name})
