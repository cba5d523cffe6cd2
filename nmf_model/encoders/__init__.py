"""Encoders: a point cloud to a code, a picture to a point cloud."""
