"""Stands in for `python -m service` in a release that does not work."""

import os
import runpy
import socket
import sys
import time

REPLICAS_WITH_THE_FIRST_NEW_ONE = 3


def main() -> None:
    match os.environ["FAILS"]:
        case "at-once":
            sys.exit("the settings are wrong")
        case "silently":
            time.sleep(3600)
        case "refuses-all":
            os.environ["DISABLE_INSIGHT_WRITES"] = "true"
            runpy.run_module("service", run_name="__main__")
        case "from-the-second-replica-on":
            found = {answer[4][0] for answer in socket.getaddrinfo("api", 8000)}
            if len(found) > REPLICAS_WITH_THE_FIRST_NEW_ONE:
                sys.exit(f"{len(found)} replicas are too many")
            runpy.run_module("service", run_name="__main__")


main()
