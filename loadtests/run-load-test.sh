#!/usr/bin/env bash
# Usage: BASE_URL=http://localhost:3000 DURATION=300 CONCURRENCY=200 ./run-load-test.sh
# The runbook's load test (sections 9.1 and 9.2): CONCURRENCY users for DURATION seconds, and the verdict in
# load-test-summary.txt, here. LOAD_TEST_DURATION and LOAD_TEST_CONCURRENCY are taken too; more words go to
# `amas loadtest run`, such as --profile average for an open model.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
amas="$root/.venv/bin/amas"
[ -x "$amas" ] || { echo "error: $amas is not there; next: ./scripts/up" >&2; exit 3; }

load=(--profile seed)
case " $* " in
*" --profile"*) ;;
*)
    load+=(--duration "${DURATION:-${LOAD_TEST_DURATION:-120}}")
    load+=(--concurrency "${CONCURRENCY:-${LOAD_TEST_CONCURRENCY:-100}}")
    ;;
esac
address=()
[ -z "${BASE_URL:-}" ] || address=(--url "${BASE_URL%/}")
exec "$amas" loadtest run mixed "${load[@]}" "${address[@]}" --summary "$PWD/load-test-summary.txt" "$@"
