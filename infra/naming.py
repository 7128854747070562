"""Names and labels of everything the stack owns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Naming:
    stack: str

    @property
    def network(self) -> str:
        return f"amas-{self.stack}"

    def of(self, part: str) -> str:
        """Name of the one container or volume of a part."""
        return f"amas-{self.stack}-{part}"

    def labels(self, part: str) -> list[dict[str, str]]:
        """Sorted as the engine returns them. No version or time: a label change replaces the resource."""
        return [{"label": "amas.part", "value": part}, {"label": "amas.stack", "value": self.stack}]
