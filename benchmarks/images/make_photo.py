#!/usr/bin/env python3
"""Writes a JPEG as a camera might: 1280 × 960, quality 85, 4:2:0, the same picture every time.

    pip install -r requirements.txt
    python make_photo.py [--out FILE]      by default build/benchmarks/images/photo.jpg

Photographs have spectra that fall with the frequency, edges and smooth parts: noise of 1/f, a sky,
and shapes in front of it. What counts is that entropy decoding and transforms have as much to do.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH, HEIGHT = 1280, 960


def noise(random: np.random.Generator, power: float) -> np.ndarray:
    """Of mean 0 and deviation 1, its amplitude falling with the frequency to the `power`."""
    across = np.fft.rfftfreq(WIDTH)[None, :]
    down = np.fft.fftfreq(HEIGHT)[:, None]
    frequency = np.hypot(across, down)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(random.standard_normal((HEIGHT, WIDTH))) / frequency**power
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(HEIGHT, WIDTH))
    return field / field.std()


def picture(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    height = np.linspace(0, 1, HEIGHT)[:, None]
    light = noise(random, 1.2) * 22
    image = np.empty((HEIGHT, WIDTH, 3))
    for channel, (top, bottom) in enumerate([(96, 150), (140, 128), (200, 92)]):
        # Channels of a photograph are mostly the same; colour changes slowly.
        image[..., channel] = top + (bottom - top) * height + light + noise(random, 1.6) * 9
    image = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    front, mask = image.copy(), Image.new("L", image.size, 0)
    draw, cut = ImageDraw.Draw(front), ImageDraw.Draw(mask)
    for _ in range(28):
        x, y = int(random.integers(0, WIDTH)), int(random.integers(HEIGHT // 4, HEIGHT))
        size, kind = int(random.integers(20, 180)), int(random.integers(0, 3))
        color = tuple(int(value) for value in random.integers(20, 236, 3))
        box = (x - size, y - size // 2, x + size, y + size // 2)
        corners = [(x - size, y + size), (x, y - size), (x + size, y + size)]
        for target, fill in ((draw, color), (cut, 190)):
            if kind == 0:
                target.ellipse(box, fill=fill)
            elif kind == 1:
                target.rectangle(box, fill=fill)
            else:
                target.polygon(corners, fill=fill)
    # The texture shows through, and edges are as soft as a lens makes them.
    return Image.composite(front, image, mask.filter(ImageFilter.GaussianBlur(0.8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/benchmarks/images/photo.jpg")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    picture(arguments.seed).save(arguments.out, "JPEG", quality=85, subsampling="4:2:0")
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
