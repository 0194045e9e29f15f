"""Pictures in folders, one a class, as inputs of one size."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bnnedge.data.class_folders import printed
from bnnedge.errors import DataError
from bnnedge.files import open_file
from bnnedge.reading import PicturesReading

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# No others: a PostScript file would be a program that runs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MOST_PIXELS = 1 << 26
_WHITE = (255, 255, 255, 255)


def read_picture(path: Path, config: PicturesReading) -> NDArray[np.uint8]:
    """A picture uint8 (channels, height, width).

    It is turned as its EXIF data say; what is transparent becomes white; 16-bit greys keep their
    upper 8 bits. See `PicturesReading` for size and colours.

    Raises:
        DataError: the file is missing, damaged, no picture, too large, or holds several.
    """
    name = printed(path)
    with open_file(path, raises=DataError) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a file says beside its pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(source, formats=_FORMATS) as image:
                _require_one(image, name)
                fitted = _fitted(image, config, name)
        except DataError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large(name, f"{error}".split(",")[0]) from error
        except UnidentifiedImageError as error:
            raise DataError(f"{name} is damaged or no picture ({', '.join(_FORMATS)})") from error
        except Exception as error:  # whatever a damaged file provokes
            raise DataError(f"{name} is damaged: {str(error)[:100] or 'of no form'}") from error
    pixels = np.asarray(fitted, np.uint8)
    return pixels[None] if config.grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _require_one(image: Image.Image, name: str) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise _too_large(name, f"{image.width} x {image.height}")
    count = getattr(image, "n_frames", 1)
    if count > 1 and image.format != "MPO":  # a camera's, with its preview behind
        raise DataError(f"{name}: wanted one picture, got {count}", remedy="keep one of them")
    if image.mode in ("I", "F"):
        raise DataError(
            f"{name}: wanted 8 bits a colour, or 16 of grey, got Pillow's mode {image.mode}",
            remedy="save it with 8 bits",
        )


def _too_large(name: str, got: str) -> DataError:
    return DataError(f"{name}: wanted at most {_MOST_PIXELS:,} pixels, got {got}")


def _fitted(image: Image.Image, config: PicturesReading, name: str) -> Image.Image:
    turned: Image.Image = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I;16"):
        turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    if turned.has_transparency_data:
        clear = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", clear.size, _WHITE), clear)
    plain = turned.convert("L" if config.grey else "RGB")
    height, width = config.size
    return ImageOps.fit(plain, (width, height), method=Image.Resampling.BILINEAR)
