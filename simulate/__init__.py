"""Monte Carlo and exact enumeration."""
