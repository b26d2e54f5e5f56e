#!/usr/bin/env python3
"""Writes the seeds of the fuzzers, tests/fuzz/corpus/NAME/: small files of every kind that is read.

    pip install pillow==11.3.0
    tests/fuzz/make_corpus.py

They are committed; what a fuzzer finds itself is kept below build/.
"""

import base64
import io
import struct
import zlib
from pathlib import Path

from PIL import Image

CORPUS = Path(__file__).resolve().parent / "corpus"
MOST_BYTES = 1536


def picture(mode: str, width: int, height: int) -> Image.Image:
    """Ramps and a block: something for transforms and predictors to do."""
    image = Image.new("RGBA", (width, height))
    for y in range(height):
        for x in range(width):
            block = 255 if x * 3 > width and y * 3 > height else 0
            image.putpixel((x, y), (x * 255 // width, y * 255 // height, block, 255 - x * y % 256))
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiff(order: str, *entries: tuple[int, int, int, int]) -> bytes:
    """A block of EXIF with these (tag, type, count, value), and no second directory."""
    mark = {"<": b"II", ">": b"MM"}[order]
    out = mark + struct.pack(order + "HIH", 42, 8, len(entries))
    for tag, kind, count, value in entries:
        out += struct.pack(order + "HHI", tag, kind, count)
        out += struct.pack(order + ("HH" if kind == 3 else "I"), *((value, 0) if kind == 3 else (value,)))
    return out + struct.pack(order + "I", 0)


def orientation(value: int, order: str = "<") -> bytes:
    return tiff(order, (0x0112, 3, 1, value))


# JPEG


def jpegs() -> dict[str, bytes]:
    rgb = picture("RGB", 24, 17)
    return {
        "grey": saved(picture("L", 13, 9), "JPEG", quality=40),
        "420": saved(rgb, "JPEG", quality=40, subsampling="4:2:0", optimize=True),
        "422_restarts": saved(rgb, "JPEG", quality=40, subsampling="4:2:2", restart_marker_blocks=2),
        "progressive": saved(rgb, "JPEG", quality=40, subsampling="4:4:4", progressive=True),
        "progressive_grey": saved(picture("L", 33, 9), "JPEG", quality=40, progressive=True),
        "cmyk": saved(picture("RGB", 9, 9).convert("CMYK"), "JPEG", quality=30, optimize=True),
        "exif_3": with_exif(saved(rgb, "JPEG", quality=40, optimize=True), orientation(3)),
        "exif_6": with_exif(saved(rgb, "JPEG", quality=40, optimize=True), orientation(6, ">")),
        "exif_8_grey": with_exif(saved(picture("L", 13, 9), "JPEG", quality=40), orientation(8)),
        # Large enough to be decoded smaller.
        "scaled": saved(Image.new("RGB", (400, 300), (200, 100, 50)), "JPEG", quality=10, optimize=True),
    }


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """As the first segment, where cameras write it."""
    content = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


# PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, color: int, interlaced: bool, before: bytes = b"") -> bytes:
    """What Pillow does not write: any depth and colour type, Adam7. Not compressed, so that a
    changed byte is a changed sample."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for left, top, right, down in steps if interlaced else [(0, 0, 1, 1)]:
        columns, rows = len(range(left, width, right)), len(range(top, height, down))
        if columns == 0:
            continue
        size = (columns * bits + 7) // 8
        for y in range(rows):
            # Each of the five filters in turn; whatever they make of it are samples too.
            raw += bytes([y % 5]) + bytes((7 * x + 31 * y) % 256 for x in range(size))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(raw, 0)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pngs() -> dict[str, bytes]:
    palette = chunk(b"PLTE", bytes(range(48)))
    text = chunk(b"tEXt", b"Title\0seed") + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"seed" * 9))
    return {
        "grey": png(9, 7, 8, 0, False),
        "grey_1_interlaced": png(11, 9, 1, 0, True),
        "grey_16_transparent": png(5, 4, 16, 0, False, chunk(b"tRNS", b"\x07\x0e")),
        "grey_alpha_interlaced": png(9, 6, 8, 4, True),
        "rgb_interlaced": png(10, 9, 8, 2, True),
        "rgb_16_transparent": png(4, 5, 16, 2, False, chunk(b"tRNS", bytes(6))),
        "rgba_16": png(5, 5, 16, 6, False),
        "palette_4": png(9, 5, 4, 3, False, palette + chunk(b"tRNS", b"\x00\x80\xff")),
        "exif_and_text": png(7, 4, 8, 2, False, chunk(b"eXIf", orientation(5)) + text),
        "compressed": saved(picture("RGBA", 24, 17), "PNG"),
    }


# WebP


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(c)) + c + b"\0" * (len(c) % 2) for k, c in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended(width: int, height: int, flags: int) -> tuple[bytes, bytes]:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"VP8X", struct.pack("<I", flags) + size


def lossless(width: int, height: int) -> tuple[bytes, bytes]:
    file = saved(picture("RGB", width, height), "WEBP", lossless=True)
    assert file[12:16] == b"VP8L"
    return b"VP8L", file[20 : 20 + struct.unpack("<I", file[16:20])[0]]


def frame(x: int, y: int, width: int, height: int) -> tuple[bytes, bytes]:
    kind, content = lossless(width, height)
    number = lambda value: struct.pack("<I", value)[:3]  # noqa: E731
    head = number(x // 2) + number(y // 2) + number(width - 1) + number(height - 1) + number(40) + b"\0"
    return b"ANMF", head + kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webps() -> dict[str, bytes]:
    exif, animated = 0x08, 0x02
    animation = (b"ANIM", struct.pack("<IH", 0xFF204080, 0))
    return {
        "lossy": saved(picture("RGB", 24, 17), "WEBP", quality=30),
        "lossy_alpha": saved(picture("RGBA", 24, 17), "WEBP", quality=30),
        "lossless": riff(lossless(24, 17)),
        "lossless_alpha": saved(picture("RGBA", 13, 9), "WEBP", lossless=True),
        "exif": riff(extended(8, 5, exif), lossless(8, 5), (b"EXIF", orientation(7))),
        "exif_as_in_jpeg": riff(extended(8, 5, exif), lossless(8, 5), (b"EXIF", b"Exif\0\0" + orientation(2, ">"))),
        "exif_short": riff(extended(8, 5, exif), lossless(8, 5), (b"EXIF", b"II*\0")),
        "animated": riff(extended(12, 10, animated), animation, frame(0, 0, 12, 10), frame(2, 2, 4, 4)),
        "animated_part": riff(extended(12, 10, animated), animation, frame(4, 2, 8, 8)),
    }


# The rest


def texts() -> dict[str, bytes]:
    return {
        "one": base64.b64encode(b"\xff"),
        "two": base64.b64encode(b"\x00\xfe"),
        "all_digits": base64.b64encode(bytes(range(0, 256, 3))),
        "data_url": b"data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n"),
        "urls_alphabet": base64.urlsafe_b64encode(b"\xfb\xff\xfe"),
        "not_whole": b"AAAAA",
    }


def blocks() -> dict[str, bytes]:
    return {
        "little_6": orientation(6),
        "big_3": orientation(3, ">"),
        "second_entry": tiff("<", (0x010F, 4, 1, 7), (0x0112, 3, 1, 8)),
        "as_long": tiff(">", (0x0112, 4, 1, 6)),
        "cut": orientation(6)[:15],
        "far_directory": b"MM\0*\xff\xff\xff\xf0",
    }


def main():
    seeds = {"image_jpeg": jpegs(), "image_png": pngs(), "image_webp": webps(), "base64": texts(), "exif": blocks()}
    for name, files in seeds.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for file, content in files.items():
            if len(content) > MOST_BYTES:
                raise SystemExit(f"{name}/{file} has {len(content)} bytes, more than {MOST_BYTES}")
            (folder / file).write_bytes(content)
        print(f"{name}: {len(files)} files, {sum(map(len, files.values()))} bytes")


if __name__ == "__main__":
    main()
