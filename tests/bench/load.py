"""wrk by subprocess: a client that costs little, so that what is measured is the server."""

import json
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
Result = dict[str, float]


def post_for(url: str, connections: int, seconds: float) -> Result:
    return wrk_for("post.lua", url, connections, seconds)


def get_for(url: str, connections: int, seconds: float) -> Result:
    return wrk_for("get.lua", url, connections, seconds)


def wrk_for(script: str, url: str, connections: int, seconds: float) -> Result:
    """Raises when a single answer was not 2xx or a connection broke: such a rate means nothing."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("bench: no wrk on PATH; next: apt install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(HERE / script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told: Result = json.loads(said.strip().splitlines()[-1])
    if told["failed"]:
        raise SystemExit(
            f"bench: {told['failed']:.0f} of {told['requests']:.0f} requests failed at {url}\n{said}"
        )
    return {
        "per_s": round(told["requests"] / told["seconds"]),
        "p50_ms": round(told["p50_ms"], 2),
        "p99_ms": round(told["p99_ms"], 2),
        "requests": told["requests"],
    }
