"""Neural Mesh Flow: the science. No Qt and no VTK; no torch until a module that computes is imported."""
