"""A picture that somebody attaches becomes one of ours: drawn anew from its points alone, upright, and no larger than a screen
needs. Where and when it was taken, by which camera, and whatever else lies in the file is gone with the file."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps

from dongne.model.errors import BadInput, TooLarge

MOST_BYTES = 12 << 20
MOST_POINTS = 50_000_000  # a telephone's camera has these; more is refused before it is unpacked
LONGEST_SIDE_PX = 2048
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept."""

    body: bytes
    media_type: str
    width_px: int
    height_px: int


def clean_picture(body: bytes) -> Picture:
    """The picture drawn anew. Raises TooLarge for more bytes or points than are taken, BadInput for what is no picture, or is
    damaged. Of one that moves, the first image stays."""
    if len(body) > MOST_BYTES:
        raise TooLarge(f"the picture has {len(body) >> 20} MiB; at most {MOST_BYTES >> 20} are taken", reason="picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _draw_anew(body)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"the picture unpacks to more than is taken: {error}", reason="picture") from error
    except (OSError, SyntaxError, ValueError, KeyError, EOFError) as error:  # what Pillow raises at a damaged file
        raise BadInput(
            f"this is no picture that can be read (JPEG, PNG, WebP): {str(error)[:100]}", reason="picture"
        ) from error


def _draw_anew(body: bytes) -> Picture:
    with Image.open(io.BytesIO(body), formats=tuple(MEDIA_TYPES)) as opened:
        kind = str(opened.format)
        width, height = opened.size
        if width * height > MOST_POINTS:
            raise TooLarge(
                f"the picture has {width} x {height} points; at most {MOST_POINTS:,} are taken", reason="picture"
            )
        upright = ImageOps.exif_transpose(opened)
        has_holes = "A" in upright.getbands() or "transparency" in upright.info
        points = upright.convert("RGBA" if has_holes and kind != "JPEG" else "RGB")
    points.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    drawn = Image.new(points.mode, points.size)  # it has the points and nothing else
    drawn.paste(points)
    out = io.BytesIO()
    drawn.save(out, kind, **({} if kind == "PNG" else {"quality": 88}))
    return Picture(out.getvalue(), MEDIA_TYPES[kind], *drawn.size)
