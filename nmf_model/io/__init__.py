"""Read and write clouds, meshes and pictures by suffix; numpy in, numpy out."""
