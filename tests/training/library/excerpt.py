"""Cut a dozen small objects out of the Sweet Home 3D furniture libraries, for the test of the whole pipeline.

``python -m tests.training.library.excerpt FOLDER`` writes the libraries and their ``credits.md`` beside this
file again. FOLDER holds the ``.sh3f`` files of Debian's package ``sweethome3d-furniture`` 1.8-1 (it installs
them as ``/usr/share/sweethome3d/furniture``). Everything of an object is kept as it is: its lines of the
catalogue, so that its id and part of the data stay, its folder with the licence file if it has one, and its
icons. So is the licence of the whole library.
"""

from __future__ import annotations

import posixpath
import re
import sys
import zipfile
from pathlib import Path

from nmf_model.data.credits import credits_text
from nmf_model.data.library import CATALOGUE, read_library

CHOSEN = {
    "BlendSwap-CC-0": ["pallet", "technicalTable2", "showerDoor"],
    "BlendSwap-CC-BY": ["hood", "coffeeTable", "wardrobe2"],
    "KatorLegaz": ["fridge", "painted-bench", "park-light"],
    "Scopia": ["pince-coupante", "cone", "bandeja"],
}
"""Of each library the names of models: seven to learn, two to choose by, three to test with."""
_LINE = re.compile(r"^\s*([A-Za-z]+)#(\d+)\s*[=:]\s*(.*?)\s*$")


def write_excerpt(library: Path, names: list[str], target: Path) -> None:
    """Write a library of the named models alone; the same input gives the same bytes."""
    with zipfile.ZipFile(library) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as part:
        lines = whole.read(CATALOGUE).decode("latin-1").splitlines()
        numbers = _numbers(lines, names)
        kept = [line for line in lines if not (found := _LINE.match(line)) or found[2] in numbers]
        wanted = {CATALOGUE: _squeezed(kept).encode("latin-1"), "LICENSE.TXT": whole.read("LICENSE.TXT")}
        wanted |= {name: whole.read(name) for name in whole.namelist() if _belongs(name, kept)}
        for name, content in sorted(wanted.items()):
            part.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


def _numbers(lines: list[str], names: list[str]) -> set[str]:
    """Return the numbers in the catalogue of models with these names."""
    models = {found[3]: found[2] for line in lines if (found := _LINE.match(line)) and found[1] == "model"}
    return {number for path, number in models.items() if posixpath.basename(posixpath.dirname(path)) in names}


def _belongs(member: str, lines: list[str]) -> bool:
    """Return whether a file of the archive is named by a kept line, or lies in a kept model's folder."""
    for line in lines:
        found = _LINE.match(line)
        if found is None or not found[3].startswith("/"):
            continue
        path = found[3].lstrip("/")
        folder = posixpath.dirname(path) + "/"
        if member == path or (found[1] == "model" and member.startswith(folder) and member != folder):
            return True
    return False


def _squeezed(lines: list[str]) -> str:
    """Join lines, with no more than one empty line in a row."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main() -> None:
    here = Path(__file__).parent
    entries = []
    for name, models in CHOSEN.items():
        target = here / f"{name}.sh3f"
        write_excerpt(Path(sys.argv[1]) / target.name, models, target)
        entries += read_library(target)
    whole = "Made from the following models (surfaces sampled, moved and scaled)"
    text = credits_text(entries).replace(whole, "These models, as they are in their libraries")
    (here / "credits.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
