"""Pictures: every format and mode, upright, bounded; damage ends in one sentence."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nmf_model.errors import InputError
from nmf_model.io.images import IMAGE_SUFFIXES, MAX_PIXELS, WORK_SIZE, read_image
from tests.support.refusals import refusal

WIDTH, HEIGHT = 60, 40
RED, BLUE = (220, 30, 40), (20, 40, 200)


def two_colours(mode: str = "RGB") -> Image.Image:
    """Red with a blue upper left quarter: every orientation of it looks different."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), RED)
    picture.paste(BLUE, (0, 0, WIDTH // 2, HEIGHT // 2))
    return picture.convert(mode)


def with_hole(size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    picture = Image.new("RGBA", size, (*RED, 255))
    picture.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    return picture


def chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def write_huge_png(path: Path, side: int) -> None:
    """Write a valid black PNG of any size at once: one compressed block of rows, repeated."""
    rows = b"\0" * (side + 1) * 100
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    length = len(rows) * (side // 100)
    # The checksum of zeros has a closed form: the low sum stays 1, the high one counts them.
    checksum = (length % 65521 << 16 | 1).to_bytes(4, "big")
    packed = b"\x78\xda" + block * (side // 100) + b"\x03\x00" + checksum
    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_format_gives_the_same_colours(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    two_colours().save(path)
    image = read_image(path)
    assert image.rgba.shape == (HEIGHT, WIDTH, 4)
    assert image.rgba.dtype == np.uint8
    assert not image.has_alpha
    assert image.name == "picture"
    assert image.path == path
    assert np.abs(image.rgba[8, 8, :3].astype(int) - BLUE).max() < 12
    assert np.abs(image.rgba[-8, -8, :3].astype(int) - RED).max() < 12
    assert image.notes == ()


@pytest.mark.parametrize("suffix", [".PNG", ".JPEG"])
def test_suffix_case_does_not_matter(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    two_colours().save(path)
    assert read_image(path).rgba.shape == (HEIGHT, WIDTH, 4)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("1", ".png"), ("L", ".png"), ("P", ".png"), ("CMYK", ".tif"), ("CMYK", ".jpg"),
     ("L", ".jpg"), ("1", ".tif"), ("P", ".bmp"), ("P", ".gif"), ("LAB", ".tif")],
)  # fmt: skip
def test_every_mode_keeps_dark_and_bright(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    picture.paste("black", (0, 0, WIDTH // 2, HEIGHT // 2))
    if mode == "LAB":
        values = np.full((HEIGHT, WIDTH, 3), (255, 0, 0), dtype=np.uint8)
        values[: HEIGHT // 2, : WIDTH // 2, 0] = 0
        picture = Image.frombytes("LAB", picture.size, values.tobytes())
    else:
        picture = picture.convert(mode)
    picture.save(path)
    rgba = read_image(path).rgba
    assert rgba[5, 5, :3].max() < 20
    assert rgba[-5, -5, :3].min() > 235


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path, suffix: str) -> None:
    values = np.full((HEIGHT, WIDTH), 40_000, dtype=np.uint16)
    values[:20] = 300
    path = tmp_path / f"deep{suffix}"
    Image.fromarray(values).save(path)
    rgba = read_image(path).rgba
    assert rgba[0, 0].tolist() == [1, 1, 1, 255]
    assert rgba[-1, -1].tolist() == [156, 156, 156, 255]


@pytest.mark.parametrize(("bits", "suffix"), [(10, ".png"), (12, ".tif"), (14, ".tif")])
def test_sixteen_bit_grey_that_fills_fewer_bits_is_no_darker(tmp_path: Path, bits: int, suffix: str) -> None:
    values = np.full((HEIGHT, WIDTH), 0, dtype=np.uint16)
    values[20:] = 200 << (bits - 8)
    path = tmp_path / f"deep{suffix}"
    Image.fromarray(values).save(path)
    rgba = read_image(path).rgba
    assert rgba[0, 0].tolist() == [0, 0, 0, 255]
    assert rgba[-1, -1].tolist() == [200, 200, 200, 255]


def test_the_name_that_windows_gives_to_jpeg_is_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.jfif"
    two_colours().save(path, format="JPEG")
    assert read_image(path).rgba.shape == (HEIGHT, WIDTH, 4)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_deep_grey_tiff_is_stretched(tmp_path: Path, dtype: type) -> None:
    values = np.linspace(-500, 70_000, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    grey = read_image(path).rgba[..., 0].ravel().astype(int)
    assert grey[0] == 0
    assert grey[-1] >= 254
    assert (np.diff(grey) >= 0).all()


def test_nan_in_a_float_tiff_is_survived(tmp_path: Path) -> None:
    values = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.float32)
    values[3, 3], values[4, 4] = np.nan, np.inf
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    assert read_image(path).rgba[-1, -1, 0] >= 254


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".tif"])
def test_alpha_that_separates_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    with_hole().save(path)
    image = read_image(path)
    assert image.has_alpha
    assert image.rgba[5, 5, 3] < 10
    assert image.rgba[-5, -5, 3] > 245


def test_grey_with_alpha(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    with_hole().convert("LA").save(path)
    image = read_image(path)
    assert image.has_alpha
    assert image.rgba[5, 5, 3] == 0


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    for suffix in (".png", ".gif"):
        path = tmp_path / f"cut{suffix}"
        two_colours().quantize(4).save(path, transparency=two_colours().quantize(4).getpixel((3, 3)))
        image = read_image(path)
        assert image.has_alpha
        assert image.rgba[5, 5, 3] == 0
        assert image.rgba[-5, -5, 3] == 255


def test_colour_key_transparency(tmp_path: Path) -> None:
    path = tmp_path / "key.png"
    two_colours().save(path, transparency=BLUE)
    assert read_image(path).rgba[5, 5, 3] == 0


def test_opaque_alpha_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "opaque.png"
    two_colours("RGBA").save(path)
    assert not read_image(path).has_alpha


def oriented(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """Store the picture so that applying the EXIF orientation gives ``two_colours`` back."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = two_colours()
    if orientation in undo:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return stored, exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"turned{suffix}"
    stored, exif = oriented(orientation)
    stored.save(path, exif=exif)
    rgba = read_image(path).rgba
    assert rgba.shape == (HEIGHT, WIDTH, 4)
    difference = np.abs(rgba[..., :3].astype(int) - np.asarray(two_colours()).astype(int))
    assert np.median(difference.max(-1)) < 12
    assert np.abs(rgba[5, 5, :3].astype(int) - BLUE).max() < 12


def test_exif_orientation_survives_scaling_down(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    two_colours().resize((3000, 2000)).save(path, exif=exif)
    image = read_image(path)
    assert image.rgba.shape == (1024, 683, 4)
    assert np.abs(image.rgba[30, -30, :3].astype(int) - BLUE).max() < 12


def test_large_picture_is_scaled_down_and_told(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with_hole((2048, 1024)).save(path)
    image = read_image(path)
    assert image.rgba.shape == (512, WORK_SIZE, 4)
    assert image.rgba[-1, -1].tolist() == [*RED, 255]
    assert image.rgba[0, 0, 3] == 0
    assert len(image.notes) == 1
    assert "2048 × 1024" in image.notes[0]
    assert "1024 × 512" in image.notes[0]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    for suffix in (".gif", ".webp", ".png"):
        path = tmp_path / f"film{suffix}"
        two_colours().save(path, save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT), "white")])
        image = read_image(path)
        assert np.abs(image.rgba[8, 8, :3].astype(int) - BLUE).max() < 12
        assert image.notes == ("Only the first frame of the animation was used.",)


def refused(path: Path) -> str:
    return refusal(read_image, path)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_empty_and_foreign_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    path.write_bytes(b"x y z\n1.0 2.0 3.0\n" * 20)
    assert f"not a {suffix[1:].upper()} picture" in refused(path)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.8):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert "damaged or cut short" in refused(path)


def test_wrong_suffix_says_how_to_rename(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    two_colours().save(path, format="WEBP")
    assert "rename it to cat.webp" in refused(path)


def test_other_refusals(tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert "is a folder" in refused(folder)
    assert "does not exist" in refused(tmp_path / "missing.png")
    strange = tmp_path / "drawing.psd"
    strange.write_bytes(b"8BPS")
    assert "png jpg" in refused(strange)
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (3, 200)).save(tiny)
    assert "only 3 × 200" in refused(tiny)


def test_too_many_pixels_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    write_huge_png(path, 30_000)
    assert path.stat().st_size < 2_000_000
    assert "30000 × 30000" in refused(path)


READ_IN_BOUNDED_MEMORY = """
    import resource, sys
    from nmf_model.errors import InputError
    from nmf_model.io.images import read_image
    def held():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    before = held()
    try:
        print(read_image(sys.argv[1]).rgba.shape)
    except InputError as error:
        print(error)
    assert held() - before < int(sys.argv[2]) * 2**20, (held() - before) / 2**20
"""


def read_in_process(path: Path, mebibytes: int) -> str:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(READ_IN_BOUNDED_MEMORY), str(path)]
    done = subprocess.run(
        [*command, str(mebibytes)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_memory_stays_bounded(tmp_path: Path) -> None:
    huge, large = tmp_path / "huge.png", tmp_path / "large.png"
    write_huge_png(huge, 30_000)
    assert "scaled down" in read_in_process(huge, 60)
    write_huge_png(large, int(MAX_PIXELS**0.5) // 100 * 100)
    assert "(1024, 1024, 4)" in read_in_process(large, 400)


def test_large_jpeg_is_decoded_at_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "survey.jpg"
    Image.new("L", (12_000, 9_000), 200).save(path, quality=30)
    assert "(768, 1024, 4)" in read_in_process(path, 60)


SIGNATURES = (
    b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
    b"RIFF\x20\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypavif",
)  # fmt: skip


@given(st.sampled_from(SIGNATURES), st.binary(max_size=300), st.sampled_from(IMAGE_SUFFIXES))
def test_random_bytes_end_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"random{suffix}"
    path.write_bytes(start + rest)
    refused(path)


@given(st.sampled_from([".png", ".jpg", ".gif", ".bmp", ".tif", ".webp", ".avif"]), st.data())
def test_flipped_bytes_never_crash(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"flipped{suffix}"
    two_colours().save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        image = read_image(path)
    except InputError:  # Any other exception fails the test.
        return
    assert image.rgba.shape[2:] == (4,)
    assert max(image.rgba.shape) <= WORK_SIZE
