"""The one array of the mathematics: float64, of whatever shape the docstring says."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
