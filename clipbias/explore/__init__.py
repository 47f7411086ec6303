"""The explorer: a local page that asks the toy with sliders, and shows what `check` says of a configuration."""
