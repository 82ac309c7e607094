"""Pictures in any mode of Pillow as upright RGB or RGBA of 8 bits in sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms

from limoe_core.data.pictures.errors import PictureError

#: Larger colour profiles are left out, in bytes; those of printers have two million.
MAX_PROFILE = 4 * 2**20
#: Larger EXIF records are left out, in bytes; a JPEG's segment holds 65,533.
MAX_EXIF = 2**20

#: Pixels that are converted at once, so that a large picture is never copied more than once.
_AT_ONCE = 2**21

_ORIENTATION = 0x0112  # in EXIF; 1 is upright
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: What says how pixels are meant; the rest of `info` may tell of the orientation once more.
_KEPT = ("transparency", "icc_profile")
_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
#: Bits of cameras and instruments whose values are stored in 16 bits as they are.
_FEWER_BITS = (8, 10, 12)

_Conversion = Callable[[Image.Image], Image.Image]


def standard(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    """A picture turned upright, in sRGB by its colour profile, in 8 bits over the full range.

    The same opaque picture as RGB, RGBA or with a palette gives the same colours. A picture that
    is all this already comes back itself.

    Returns:
      an RGB picture, or RGBA if some of it may be transparent; and sentences that tell the user
      what was done where it is not a matter of course.

    Raises:
      PictureError: it has values that are no numbers, or its file is damaged.
    """
    try:
        picture.load()
        notes = _excess(picture)
        picture = _upright(picture)
        if not is_converted(picture):
            return picture, notes
        to_eight_bits, more = _wide_grey(picture) if is_wide(picture) else (None, [])
        return _converted(picture, to_eight_bits), notes + more
    except PictureError:
        raise
    except Exception as error:  # Decoders raise all sorts of errors.
        raise PictureError(
            f"The file is damaged or cut off, and the picture cannot be read: {error}."
        ) from error


def turn(picture: Image.Image) -> Image.Transpose | None:
    """How a picture must be turned to be upright; None if it is, by its EXIF record."""
    if len(picture.info.get("exif") or b"") > MAX_EXIF:
        return None
    return _TURNS.get(picture.getexif().get(_ORIENTATION, 1))


def is_wide(picture: Image.Image) -> bool:
    """Whether it is grey of 16 or 32 bits or floating point, which `convert` would clip."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;")


def is_converted(picture: Image.Image) -> bool:
    """Whether `standard` has anything to convert, apart from turning the picture."""
    told = "transparency" in picture.info or "icc_profile" in picture.info
    return told or picture.mode not in ("RGB", "RGBA")


def _excess(picture: Image.Image) -> list[str]:
    """Sentences about what lies beside the pixels and is too large to be read."""
    limits = (("icc_profile", MAX_PROFILE, "colour profile"), ("exif", MAX_EXIF, "EXIF record"))
    return [
        f"The {name} has more than {most // 2**20} MiB and is left out."
        for key, most, name in limits
        if len(picture.info.get(key) or b"") > most
    ]


def _upright(picture: Image.Image) -> Image.Image:
    # Not by ImageOps.exif_transpose, which copies every picture that is upright.
    method = turn(picture)
    if method is None:
        return picture
    turned = picture.transpose(method)
    turned.info = {key: value for key, value in turned.info.items() if key in _KEPT}
    return turned


def _converted(picture: Image.Image, to_eight_bits: _Conversion | None) -> Image.Image:
    """In RGB or RGBA, a band at a time."""
    clear = picture.mode in _WITH_ALPHA or ("transparency" in picture.info and not is_wide(picture))
    to_srgb = _to_srgb(picture)
    out = Image.new("RGBA" if clear else "RGB", picture.size)
    for top, bottom in _bands(picture):
        band = picture.crop((0, top, picture.width, bottom))
        if to_eight_bits is not None:
            band = to_eight_bits(band)
        if band.mode == "La":  # Pillow makes RGBA of LA alone.
            band = band.convert("LA")
        if not clear:
            out.paste(to_srgb(band), (0, top))
            continue
        alpha = band.convert("RGBA").getchannel("A")
        opaque = to_srgb(band.convert("L" if band.mode == "LA" else "RGBA"))
        opaque.putalpha(alpha)
        out.paste(opaque, (0, top))
    return out


def _bands(picture: Image.Image) -> Iterator[tuple[int, int]]:
    rows = max(1, _AT_ONCE // max(1, picture.width))
    for top in range(0, picture.height, rows):
        yield top, min(top + rows, picture.height)


def _to_srgb(picture: Image.Image) -> _Conversion:
    """RGB by the picture's colour profile if it is usable, else by the plain formula."""
    try:
        profile, mode = _profile(picture)
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return lambda band: band.convert("RGB")

    def by_profile(band: Image.Image) -> Image.Image:
        colours = band if band.mode == mode else band.convert(mode)
        found = ImageCms.applyTransform(colours, transform)
        assert found is not None  # It is not in place.
        return found

    return by_profile


def _profile(picture: Image.Image) -> tuple[ImageCms.ImageCmsProfile, str]:
    """The picture's colour profile and the mode of Pillow that it speaks of.

    Raises:
      ValueError: it has none, or one that is for pictures of another kind.
    """
    if picture.mode == "LAB":
        return ImageCms.createProfile("LAB"), "LAB"  # type: ignore[return-value]
    content = picture.info.get("icc_profile")
    if not content or len(content) > MAX_PROFILE:
        raise ValueError("no profile, or one that is too large")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    space = profile.profile.xcolor_space.strip()
    grey = picture.mode in ("1", "L", "LA", "La") or is_wide(picture)
    if space == "GRAY" and grey:
        return profile, "L"
    if space == "CMYK" and picture.mode == "CMYK":
        return profile, "CMYK"
    if space == "RGB" and picture.mode != "CMYK":
        return profile, "RGB"
    raise ValueError(f"a profile for {space} on a picture of mode {picture.mode}")


def _wide_grey(picture: Image.Image) -> tuple[_Conversion, list[str]]:
    """Wide grey to 8 bits, by the range that its values are in."""
    low, high = _extremes(picture)
    notes = []
    if picture.mode != "F" and low >= 0 and high <= 65535:
        # What a 16-bit file decodes to, whatever the mode.
        bits = next((bits for bits in _FEWER_BITS if 0 < high < 2**bits), 16)
        low, high = 0, 2**bits - 1
        if bits < 16:
            notes.append(
                f"No value of this 16-bit picture is above {high:,}, so it is read as one of {bits}"
                " bits."
            )
    elif picture.mode == "F" and low >= 0 and high <= 1:
        low, high = 0, 1
    else:
        notes.append(
            "There is no agreed scale for this picture's values: the lowest is read as black and "
            "the highest as white."
        )

    def to_eight_bits(band: Image.Image) -> Image.Image:
        values = np.asarray(band).astype(np.float32)
        # Halved first, since the span of the largest floating-point numbers would be infinite.
        scaled = (values / 2 - low / 2) / max(high / 2 - low / 2, 1e-12)
        return Image.fromarray(np.round(scaled * 255).clip(0, 255).astype(np.uint8))

    return to_eight_bits, notes


def _extremes(picture: Image.Image) -> tuple[float, float]:
    lows, highs = [], []
    for top, bottom in _bands(picture):
        values = np.asarray(picture.crop((0, top, picture.width, bottom)))
        if not np.isfinite(values).all():
            raise PictureError("The picture has values that are no numbers (NaN or infinite).")
        lows.append(float(values.min()))
        highs.append(float(values.max()))
    return min(lows), max(highs)
