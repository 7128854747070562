"""What the agent's container runs. Not a verb: it takes nothing into its process that it does not need."""

import os
import signal
import sys
import threading
from pathlib import Path

from runbook.agent.act import Agent
from runbook.agent.docker_api import DockerApi
from runbook.agent.serve import Listener

WANTED = ("AMAS_ENGINE_SOCKET", "AMAS_AGENT_SOCKET", "AMAS_STACK", "AMAS_MOST_BURST")


def main() -> int:
    missing = [name for name in WANTED if not os.environ.get(name)]
    if missing:
        sys.stderr.write(f"not set: {', '.join(missing)}; this runs in a container of its own\n")
        return 3
    engine_socket, own_socket, stack, most_burst = (os.environ[name] for name in WANTED)
    with DockerApi(engine_socket) as engine:
        agent = Agent(engine, stack, int(most_burst))
        with Listener(Path(own_socket), agent) as listener:
            # From another thread, or it would wait for itself.
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=listener.shutdown).start())
            listener.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
