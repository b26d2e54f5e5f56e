#!/usr/bin/env python3
"""Writes golden/: small pictures, and what Pillow makes of them.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make_golden.py

golden.json lists the cases; `expected` is a file of UINT8 [height, width, channels]. The C++ tests
of src/muster/features/image hold muster's own decoding and scaling to them. The files are kept in
the repository, so that those tests need no Python; this is run again only to add a case.
"""

import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

GOLDEN = pathlib.Path(__file__).parent / "golden"
FILTERS = {
    "triangle": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ORIENTATION = 0x0112

cases = []


# ---- pictures


def photo(width, height, seed, noise=6.0):
    """Like a photograph: slow gradients, sharp and soft edges, texture and grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    x = (x + 0.5) / width
    y = (y + 0.5) / height
    sky = np.stack([90 + 120 * y, 140 + 60 * y, 235 - 60 * y], axis=-1)
    land = np.stack([60 + 90 * x, 110 - 40 * y + 0 * x, 40 + 30 * x], axis=-1)
    hills = 0.55 + 0.12 * np.sin(6.0 * x + 0.7) + 0.05 * np.sin(17.0 * x)
    picture = np.where((y > hills)[..., None], land, sky)
    picture += (10 * np.sin(70 * x) * np.sin(55 * y) * (y > hills))[..., None]
    sun = np.clip((0.16 - np.hypot(x - 0.72, y - 0.28)) * 25, 0, 1)[..., None]
    picture = picture * (1 - sun) + np.array([255, 240, 190]) * sun
    post = ((np.abs(x - 0.25) < 0.05) & (y > 0.3))[..., None]
    picture = np.where(post, np.array([235, 30, 25]), picture)
    picture += random.normal(0, noise, (height, width, 1))
    picture += random.normal(0, noise / 3, picture.shape)
    return Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def with_alpha(picture):
    """Opaque in the middle, soft at the edge, and nothing in the corners."""
    y, x = np.mgrid[0 : picture.height, 0 : picture.width]
    away = np.hypot((x + 0.5) / picture.width - 0.5, (y + 0.5) / picture.height - 0.5)
    alpha = np.clip((0.6 - away) * 3, 0, 1) * 255
    picture = picture.copy()
    picture.putalpha(Image.fromarray(np.rint(alpha).astype(np.uint8)))
    return picture


def exif(orientation):
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def chunk(name, body):
    """Of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(width, height, depth, color, passes, interlaced, before=b""):
    """For what Pillow does not write. `passes`: arrays of rows, of any widths."""
    rows = b"".join(b"\0" + row.tobytes() for rows in passes for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def interlaced_png(picture):
    """Adam7 (PNG specification, 8.2)."""
    pixels = np.asarray(picture)
    starts = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2)]
    passes = [pixels[y::down, x::right] for x, y, right, down in starts]
    return png(picture.width, picture.height, 8, 2, [p for p in passes if p.size], True)


def long_text():
    """A comment that takes 8 KB in the file and nearly 8 MiB in memory."""
    return chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * (2**23 - 4096), 9))


def sixteen_bits(picture, alpha=False):
    low = np.random.default_rng(16).integers(0, 256, np.asarray(picture).shape, dtype=np.uint16)
    pixels = (np.asarray(picture).astype(np.uint16) << 8 | low).astype(">u2")
    return png(picture.width, picture.height, 16, 6 if alpha else 2, [pixels], False)


def partial_animation(picture, canvas, at):
    """A WebP whose only frame covers a part of the canvas."""
    still = io.BytesIO()
    picture.save(still, "WEBP", lossless=True)
    bitstream = still.getvalue()[12:]  # its chunks

    def u24(number):
        return struct.pack("<I", number)[:3]

    def riff(name, body):
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    frame = (u24(at[0] // 2) + u24(at[1] // 2) + u24(picture.width - 1) + u24(picture.height - 1)
             + u24(100) + b"\0" + bitstream)
    has_alpha, animated = 0x10, 0x02
    body = (b"WEBP"
            + riff(b"VP8X", bytes([has_alpha | animated, 0, 0, 0]) + u24(canvas[0] - 1)
                   + u24(canvas[1] - 1))
            + riff(b"ANIM", struct.pack("<IH", 0xFF00FF00, 0)) + riff(b"ANMF", frame))
    return b"RIFF" + struct.pack("<I", len(body)) + body


# ---- cases


def write(name, data):
    (GOLDEN / name).write_bytes(data)
    return name


def save(name, picture, **options):
    """`picture` encoded as the name's ending says."""
    encoded = io.BytesIO()
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.rsplit(".")[-1]]
    if kind == "JPEG":
        options = {"quality": 80, "optimize": True} | options
    picture.save(encoded, kind, **options)
    return write(name, encoded.getvalue())


def decoded(file):
    """As Pillow opens it, upright: grey, RGB, or RGBA where anything can be transparent."""
    picture = ImageOps.exif_transpose(Image.open(GOLDEN / file))
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def add(name, what, file, expected, **options):
    samples = np.asarray(expected)
    if samples.ndim == 2:
        samples = samples[..., None]
    assert samples.dtype == np.uint8
    cases.append({
        "name": name,
        "what": what,
        "file": file,
        "options": options,
        "width": samples.shape[1],
        "height": samples.shape[0],
        "channels": samples.shape[2],
        "expected": write(name + ".bin", samples.tobytes()),
    })


def add_decode(file):
    add("decode_" + file.replace(".", "_"), "decode", file, decoded(file))


def stretched(picture, size, how):
    return picture.resize((size[1], size[0]), FILTERS[how])


def cropped(picture, short, size, how):
    """torchvision's Resize(short) and CenterCrop(size)."""
    width, height = picture.size
    if width <= height:
        scaled = (short, int(short * height / width))
    else:
        scaled = (int(short * width / height), short)
    picture = picture.resize(scaled, FILTERS[how])
    top = int(round((scaled[1] - size[0]) / 2.0))
    left = int(round((scaled[0] - size[1]) / 2.0))
    return picture.crop((left, top, left + size[1], top + size[0]))


def padded(picture, size, how, around=(0, 0, 0)):
    """All of it, in the middle; sides rounded half up, an odd pixel at the right and bottom."""
    ratio = min(size[1] / picture.width, size[0] / picture.height)
    width = min(max(int(picture.width * ratio + 0.5), 1), size[1])
    height = min(max(int(picture.height * ratio + 0.5), 1), size[0])
    whole = Image.new("RGB", (size[1], size[0]), around)
    whole.paste(picture.resize((width, height), FILTERS[how]),
                ((size[1] - width) // 2, (size[0] - height) // 2))
    return whole


def composed(file, background):
    picture = decoded(file)
    behind = Image.new("RGBA", picture.size, (*background, 255))
    return Image.alpha_composite(behind, picture).convert("RGB")


def add_resize(name, file, expected, fit, size, how, **options):
    add(name, "resize", file, expected, fit=fit, size=list(size), filter=how, **options)


def make_decode():
    even = photo(32, 24, 1)
    odd = photo(61, 47, 2)
    files = [
        save("rgb420.jpg", even, subsampling="4:2:0"),
        save("rgb422.jpg", even, subsampling="4:2:2"),
        save("rgb444.jpg", even, subsampling="4:4:4"),
        save("odd420.jpg", odd, subsampling="4:2:0"),
        save("odd422.jpg", odd, subsampling="4:2:2"),
        save("progressive.jpg", odd, progressive=True),
        save("restarts.jpg", even, restart_marker_blocks=1),
        save("uncoded.jpg", even, keep_rgb=True),
        save("grey.jpg", odd.convert("L")),
        save("grey_progressive.jpg", even.convert("L"), progressive=True),
        save("one.jpg", photo(1, 1, 3)),
        save("narrow.jpg", photo(7, 300, 4)),
        save("wide.jpg", photo(300, 7, 5)),
        save("rgb.png", odd),
        save("rgba.png", with_alpha(even)),
        save("grey.png", even.convert("L")),
        save("grey_alpha.png", with_alpha(even.convert("L"))),
        save("palette.png", even.quantize(16)),
        save("palette2.png", even.quantize(2)),
        save("palette256.png", odd.quantize(256)),
        save("palette_transparent.png", even.quantize(16), transparency=3),
        save("palette_alphas.png", even.quantize(8), transparency=bytes([255, 0, 128, 7])),
        save("key_grey.png", even.convert("L"), transparency=even.convert("L").getpixel((9, 4))),
        save("key_rgb.png", even, transparency=even.getpixel((9, 4))),
        save("one_bit.png", odd.convert("1")),
        save("one.png", photo(1, 1, 3)),
        write("interlaced.png", interlaced_png(odd)),
        write("interlaced_tiny.png", interlaced_png(photo(3, 2, 6))),
        write("rgb16.png", sixteen_bits(even)),
        write("rgba16.png", sixteen_bits(with_alpha(even), alpha=True)),
        save("oriented6.png", even, exif=exif(6)),
        save("lossy.webp", odd, quality=75),
        save("lossy_even.webp", even, quality=40),
        save("lossless.webp", odd, lossless=True),
        save("lossy_alpha.webp", with_alpha(even), quality=75),
        save("lossless_alpha.webp", with_alpha(even), lossless=True, exact=True),
        save("one.webp", photo(1, 1, 3)),
        save("oriented6.webp", even, lossless=True, exif=exif(6)),
        save("animated.webp", even, save_all=True, lossless=True, duration=100,
             append_images=[photo(32, 24, 7), photo(32, 24, 8)]),
        write("animated_part.webp",
              partial_animation(with_alpha(photo(16, 12, 9)), canvas=(32, 24), at=(8, 6))),
    ]
    ink = [Image.fromarray(np.asarray(band)) for band in even.split()]
    black = Image.fromarray((np.asarray(even.convert("L")) // 2).astype(np.uint8))
    files.append(save("cmyk.jpg", Image.merge("CMYK", [*ink, black]), subsampling="4:4:4"))
    small = photo(21, 14, 10)
    for orientation in range(1, 9):
        name = f"oriented{orientation}.jpg"
        files.append(save(name, small, exif=exif(orientation), subsampling="4:4:4"))
    files.append(save("oriented6_grey.jpg", small.convert("L"), exif=exif(6)))
    for file in files:
        add_decode(file)


def make_resize():
    tall = photo(47, 61, 11)
    save("tall.png", tall)
    save("small.png", photo(7, 5, 12))
    save("small_grey.png", photo(5, 7, 13).convert("L"))
    save("ruled.png", photo(40, 20, 14))
    for how in FILTERS:
        for height, width in [(16, 16), (17, 24)]:
            add_resize(f"stretch_{how}_{width}x{height}", "rgb.png",
                       stretched(decoded("rgb.png"), (height, width), how), "stretch",
                       (height, width), how)
        add_resize(f"stretch_{how}_grey", "one_bit.png",
                   stretched(decoded("one_bit.png"), (19, 16), how), "stretch", (19, 16), how)
        add_resize(f"enlarge_{how}", "small.png", stretched(decoded("small.png"), (16, 16), how),
                   "stretch", (16, 16), how)
        add_resize(f"enlarge_{how}_grey", "small_grey.png",
                   stretched(decoded("small_grey.png"), (16, 16), how), "stretch", (16, 16), how)
        for file in ["rgb.png", "tall.png"]:
            kind = file.split(".")[0]
            add_resize(f"crop_{how}_{kind}", file, cropped(decoded(file), 20, (16, 16), how),
                       "crop", (16, 16), how, resize=20)
            add_resize(f"pad_{how}_{kind}", file, padded(decoded(file), (16, 16), how), "pad",
                       (16, 16), how)
    triangle = "triangle"
    picture = decoded("rgb.png")
    # One side as it is, both as they are, and one pixel.
    add_resize("across_only", "rgb.png", stretched(picture, (47, 20), triangle), "stretch",
               (47, 20), triangle)
    add_resize("down_only", "rgb.png", stretched(picture, (20, 61), triangle), "stretch", (20, 61),
               triangle)
    add_resize("as_it_is", "ruled.png", decoded("ruled.png"), "stretch", (20, 40), triangle)
    add_resize("to_one_pixel", "rgb.png", stretched(picture, (1, 1), triangle), "stretch", (1, 1),
               triangle)
    add_resize("from_one_pixel", "one.png", stretched(decoded("one.png"), (5, 6), "lanczos"),
               "stretch", (5, 6), "lanczos")
    # Room of 0, 1, 3 and 5 rows, of which half is rounded to 0, 0, 2 and 2.
    for short in [16, 17, 19, 21]:
        add_resize(f"crop_room_{short}", "rgb.png", cropped(picture, short, (16, 16), triangle),
                   "crop", (16, 16), triangle, resize=short)
    add_resize("crop_of_the_model", "rgb.png", cropped(picture, 16, (16, 16), triangle), "crop",
               (16, 16), triangle)
    add_resize("crop_wide", "rgb.png", cropped(picture, 20, (16, 20), triangle), "crop", (16, 20),
               triangle, resize=20)
    add_resize("pad_wide", "tall.png", padded(decoded("tall.png"), (15, 32), triangle), "pad",
               (15, 32), triangle)
    add_resize("pad_coloured", "rgb.png", padded(picture, (16, 16), triangle, (10, 200, 90)), "pad",
               (16, 16), triangle, background=[10, 200, 90])
    add_resize("to_grey", "rgb.png", stretched(picture.convert("L"), (16, 16), triangle), "stretch",
               (16, 16), triangle, channels="grey")
    add_resize("oriented_crop", "oriented6.png",
               cropped(decoded("oriented6.png"), 20, (16, 16), triangle), "crop", (16, 16),
               triangle, resize=20)
    for file in ["rgba.png", "palette_alphas.png", "lossless_alpha.webp", "animated_part.webp"]:
        kind = file.replace(".", "_")
        for background in [(255, 255, 255), (10, 200, 90)]:
            name = f"compose_{kind}_on_{'_'.join(map(str, background))}"
            add_resize(name, file, stretched(composed(file, background), (16, 16), triangle),
                       "stretch", (16, 16), triangle, background=list(background))
        # Without one the colours under the transparency are taken as they are.
        add_resize(f"ignore_alpha_{kind}", file,
                   stretched(decoded(file).convert("RGB"), (16, 16), triangle), "stretch", (16, 16),
                   triangle)


def make_scaled():
    """Large enough to be decoded to a quarter; what is expected was decoded whole."""
    large = photo(640, 480, 15, noise=7.0)
    save("large.jpg", large, quality=60)
    save("large_oriented6.jpg", photo(320, 240, 16, noise=7.0), quality=60, exif=exif(6))
    for file in ["large.jpg", "large_oriented6.jpg"]:
        kind = file.split(".")[0]
        picture = decoded(file)
        add(f"scaled_stretch_{kind}", "scaled", file, stretched(picture, (48, 40), "triangle"),
            fit="stretch", size=[48, 40], filter="triangle")
        add(f"scaled_crop_{kind}", "scaled", file, cropped(picture, 36, (32, 32), "triangle"),
            fit="crop", size=[32, 32], filter="triangle", resize=36)
        add(f"scaled_pad_{kind}", "scaled", file, padded(picture, (48, 48), "triangle"),
            fit="pad", size=[48, 48], filter="triangle")


def make_refused():
    """What Pillow does not open."""
    pixel = np.full((1, 3), 200, np.uint8)
    write("text.png", png(1, 1, 8, 2, [pixel], False, before=long_text()))


def main():
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    make_decode()
    make_resize()
    make_scaled()
    make_refused()
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (GOLDEN / "golden.json").write_text("[\n" + lines + "\n]\n")
    sizes = {path.name: path.stat().st_size for path in GOLDEN.iterdir()}
    print(f"{len(cases)} cases, {len(sizes)} files, {sum(sizes.values())} bytes, largest:",
          sorted(sizes.items(), key=lambda item: -item[1])[:6])


if __name__ == "__main__":
    main()
