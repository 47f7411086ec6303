"""A training configuration of any framework, read without running anything: whether its clip can act, and which way."""
