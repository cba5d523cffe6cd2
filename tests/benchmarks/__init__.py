"""Measurements, apart from the tests: they take long and print tables."""
