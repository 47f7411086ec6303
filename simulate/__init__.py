"""Monte Carlo and exact enumeration of the toy: `tabular.simulate` and `enumeration.enumerate_phase`."""
