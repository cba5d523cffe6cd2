"""Package list of the build: everything else is in pyproject.toml.

The resources lie at the top of the repository and are installed inside nmf_app.
"""

from setuptools import find_packages, setup

RESOURCES = "nmf_app._resources"

setup(
    packages=[*find_packages(include=["nmf_app*", "nmf_model*"]), RESOURCES],
    package_dir={RESOURCES: "resources"},
    package_data={RESOURCES: ["**/*"], "nmf_model": ["py.typed"]},
    exclude_package_data={RESOURCES: ["setup/*", "docs/*", "benchmark/*"]},
)
