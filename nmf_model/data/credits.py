"""The attribution that the models' licences ask for, as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nmf_model.data.library import LibraryEntry

LICENSE_LINKS = {
    "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 3.0 US": "https://creativecommons.org/licenses/by/3.0/us/",
}
_HEADING = """# Credits

Made from the following models (surfaces sampled, moved and scaled). The files `*.sh3f` are the furniture
libraries of [Sweet Home 3D](https://www.sweethome3d.com/importModels.jsp), where the originals are.

| Model | Name | Creator | Licence | Source |
|---|---|---|---|---|
"""


def credits_text(entries: Iterable[LibraryEntry]) -> str:
    """Return the table: one row a model, in the order given."""
    rows = [
        (entry.id, entry.name, entry.creator, _linked(entry.license), entry.library.name) for entry in entries
    ]
    return _HEADING + "".join("| " + " | ".join(map(_cell, row)) + " |\n" for row in rows)


def write_credits(path: Path, entries: Iterable[LibraryEntry]) -> None:
    """Write the table of ``credits_text`` to a file."""
    path.write_text(credits_text(entries), encoding="utf-8")


def _linked(license_name: str) -> str:
    link = LICENSE_LINKS.get(license_name)
    return f"[{license_name}]({link})" if link else license_name


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or "unknown"
