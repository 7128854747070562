"""Section 3 of the runbook: evidence is collected, known causes are looked for in it, a fix is proposed."""
