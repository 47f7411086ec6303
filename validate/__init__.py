"""Real models under real trainers."""
