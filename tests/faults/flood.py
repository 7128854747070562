"""An open model of posts through the load balancer: so many a second, whatever became of the last ones."""

import asyncio
import json
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.faults.traffic import uuid7

CONNECTIONS = 128
ANSWER_WITHIN_S = 30.0


@dataclass
class Flood:
    """Pours while the block runs. `answers`: the status of each id, 0 where none came."""

    port: int
    key: str
    run_id: str
    rate_per_s: int
    host: str = "127.0.0.1"
    answers: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._pour()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def acknowledged(self) -> set[str]:
        """Of a copy, made in one piece: the thread that pours adds to it meanwhile."""
        answers = self.answers.copy()
        return {decision_id for decision_id, status in answers.items() if 200 <= status < 300}

    def figures(self) -> str:
        by_status = dict(sorted(Counter(self.answers.values()).items()))
        return f"{len(self.answers)} posts in {self.seconds:.0f} s, by status {by_status}"

    async def _pour(self) -> None:
        """Each connection takes the next post when it is free; a post is due at its own time, not before."""
        started = time.monotonic()
        due: asyncio.Queue[None] = asyncio.Queue()
        workers = [asyncio.create_task(self._work(due)) for _ in range(CONNECTIONS)]
        sent = 0
        while not self._over.is_set():
            while sent < (time.monotonic() - started) * self.rate_per_s:
                due.put_nowait(None)
                sent += 1
            await asyncio.sleep(0.005)
        await due.join()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for writer in self._open:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self.seconds = time.monotonic() - started

    async def _work(self, due: "asyncio.Queue[None]") -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            await due.get()
            decision_id = str(uuid7())
            self.answers[decision_id] = 0
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    streams = streams or await self._connected()
                    self.answers[decision_id] = await self._post(*streams, decision_id)
            except (OSError, EOFError, TimeoutError, ValueError):
                if streams:
                    self._open.discard(streams[1])
                    streams[1].close()
                streams = None
            finally:
                due.task_done()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self._open.add(writer)
        return reader, writer

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decision_id: str
    ) -> int:
        trace = {"decisionId": decision_id, "userId": "flood", "action": "show", "durationMs": 1}
        body = json.dumps(trace | {"occurredAt": datetime.now(UTC).isoformat()}).encode()
        head = (
            "POST /api/decisions HTTP/1.1\r\nHost: flood\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Length: {len(body)}\r\n"
        )
        head += f"X-Amas-Run-Id: {self.run_id}\r\n\r\n" if self.run_id else "\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length:")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
        if "connection: close" in answer:
            raise EOFError
        return int(answer.split()[1])
