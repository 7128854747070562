"""Where the backup container keeps things."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOME = "AMAS_BACKUP_HOME"
DEFAULT_OFFSITE = "/var/lib/amas/offsite"


@dataclass(frozen=True)
class Place:
    """The backup volume, the container's tmpfs, and what was handed in."""

    home: Path
    run: Path = Path("/run/amas")
    secrets: Path = Path("/secrets")

    @property
    def barman_home(self) -> Path:
        return self.home / "barman"

    @property
    def server(self) -> Path:
        return self.barman_home / "db"

    @property
    def wals(self) -> Path:
        return self.server / "wals"

    @property
    def streaming(self) -> Path:
        """Where the receiver writes; the newest segment ends in `.partial`."""
        return self.server / "streaming"

    @property
    def scratch(self) -> Path:
        """For restores that nobody keeps."""
        return self.home / "scratch"

    @property
    def manifests(self) -> Path:
        return self.home / "state" / "manifests"

    @property
    def stack_state(self) -> Path:
        """The stack's configuration, secrets encrypted, as the host hands it in after each release."""
        return self.home / "state" / "stack"

    @property
    def last_proof(self) -> Path:
        return self.home / "state" / "last-proof.json"

    @property
    def last_offsite_proof(self) -> Path:
        return self.home / "state" / "last-offsite-proof.json"

    @property
    def last_offsite(self) -> Path:
        return self.home / "state" / "last-offsite.json"

    def base(self, backup_id: str) -> Path:
        """A backup's copy of the data directory."""
        return self.server / "base" / backup_id / "data"


def here(environ: Mapping[str, str] = os.environ) -> Place | None:
    """None outside the backup container."""
    home = environ.get(HOME)
    return Place(Path(home)) if home else None
