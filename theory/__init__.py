"""Pure functions: one equation, one function."""
