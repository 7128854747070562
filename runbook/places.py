"""The one module that knows where things lie: the checkout, its state and the caches."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def state_dir() -> Path:
    """Secrets, stack state and the image lock of this checkout; private to its owner."""
    return Path(os.environ.get("AMAS_STATE_DIR", ROOT / ".amas"))


def cache_dir() -> Path:
    """What can be built again: tools by the hash of their sources, the base root file system."""
    fallback = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "amas"
    return Path(os.environ.get("AMAS_CACHE_DIR", fallback))


def stack_configurations() -> Path:
    """The `stackConfigDir` of Pulumi.yaml, which is the checkout's whatever the state folder."""
    return ROOT / ".amas" / "stacks"


def results_dir() -> Path:
    """What load tests showed, a folder a run."""
    return Path(os.environ.get("AMAS_RESULTS_DIR", ROOT / "results"))


def image_lock() -> Path:
    return state_dir() / "images.json"


def stack_name() -> str:
    return os.environ.get("AMAS_STACK", "local")
