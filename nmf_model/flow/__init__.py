"""The flow of conditional neural ODEs that carries the sphere into the shape."""
