from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray

from nmf_app.session import Parameters, Shading, Theme, ViewOptions
from nmf_app.settings import Settings, default_path


def test_everything_survives_a_restart(tmp_path, qapp):
    path, opened = tmp_path / "s.ini", tmp_path / "a.ply"
    opened.touch()
    parameters = Parameters("silhouette", 5, "cpu", start_at_once=False)
    view = ViewOptions(Theme.DARK, Shading.FLAT, show_input=False, show_colors=False)
    first = Settings(path)
    first.save_parameters(parameters)
    first.save_view(view)
    first.save_recent((opened, tmp_path / "gone.ply"))
    first.save_folder(tmp_path)
    first.save_geometry(QByteArray(b"abc"), QByteArray(b"def"))
    first.sync()
    second = Settings(path)
    assert second.parameters() == parameters
    assert second.view() == view
    assert second.recent() == (opened,)
    assert second.folder() == tmp_path
    assert second.geometry() == (QByteArray(b"abc"), QByteArray(b"def"))


def test_the_theme_is_the_systems_until_one_was_chosen(tmp_path, qapp):
    assert Settings(tmp_path / "none.ini").view(Theme.DARK).theme is Theme.DARK


@pytest.mark.parametrize(
    "content",
    [
        os.urandom(4096),
        b"",
        b"[parameters]\nmethod=nonsense\nlevel=99\ndevice=@Variant(\\0\\0)\nstart_at_once=perhaps\n"
        b"[view]\ntheme=7\nshading=\nshow_input=@ByteArray(x)\n[files]\nrecent=@Invalid()\nfolder=\\0\n"
        b"[window]\ngeometry=text\nstate=@Rect(1 2 3 4)\n",
        b"[files]\nrecent=1, 2, @ByteArray(abc)\n[view",
    ],
)
def test_a_damaged_file_gives_defaults(tmp_path, qapp, content):
    path = tmp_path / "s.ini"
    path.write_bytes(content)
    settings = Settings(path)
    assert settings.parameters() == Parameters()
    assert settings.view() == ViewOptions()
    assert settings.recent() == ()
    assert settings.folder() is None
    settings.geometry()


def test_the_place_of_the_file_can_be_overridden(monkeypatch, tmp_path):
    monkeypatch.setenv("NMF_SETTINGS", str(tmp_path / "mine.ini"))
    assert default_path() == Path(tmp_path / "mine.ini")
