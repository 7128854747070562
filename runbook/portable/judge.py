"""Whether an export may go into a stack. Pure."""

from runbook.portable.manifest import Facts, Manifest

MAJOR = 10_000


def refusals(manifest: Manifest, target: Facts, stack: str, typed: str | None) -> list[str]:
    """Why not, a line each; `typed` is the name that stands for consent to replace what is there."""
    return [*unfitting(manifest.facts, target), *unwilling(manifest, target, stack, typed)]


def unfitting(export: Facts, target: Facts) -> list[str]:
    """Chunks lie in the extension's own catalog, whose form belongs to its version."""
    lines = []
    if export.timescaledb != target.timescaledb:
        lines.append(
            f"TimescaleDB {export.timescaledb} wrote the export, the stack has {target.timescaledb}: "
            f"import it into a stack with {export.timescaledb}, then update the extension there"
        )
    if export.server_version // MAJOR > target.server_version // MAJOR:
        lines.append(
            f"PostgreSQL {export.server_version // MAJOR} wrote the export, the stack has "
            f"{target.server_version // MAJOR}: an older server cannot be sure to read it"
        )
    unknown = [name for name in export.migrations if name not in target.migrations]
    if unknown:
        lines.append(
            f"the export knows {', '.join(unknown)}, which this release does not: "
            "import it with the release that wrote it, or a newer one"
        )
    return lines


def unwilling(manifest: Manifest, target: Facts, stack: str, typed: str | None) -> list[str]:
    if typed is not None and typed != stack:
        return [f"--replace {typed!r} is not the name of this stack"]
    if target.decisions and typed is None:
        held, brought = target.decisions, manifest.facts.decisions
        return [
            f"stack `{stack}` holds {held} rows of decisions, which {brought} of the export would replace"
        ]
    return []
