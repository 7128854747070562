"""The Pulumi program: plain `pulumi up` in a shell prepared by `. scripts/env` runs this file."""

from infra.program import main

main()
