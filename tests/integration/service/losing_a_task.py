"""`python -m service`, one of whose loops ends by a fault when SIGUSR1 comes."""

import asyncio
import signal
import sys

from service.__main__ import main
from service.collector.loop import Collecting


async def until_told(_: Collecting) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
    await told.wait()
    raise KeyError("unforeseen")


if __name__ == "__main__":
    Collecting.run = until_told  # type: ignore[method-assign]
    sys.exit(main())
