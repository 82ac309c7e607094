"""One way in for pictures: upright, in sRGB, over the full range, within bounds."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from benchmarks.resilience import bombs
from limoe_core.data.pictures import opening, structure
from limoe_core.data.pictures.colour import standard
from limoe_core.data.pictures.structure import Content
from limoe_core.data.preprocess import PictureError, fit_square, open_picture, to_model_input

CASES = Path(__file__).parent / "cases"
PROFILE = Image.open(CASES / "icc_rgb.png").info["icc_profile"]


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def blocks(*shape: int) -> Image.Image:
    """Squares of random colours, coarse enough to survive a JPEG."""
    values = np.random.default_rng(0).integers(0, 256, shape)
    return Image.fromarray(np.kron(values, np.ones((16, 16, 1))).astype(np.uint8))


# ---- upright

#: How a picture is turned back, by the orientation in its EXIF record: as Pillow does it.
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_way_in_turns_a_picture_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned"
    path.write_bytes(encoded(blocks(3, 2, 3), kind, exif=exif, **LOSSLESS.get(kind, {})))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert upright.shape == ((48, 32, 3) if orientation < 5 else (32, 48, 3))
    found, notes = open_picture(path)
    assert notes == []
    np.testing.assert_array_equal(np.asarray(found), upright)
    expected = fit_square(upright, 24)
    for picture in (found, Image.open(path), Image.open(path).convert("RGBA")):
        np.testing.assert_array_equal(fit_square(picture, 24), expected)


def test_the_users_own_picture_is_left_as_it_is() -> None:
    picture = Image.open(CASES / "exif_orientation6.jpg")
    size, info = picture.size, dict(picture.info)
    to_model_input(picture, 8)
    assert (picture.size, picture.info) == (size, info)


# ---- colour


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_profile_is_followed_whatever_carries_the_colours(kind: str) -> None:
    """RGB, RGBA and, where the kind has it, a palette or grey: the same pixels."""
    picture = blocks(2, 2, 3).quantize(4).convert("RGB")
    options = {"icc_profile": PROFILE} | LOSSLESS[kind]
    expected = ImageCms.profileToProfile(
        picture, ImageCms.ImageCmsProfile(io.BytesIO(PROFILE)), ImageCms.createProfile("sRGB")
    )
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(picture)).max() > 5
    carriers = [picture, picture.convert("RGBA")]
    if kind != "WEBP":
        carriers.append(picture.quantize(4))
    for carrier in carriers:
        found, _ = open_picture(encoded(carrier, kind, **options))
        np.testing.assert_array_equal(np.asarray(found.convert("RGB")), np.asarray(expected))
        # Nothing is left that would convert it a second time.
        again, _ = standard(found)
        assert again is found


def test_rgb_and_rgba_of_one_profile_have_the_same_pixels() -> None:
    one, other = (open_picture(CASES / f"icc_{mode}.png")[0] for mode in ("rgb", "rgba"))
    assert (one.mode, other.mode) == ("RGB", "RGBA")
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other)[..., :3])
    np.testing.assert_array_equal(fit_square(one, 8), fit_square(other, 8))


def test_transparency_is_kept_beside_a_profile() -> None:
    picture = blocks(2, 2, 3).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    found, _ = open_picture(encoded(picture, "PNG", icc_profile=PROFILE))
    np.testing.assert_array_equal(np.asarray(found)[..., 3], np.asarray(picture)[..., 3])
    opaque, _ = open_picture(encoded(picture.convert("RGB"), "PNG", icc_profile=PROFILE))
    np.testing.assert_array_equal(np.asarray(found)[..., :3], np.asarray(opaque))


def test_grey_follows_a_profile_for_colours() -> None:
    grey = Image.linear_gradient("L")
    expected, _ = open_picture(encoded(grey.convert("RGB"), "PNG", icc_profile=PROFILE))
    for picture in (grey, grey.convert("LA")):
        found, _ = open_picture(encoded(picture, "PNG", icc_profile=PROFILE))
        np.testing.assert_array_equal(np.asarray(found.convert("RGB")), np.asarray(expected))


def test_a_profile_of_another_kind_of_picture_is_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture = blocks(2, 2, 3)
    for profile in (lab, b"", b"none"):
        found, _ = open_picture(encoded(picture, "PNG", icc_profile=profile))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(picture))


def test_a_profile_of_many_megabytes_is_left_out_with_a_note() -> None:
    content = encoded(blocks(2, 2, 3), "TIFF", icc_profile=PROFILE + bytes(5 * 2**20))
    found, notes = open_picture(content)
    assert notes == ["The colour profile has more than 4 MiB and is left out."]
    np.testing.assert_array_equal(np.asarray(found), np.asarray(blocks(2, 2, 3)))


# ---- grey of more than 8 bits


def test_twelve_bits_in_sixteen_are_read_over_their_range_and_it_is_said() -> None:
    found, notes = open_picture(CASES / "grey12in16.png")
    raw = np.asarray(Image.open(CASES / "grey12in16.png")).astype(float)
    assert raw.max() <= 4095
    np.testing.assert_allclose(np.asarray(found)[..., 0], raw / 4095 * 255, atol=0.51)
    (note,) = notes
    assert note.startswith("No value of this 16-bit picture is above ")
    assert note.endswith("so it is read as one of 12 bits.")


@pytest.mark.parametrize("most, bits", [(255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 16)])
@pytest.mark.parametrize("kind", ["I;16", "I;16B", "I"])
def test_the_range_is_the_smallest_that_holds_the_values(most: int, bits: int, kind: str) -> None:
    values = np.linspace(0, most, 32).astype({"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[kind])
    picture = Image.frombytes(kind, (32, 1), values.tobytes())
    found, notes = standard(picture)
    np.testing.assert_allclose(np.asarray(found)[0, :, 0], values / (2**bits - 1) * 255, atol=0.51)
    assert bool(notes) == (bits < 16)


def test_black_of_sixteen_bits_is_black_and_needs_no_note() -> None:
    found, notes = standard(Image.new("I;16", (4, 4)))
    assert not np.asarray(found).any()
    assert notes == []


def test_values_without_an_agreed_scale_are_told() -> None:
    values = np.linspace(-5, 1000, 16, dtype=np.float32).reshape(1, 16)
    found, notes = standard(Image.fromarray(values))
    assert np.asarray(found)[0, [0, -1], 0].tolist() == [0, 255]
    assert "lowest is read as black" in notes[0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(wrong: float) -> None:
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = wrong
    with pytest.raises(PictureError, match="no numbers"):
        to_model_input(Image.fromarray(values), 8)
    with pytest.raises(PictureError, match="no numbers"):
        open_picture(encoded(Image.fromarray(values), "TIFF"))


# ---- bounds


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """How often opening and decoding reads or seeks in a file."""
    made: list[Content] = []

    class Watched(Content):
        def __init__(self, content: bytes) -> None:
            super().__init__(content)
            made.append(self)

    monkeypatch.setattr(opening, "Content", Watched)

    def count(content: bytes) -> int:
        _, notes = open_picture(content)
        assert len(notes) == 1
        return made.pop().steps

    return count


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_frames_and_pages_are_not_walked_over(kind: str, steps: Callable[[bytes], int]) -> None:
    frames = [Image.new("RGB", (8, 8), (10 * n, 0, 255 - 10 * n)) for n in range(24)]
    few, many = (
        steps(encoded(frames[0], kind, save_all=True, append_images=frames[1:count]))
        for count in (3, 24)
    )
    assert many <= few + 1


def test_forty_thousand_pages_take_as_many_steps_as_two(steps: Callable[[bytes], int]) -> None:
    assert steps(bombs.tiff(8, 8, pages=40_000)) == steps(bombs.tiff(8, 8, pages=2)) < 100


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def of_many_parts(kind: str, count: int) -> bytes:
    """A picture of one pixel with `count` parts that say nothing."""
    whole = encoded(Image.new("L", (1, 1)), kind)
    if kind == "PNG":
        return whole[:33] + chunk(b"zzZz", b"") * count + whole[33:]
    if kind == "JPEG":
        return whole[:2] + b"\xff\xfe\0\2" * count + whole[2:]
    return whole[:-1].replace(b",", b"!\xfe" + b"\1a" * count + b"\0,", 1) + b";"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_file_of_too_many_parts_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_picture(of_many_parts(kind, 10))[0].size == (1, 1)
    monkeypatch.setattr(structure, "MAX_STEPS", 1000)
    with pytest.raises(PictureError, match="more than 1,000 parts, which take too long"):
        open_picture(of_many_parts(kind, 1000))


def test_a_jpeg_of_too_many_exif_records_is_refused() -> None:
    whole = encoded(Image.new("L", (8, 8)), "JPEG")
    record = b"\xff\xe1\0\x0aExif\0\0II"
    assert open_picture(whole[:2] + record * 2 + whole[2:])[0].size == (8, 8)
    with pytest.raises(PictureError, match="more than 100 EXIF records"):
        open_picture(whole[:2] + record * 101 + whole[2:])


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_too_many_strips_is_refused_before_any_is_looked_at(big: bool) -> None:
    with pytest.raises(PictureError, match="more than 100,000 strips or tiles"):
        open_picture(bombs.strips(100_001, 1, side=16, big=big))


@pytest.mark.parametrize("kind, size, most", [(3, 2, 200_000), (5, 8, 1_000)])
def test_a_tiff_with_an_entry_of_too_many_numbers_is_refused(
    kind: int, size: int, most: int
) -> None:
    """Pillow would make an object of each: four seconds for four megabytes of fractions."""

    def resolution(count: int) -> bytes:
        whole = encoded(Image.new("L", (8, 8)), "TIFF")
        (page,) = struct.unpack_from("<I", whole, 4)
        (entries,) = struct.unpack_from("<H", whole, page)
        table = whole[page + 2 : page + 2 + 12 * entries]
        more = struct.pack("<HHII", 283, kind, count, len(whole))
        moved = struct.pack("<I", len(whole) + size * count)
        table = struct.pack("<H", entries + 1) + table + more + bytes(4)
        return whole[:4] + moved + whole[8:] + b"\1" * (size * count) + table

    assert open_picture(resolution(most // 10))[0].size == (8, 8)
    with pytest.raises(PictureError, match=rf"tag 283\) of {most + 1:,} numbers"):
        open_picture(resolution(most + 1))


def test_a_ppm_in_text_is_bounded_in_size_and_comments() -> None:
    """Pillow searches it anew for each comment: eight megabytes of them take minutes."""
    head, grey = b"P2\n2 2\n255\n", b"# made by hand\n1 2 3 4\n"
    assert open_picture(head + grey)[0].size == (2, 2)
    for content in (head + b"#\n" * 101 + grey, head + grey.ljust(2**23, b" ")):
        with pytest.raises(PictureError, match="written as text, with more than 8 MiB or 100"):
            open_picture(content)


def test_strips_that_cover_the_picture_many_times_are_refused() -> None:
    assert open_picture(bombs.strips(2, 8, side=16))[0].size == (16, 16)
    with pytest.raises(PictureError, match="more than once"):
        open_picture(bombs.strips(1000, 15, side=16))


@pytest.mark.parametrize(
    "mode, kind, limit",
    [("RGB", "PNG", 4), ("L", "PNG", 5), ("RGBA", "PNG", 4), ("I;16", "PNG", 6), ("F", "TIFF", 8)],
)
def test_memory_is_bounded_by_what_a_pixel_takes_in_its_mode(
    mode: str, kind: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(Image.new(mode, (100, 50)), kind)
    monkeypatch.setattr(opening, "MAX_MEMORY", limit * 5000)
    assert open_picture(content)[0].size == (100, 50)
    monkeypatch.setattr(opening, "MAX_MEMORY", limit * 5000 - 1)
    with pytest.raises(PictureError, match="pixels takes about 0 MB to decode"):
        open_picture(content)


def test_a_jpeg_that_would_take_too_much_is_read_at_a_fraction_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = blocks(4, 8, 3)
    monkeypatch.setattr(opening, "MAX_MEMORY", 128 * 64 * 4)
    for options, size, share in (
        ({}, (128, 64), ""),
        ({"exif": exif}, (32, 64), "half"),  # two copies while it is turned
        ({"progressive": True, "subsampling": 0}, None, ""),  # keeps 6 bytes a pixel to its end
        ({"progressive": True, "subsampling": 2}, (64, 32), "half"),
    ):
        content = encoded(picture, "JPEG", **options)
        if size is None:
            with pytest.raises(PictureError, match="MB to decode"):
                open_picture(content)
            continue
        found, notes = open_picture(content)
        assert found.size == size
        assert [f"128 × 64 pixels is read at {share} its size" in note for note in notes] == (
            [True] if share else []
        )


def test_a_picture_in_an_icon_is_bounded_before_it_is_decoded() -> None:
    assert open_picture(bombs.ico(bombs.png(50, 50)))[0].size == (50, 50)
    assert open_picture(encoded(Image.new("RGB", (32, 32)), "ICO"))[0].size == (32, 32)
    for large in (bombs.png(1025, 8), struct.pack("<Iii", 40, 8, 2 * 1025)):
        with pytest.raises(PictureError, match="more than 1,024 pixels along a side"):
            open_picture(bombs.ico(large))


def test_a_path_is_read_up_to_a_limit_and_only_if_it_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureError, match="pipe is not a file that holds a picture"):
        open_picture(tmp_path / "pipe")
    with pytest.raises(PictureError, match="cannot be read: Is a directory"):
        open_picture(tmp_path)
    with pytest.raises(PictureError, match="cannot be read"):
        open_picture("a\0b.png")
    with pytest.raises(PictureError, match="bytes, not int"):
        open_picture(5)  # type: ignore[arg-type]
    monkeypatch.setattr(opening, "MAX_FILE", 2**20)
    (tmp_path / "large.png").write_bytes(bytes(2**20 + 1))
    for source in (tmp_path / "large.png", bytes(2**20 + 1)):
        with pytest.raises(PictureError, match="more than 1 MiB"):
            open_picture(source)
