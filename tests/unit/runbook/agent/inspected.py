"""A replica as the engine tells of it: what the agent reads, and what might be held against it."""

import copy
from typing import Any

REPLICA: dict[str, Any] = {
    "Id": "a" * 64,
    "Name": "/amas-local-api-0-123abc",
    "Created": "2026-01-02T03:04:05.123456789Z",
    "Image": "sha256:" + "1" * 64,
    "State": {
        "Status": "running",
        "StartedAt": "2026-01-02T03:04:06.123456789Z",
        "Health": {"Status": "healthy", "Log": []},
    },
    "Config": {
        "Hostname": "aaaaaaaaaaaa",
        "User": "10004:10004",
        "Env": ["LOG_LEVEL=info", "PATH=/opt/venv/bin:/usr/bin"],
        "Cmd": ["python", "-m", "service"],
        "Healthcheck": {"Test": ["CMD", "wget", "http://127.0.0.1:8000/ready"], "Retries": 8},
        "Image": "sha256:" + "1" * 64,
        "WorkingDir": "/opt/amas",
        "Entrypoint": None,
        "Labels": {"amas.part": "api", "amas.stack": "local"},
        "StopSignal": "SIGTERM",
    },
    "HostConfig": {
        "Binds": ["amas-local-api-secrets-0123456789ab:/secrets:ro"],
        "NetworkMode": "default",
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true"],
        "Tmpfs": {"/run": "rw,noexec", "/tmp": "rw,noexec"},
        "ShmSize": 67108864,
        "Memory": 536870912,
        "MemorySwap": 536870912,
        "CpuShares": 1024,
        "Devices": [],
        "Ulimits": [{"Name": "nproc", "Hard": 4096, "Soft": 4096}],
        "Init": True,
        "Mounts": None,
    },
    "Mounts": [
        {
            "Type": "volume",
            "Name": "amas-local-api-secrets-0123456789ab",
            "Source": "/var/lib/docker/volumes/x",
        }
    ],
    "NetworkSettings": {
        "Networks": {"amas-local": {"Aliases": ["api", "aaaaaaaaaaaa"], "IPAddress": "172.18.0.9"}}
    },
}


def replica(letter: str = "a", **changes: Any) -> dict[str, Any]:
    """`HostConfig__Privileged=True` changes a field of a field."""
    made = copy.deepcopy(REPLICA)
    made["Id"] = letter * 64
    for path, value in changes.items():
        where = made
        *folders, last = path.split("__")
        for folder in folders:
            where = where[folder]
        where[last] = value
    return made
