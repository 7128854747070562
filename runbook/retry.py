"""Tries again what may work a moment later, in pauses that grow: the only importer of stamina."""

import stamina
from stamina.instrumentation import set_on_retry_hooks

# Who asked tells what came of it. Stamina's own line for each try would stand in the middle of the output.
set_on_retry_hooks(())

tries = stamina.retry_context
