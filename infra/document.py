"""Writes the key list where people read it: `Pulumi.yaml` and the README's table.

`python -m infra.document` rewrites both; `--check` exits 1 when one is out of date.
"""

import sys
from pathlib import Path

from infra.config import as_text
from infra.keys import KEYS, SECRETS, Key

ROOT = Path(__file__).resolve().parent.parent
_BEGIN, _END = "<!-- configuration: begin -->", "<!-- configuration: end -->"

_PROJECT = """\
# The configuration below is written by `python -m infra.document`; change infra/keys.py instead.
name: amas
description: A monitored decision-recording environment as code
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: .venv
requiredPulumiVersion: ">=3.259.0"
stackConfigDir: .amas/stacks
config:
  # Replicas and loaders carry no fixed name; this keeps the stack's name in front all the same.
  pulumi:autonaming:
    value:
      pattern: amas-${stack}-${name}-${hex(6)}
"""


def main(argv: list[str]) -> int:
    readme = ROOT / "README.md"
    written = {ROOT / "Pulumi.yaml": project_file(), readme: with_table(readme.read_text())}
    stale = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    if "--check" in argv:
        for path in stale:
            sys.stderr.write(f"{path.name} is out of date; next: python -m infra.document\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(written[path])
    return 0


def project_file() -> str:
    return _PROJECT + "".join(_yaml(key) for key in KEYS) + "".join(_secret_yaml(*one) for one in SECRETS)


def with_table(readme: str) -> str:
    """The README with a fresh table between its two markers."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}{_END}{after}"


def table() -> str:
    head = "| key | default | allowed | what it is for |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        f"| `{key.name}` | `{as_text(key.default)}` | {_allowed(key)} | {key.reason} |\n" for key in KEYS
    )


def _yaml(key: Key) -> str:
    default = f'"{key.default}"' if key.type == "string" else as_text(key.default)
    text = f"{key.reason} ({_allowed(key)})"
    return f"  {key.name}:\n    type: {key.type}\n    default: {default}\n    description: {_quoted(text)}\n"


def _secret_yaml(name: str, reason: str) -> str:
    # No default and no type check: `./scripts/up` generates the value, encrypted.
    return f"  # {name} (secret): {reason}\n"


def _allowed(key: Key) -> str:
    return "true or false" if key.type == "boolean" else str(key.allowed)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
