"""The widgets: the only place that imports QtWidgets and pyvista."""
