"""The published record, line by line, against what clipping theory says of it from what was known before training."""
