"""`python -m service`, one of whose loops ends by a fault when SIGUSR1 comes."""

import asyncio
import signal
import sys
from unittest import mock

from service.__main__ import main
from service.collector.loop import Collecting


class Losing(Collecting):
    async def run(self) -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
        await told.wait()
        raise KeyError("unforeseen")


if __name__ == "__main__":
    with mock.patch("service.app.Collecting", Losing):
        sys.exit(main())
