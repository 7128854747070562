"""The volumes that hold what cannot be made again; `down` keeps them."""

DATA_PARTS = ("db", "queue", "prometheus", "backup", "offsite")


def data_volumes(stack: str) -> tuple[str, ...]:
    return tuple(f"amas-{stack}-{part}" for part in DATA_PARTS)
