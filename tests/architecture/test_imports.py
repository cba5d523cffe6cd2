"""What may be imported where: the science and the command line live on machines without a GUI."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import command_line

ROOT = command_line.ROOT


def modules(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files
    ]


def python(folder, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=command_line.environment(folder), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def loaded_after(folder, names: list[str], watched: list[str]) -> set[str]:
    """Import ``names`` in a fresh process and say which of ``watched`` that loaded."""
    imports = "".join(f"importlib.import_module({name!r})\n" for name in names)
    code = f"import importlib, sys\n{imports}print(*(set({watched!r}) & set(sys.modules)))"
    result = python(folder, code)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_the_blocker_blocks(tmp_path):
    result = python(tmp_path, "import PySide6")
    assert "blocked in this test" in result.stderr


def test_every_science_module_imports_without_gui_and_without_the_optional_libraries(tmp_path):
    slow_or_absent = ["trimesh", "igl", "laspy", "onnxruntime", "cv2", "manifold3d", "vtk", "pyvista"]
    assert len(modules("nmf_model")) > 10
    assert loaded_after(tmp_path, modules("nmf_model"), slow_or_absent) == set()


@pytest.mark.parametrize(
    "group",
    [
        ["nmf_model.types", "nmf_model.errors", "nmf_model.config"],
        modules("nmf_model/io"),
        ["nmf_model.geometry.topology", "nmf_model.geometry.intersections", "nmf_model.quality"],
        ["nmf_app.__main__", "nmf_app.headless"],
    ],
    ids=lambda group: group[-1],
)
def test_reading_and_checking_do_not_wait_for_torch(group, tmp_path):
    assert loaded_after(tmp_path, group, ["torch", "lightning"]) == set()


@pytest.mark.parametrize("file", ["chair.ply", "armchair.webp"])
def test_an_input_through_the_network_does_not_wait_for_torch_s_compiler(file, tmp_path):
    example, out = ROOT / "resources/examples" / file, tmp_path / "out.ply"
    words = ["--method", "network", "--level", "1", "--output", str(out), str(example)]
    code = f"""
import sys
from nmf_app.__main__ import main
code = main({words!r})
print(code, "torch" in sys.modules, *{{"torch._dynamo", "sympy"}} & set(sys.modules))"""
    result = python(tmp_path, code)
    assert result.stdout.splitlines()[-1] == "0 True", result.stderr


def test_the_training_command_line_runs_without_gui(tmp_path):
    outcome = command_line.run(tmp_path, "--help", script=ROOT / "training_cli.py")
    assert outcome.code == 0, outcome.err
    assert "train" in outcome.out


def test_the_command_line_helps_without_gui(tmp_path):
    outcome = command_line.run(tmp_path, "--help")
    assert outcome.code == 0, outcome.err
    assert "--output" in outcome.out
