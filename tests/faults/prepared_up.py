"""`amas` on a prepared host: tools and images stand, so `up` takes the image lock as it finds it.

A test changes that lock to release an image that does not work.
"""

from runbook import cli
from runbook.terminal import Progress
from runbook.up import flow


def as_it_stands(progress: Progress) -> None:
    """In place of preparing the host."""


if __name__ == "__main__":
    flow.prepare = as_it_stands
    cli.main()
