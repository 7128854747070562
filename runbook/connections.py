"""How to reach the running stack's stores from the host: container addresses and the owner's credentials."""

from runbook import engine as engines
from runbook.engine import Engine
from runbook.environment import Connections, database_url, redis_url
from runbook.errors import EnvironmentMissing
from runbook.stack import Setting, Stack


def connections(stack: Stack) -> Connections:
    """Empty where the stack does not run, so that a shell can be prepared before the first `up`."""
    try:
        engine = engines.connect()
        if not engine.containers(stack.name, "db"):
            return Connections()
        return from_running(engine, stack.name, stack.config())
    except EnvironmentMissing:
        return Connections()


def from_running(engine: Engine, stack: str, config: dict[str, Setting]) -> Connections:
    database, cache = _address(engine, stack, "db"), _address(engine, stack, "cache")
    owner, default_user = config.get("dbOwnerPassword"), config.get("cachePassword")
    return Connections(
        database_url=database_url(database, owner.value, database_name(config))
        if database and owner
        else None,
        redis_url=redis_url(cache, default_user.value) if cache and default_user else None,
    )


def database_name(config: dict[str, Setting]) -> str:
    setting = config.get("databaseName")
    return setting.value if setting else "danci"


def _address(engine: Engine, stack: str, part: str) -> str | None:
    return next((one.address for one in engine.containers(stack, part) if one.state == "running"), None)
