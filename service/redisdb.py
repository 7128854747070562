"""The only importer of redis: clients with our limits, and one error map."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.errors import StoreUnavailable

__all__ = ["Redis", "RedisError", "connect", "translated"]


def connect(url: str, *, timeout_s: float, most_connections: int) -> Redis:
    """A client that has not connected yet and never tries a command twice: its callers know whether to.

    A command waits for a free connection as long as it may take itself.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=most_connections,
        timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        client_name="amas-api",
    )
    return Redis.from_pool(pool)


class translated:  # noqa: N801  # reads as a word in a with statement
    """Turns redis's errors into StoreUnavailable: nobody knows what Redis did then."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RedisError | OSError | TimeoutError):
            raise StoreUnavailable(str(error) or type(error).__name__) from error
