"""Any picture a user may bring, and what must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from limoe_core.data import preprocess
from limoe_core.data.pictures.opening import MAX_PIXELS
from limoe_core.data.preprocess import PictureError, fit_square, open_picture, to_model_input

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opened(content: bytes) -> np.ndarray:
    return np.asarray(open_picture(content)[0])


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_lossless_kinds_come_back_exact(kind: str) -> None:
    picture = Image.new("RGB", (9, 5), RED)
    picture.paste(BLUE, (0, 0, 3, 5))
    found, notes = open_picture(encoded(picture, kind))
    assert notes == []
    np.testing.assert_array_equal(np.asarray(found.convert("RGB")), np.asarray(picture))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_kinds_come_back_close(kind: str) -> None:
    found = opened(encoded(Image.new("RGB", (32, 32), (200, 100, 50)), kind))
    assert np.abs(found.astype(int) - [200, 100, 50]).max() < 6


def test_a_path_is_as_good_as_its_content(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 4), RED).save(path)
    assert open_picture(path)[0].getpixel((0, 0)) == RED
    assert open_picture(str(path))[0].getpixel((0, 0)) == RED
    with pytest.raises(PictureError, match="absent.png cannot be read"):
        open_picture(tmp_path / "absent.png")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, I am not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureError, match="not a picture of a known kind"):
        open_picture(content)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(60), "It is HEIC.*export it as JPEG or PNG"),
        (b"\0\0\0\x18ftypmif1" + bytes(60), "It is HEIC"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "export it as PNG"),
    ],
)
def test_a_kind_that_is_known_but_not_read_comes_with_advice(content: bytes, advice: str) -> None:
    with pytest.raises(PictureError, match=advice):
        open_picture(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_truncated_picture_is_refused(kind: str) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, kind)
    for share in (0.2, 0.5, 0.8):
        with pytest.raises(PictureError):
            open_picture(content[: int(len(content) * share)])


@pytest.mark.parametrize("place", range(8, 60, 4))
def test_damage_anywhere_is_a_picture_error_or_harmless(place: int) -> None:
    content = bytearray(encoded(Image.new("RGB", (20, 20), RED)))
    content[place : place + 3] = b"\xff\x00\xa5"
    try:
        picture, _ = open_picture(bytes(content))
    except PictureError:
        return
    assert picture.mode in ("RGB", "RGBA")


@pytest.mark.parametrize("size", [(9000, 9000), (30_000, 30_000), (2**31 - 1, 1), (2**30, 2**30)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    # There is no pixel in the file, so decoding it would be another error.
    assert size[0] * size[1] > MAX_PIXELS
    with pytest.raises(PictureError, match="million"):
        open_picture(png_claiming(*size))


def test_the_limit_is_on_pixels_and_not_on_sides() -> None:
    found, _ = open_picture(encoded(Image.new("RGB", (10_000, 20), BLUE)))
    assert found.size == (10_000, 20)


def test_the_first_frame_of_an_animation_is_taken_and_said() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, RED)]
    for kind in ("GIF", "WEBP", "PNG"):
        more = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **more)
        found, notes = open_picture(content)
        assert found.convert("RGB").getpixel((4, 4)) == RED
        assert notes == ["This is an animation; its first frame is used."]


def test_pages_are_said_too() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    _, notes = open_picture(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    assert notes == ["This file has several pages; the first one is used."]


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    found = opened(encoded(Image.fromarray(ramp)))
    assert found.shape == (4, 256, 3)
    np.testing.assert_allclose(found[0, :, 0], np.arange(256), atol=1)


def test_dark_sixteen_bit_grey_stays_dark() -> None:
    found = opened(encoded(Image.fromarray(np.full((4, 4), 6554, np.uint16))))
    np.testing.assert_allclose(found, 25.5, atol=1)


def test_sixteen_bit_colour_keeps_its_colours() -> None:
    """Pillow writes none, so the file is made by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    row = b"\x00" + struct.pack(">HHH", 0xC8C8, 0x6464, 0x3232) * 4
    content = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    assert opened(content)[2, 2].tolist() == [200, 100, 50]


def test_cmyk_has_the_right_colours() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for kind in ("JPEG", "TIFF"):
        red, green, blue = opened(encoded(cyan, kind))[8, 8].tolist()
        assert red < 30
        assert min(green, blue) > 225
    black = opened(encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), "JPEG"))
    assert black.max() < 12


def test_palettes_with_and_without_transparency() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *RED, *BLUE])
    palette.putpixel((0, 0), 2)
    assert opened(encoded(palette))[..., :3].tolist()[0][:2] == [list(BLUE), list(RED)]
    clear = opened(encoded(palette, transparency=2))
    assert clear.shape == (4, 4, 4)
    assert clear[0, 0, 3] == 0
    assert clear[1, 1].tolist() == [*RED, 255]
    np.testing.assert_allclose(to_model_input(Image.fromarray(clear), 4)[0, 0], 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "F", "RGBA", "RGBa", "La", "YCbCr", "HSV"])
def test_every_mode_of_pillow_becomes_colour(mode: str) -> None:
    picture = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode if mode[1:] != "a" else "RGBA")
    values = to_model_input(picture, 8)
    assert values.shape == (8, 8, 3)
    if mode not in ("I", "F"):  # those have no agreed white
        np.testing.assert_allclose(values, 1, atol=0.02)


def test_a_colour_profile_is_followed() -> None:
    """A profile that swaps nothing leaves sRGB alone; a Lab-derived one is converted."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.new("RGB", (4, 4), (200, 100, 50))
    same = opened(encoded(picture, "PNG", icc_profile=srgb))
    assert np.abs(same.astype(int) - [200, 100, 50]).max() <= 1
    broken = opened(encoded(picture, "PNG", icc_profile=b"not a profile"))
    np.testing.assert_array_equal(broken, np.asarray(picture))


def test_photos_are_turned_upright() -> None:
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(BLUE, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn a quarter clockwise
    found, _ = open_picture(encoded(picture, "PNG", exif=exif))
    assert found.size == (16, 32)
    assert found.getpixel((8, 4)) == RED
    assert found.getpixel((8, 28)) == BLUE


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 5, 1), (5, 3, 4), (72, 72, 3), (70, 300)])
@pytest.mark.parametrize("size", [8, 64])
def test_any_size_becomes_a_square(shape: tuple[int, ...], size: int) -> None:
    values = to_model_input(np.full(shape, 255, np.uint8), size)
    assert values.shape == (size, size, 3)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, 1)


def test_a_wide_picture_gets_bars_above_and_below() -> None:
    values = to_model_input(np.zeros((20, 60, 3), np.uint8), 60)
    dark = (values[:, 30] < 0).all(-1)
    assert dark.tolist() == [False] * 20 + [True] * 20 + [False] * 20
    tall = to_model_input(np.zeros((60, 20, 3), np.uint8), 60)
    np.testing.assert_array_equal(tall, values.transpose(1, 0, 2))


def test_an_odd_rest_is_split_evenly() -> None:
    values = to_model_input(np.zeros((30, 61, 3), np.uint8), 61)[:, 30, 0]
    np.testing.assert_allclose(values, values[::-1], atol=0.01)
    assert values.sum() == pytest.approx(61 - 2 * 30, abs=0.1)


def test_a_strip_of_ten_thousand_by_twenty_is_a_faint_line() -> None:
    strip = np.zeros((20, 10_000, 3), np.uint8)
    for picture, line in ((strip, (slice(None), 30)), (strip.transpose(1, 0, 2), (30,))):
        values = to_model_input(picture, 64)[line][..., 0]
        ink = (1 - values) / 2
        # 20 of 10,000 pixels are 0.128 of a row; Pillow's rounding costs up to 1/510 a value.
        assert ink.sum() == pytest.approx(20 / 10_000 * 64, abs=0.02)
        assert set(np.flatnonzero(ink > 0.01)) == {31, 32}


@pytest.mark.parametrize("height, width", [(600, 400), (513, 1200), (90, 1100)])
def test_bands_leave_no_seam(height: int, width: int) -> None:
    """Against Pillow on the whole square at once."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    picture = coarse.resize((width, height), Image.BICUBIC)
    side = max(width, height)
    margin = side // 10
    square = Image.new("RGB", (side + 2 * margin,) * 2, (255, 255, 255))
    corner = (margin + (side - width) // 2, margin + (side - height) // 2)
    square.paste(picture, corner)
    low = (
        corner[0] - (side - width) / 2,
        corner[1] - (side - height) / 2,
    )
    box = (*low, low[0] + side, low[1] + side)
    expected = np.asarray(square.resize((48, 48), Image.BILINEAR, box=box))
    found = fit_square(picture, 48)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 2


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    "array, complaint",
    [
        (np.zeros((4, 4, 3), np.float32), "not float32"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((4,), np.uint8), r"\(4,\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "4 × 0 pixels is empty"),
        ("a string", "str"),
    ],
)
def test_other_arrays_are_refused_by_name(array: object, complaint: str) -> None:
    with pytest.raises(PictureError, match=complaint):
        to_model_input(array, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_square_of_the_right_size_is_what_the_filter_makes_of_it(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, len(mode))).astype(np.uint8)
    picture = Image.fromarray(pixels)
    filtered = preprocess._fit_axis(preprocess._fit_axis(picture, True, 40, 40), False, 40, 40)
    np.testing.assert_array_equal(fit_square(picture, 40), np.asarray(filtered))
