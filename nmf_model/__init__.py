"""Neural Mesh Flow: the science. Imports no Qt and no VTK, and no torch until a module that computes is used."""
