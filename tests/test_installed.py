"""The program as it is installed, away from the checkout: what ships is found there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import ROOT
from tests.support.tiny_models import save_folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The packages as a wheel holds them."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "egg_info", "--egg-base", folder]
    command += ["build", "--build-base", folder / "base", "--build-lib", folder / "packages"]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True, timeout=120)
    return folder / "packages"


def run(packages: Path, folder: Path, code: str, *words: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(packages), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip


def test_weights_configurations_and_examples_are_installed(installed, tmp_path):
    code = (
        "import nmf_app.resources, nmf_model.resources, nmf_model.weights as w;"
        "print(w.shipped_path('ae')); print(w.shipped_path('svr'));"
        "print(nmf_model.resources.resource('configs/paper.toml')); print(nmf_app.resources.root())"
    )
    done = run(installed, tmp_path, code)
    assert done.returncode == 0, done.stderr
    found = [Path(line) for line in done.stdout.split()]
    assert all(path.is_relative_to(installed) and path.exists() for path in found)
    assert len(found) == 4


def test_the_authors_training_command_finds_its_configuration(installed, tmp_path):
    save_folder(tmp_path / "set")
    code = "from nmf_model.training.cli import main; main()"
    words = ["--train", "AE", "--points_path", "set", "--batch_size", 1]
    done = run(installed, tmp_path, code, *words)
    # It went as far as the setting that cannot be, so the configuration was read.
    assert done.returncode == 2
    assert "cannot be read" not in done.stderr
    assert "training." in done.stderr
