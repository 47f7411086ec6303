"""Hypothesis draws the same examples every time: the suite is deterministic."""

from hypothesis import settings

settings.register_profile("clipbias", derandomize=True, deadline=None, database=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, database=None, max_examples=20_000)
settings.load_profile("clipbias")
