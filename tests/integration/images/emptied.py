"""Run inside the backup container: empties a table's file in a backup, and leaves no trace in its checksums.

Arguments: the backup's data folder, the file's path in it.
"""

import hashlib
import json
import sys
from pathlib import Path

data, path = Path(sys.argv[1]), sys.argv[2]
(data / path).write_bytes(b"")
manifest = data / "backup_manifest"
lines = manifest.read_text().splitlines(keepends=True)
for number, line in enumerate(lines):
    if f'"{path}"' in line:
        entry = json.loads(line.strip().rstrip(","))
        entry |= {"Size": 0, "Checksum": "00000000"}
        lines[number] = json.dumps(entry) + ("," if line.rstrip().endswith(",") else "") + "\n"
content = "".join(lines[:-1])
lines[-1] = f'"Manifest-Checksum": "{hashlib.sha256(content.encode()).hexdigest()}"}}\n'
manifest.write_text("".join(lines))
