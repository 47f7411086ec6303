"""The colours of all figures: told apart in grey and by colour-blind readers. Lines differ in style as well."""

DARK, LIGHT, WARM, GREY = "#0b3c5d", "#9ec9e2", "#d1662c", "#7a7a7a"
PREDICTED, BAND, MEASURED, SEED = "#4b3a8f", "#ddd8ee", "#c0282d", "#8a8a8a"
LOW, HIGH = "#4c72b0", "#dd8452"  # the two sides of a clip
DIVERGING, SEQUENTIAL = "PuOr_r", "cividis"  # matplotlib's names of maps for quantities of either sign, and of one
