"""Training and benchmark data."""
