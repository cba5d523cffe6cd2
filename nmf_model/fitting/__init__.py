"""Fit a fresh flow to one cloud: bare points in, no normals, no knobs."""
