"""Templates, sampling, nearest neighbours and exact checks on triangle meshes."""
