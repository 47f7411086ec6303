"""Logs to findings: pure functions, numbers only. The sentences are in `words`."""
