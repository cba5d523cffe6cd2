"""Run the command line as its own process, where no display and no GUI package can be reached."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUI_PACKAGES = ("PySide6", "shiboken6", "qtpy", "pyvista", "pyvistaqt", "vtk", "vtkmodules")

# Python runs sitecustomize before anything else of a process.
_BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {GUI_PACKAGES!r}:
            raise ImportError(name + " is blocked in this test")

sys.meta_path.insert(0, Blocker())
"""


@dataclass(frozen=True)
class Outcome:
    """What a process left behind."""

    code: int
    out: str
    err: str


def environment(folder: Path) -> dict[str, str]:
    """Return an environment without display and GUI packages; ``folder`` receives the blocking module."""
    blocker = folder / "blocker"
    blocker.mkdir(exist_ok=True)
    (blocker / "sitecustomize.py").write_text(_BLOCKER)
    # What one process compiled of the sources is kept for the next: a tenth of the time of a short run.
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "NMF_DEBUG", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(blocker), str(ROOT)]), "OMP_NUM_THREADS": "1"}


def run(
    folder: Path, *args: object, script: object = ROOT / "main.py", memory_gb: float | None = None
) -> Outcome:
    """Run ``python main.py ARGS`` in ``folder`` and wait; ``memory_gb`` limits its address space."""

    def limit_memory() -> None:
        if memory_gb is not None:
            size = int(memory_gb * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (size, size))

    process = subprocess.run(
        [sys.executable, str(script), *map(str, args)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=limit_memory,
        check=False,
    )
    return Outcome(process.returncode, process.stdout, process.stderr)
