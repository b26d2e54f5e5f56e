#!/usr/bin/env python3
"""What Pillow and numpy take to make a decoded picture a row of a model of 224 × 224 pixels.

    python peer_pillow.py FILE.jpg [--seconds S]

Prints one JSON object of medians: resize_ms (Image.resize alone), resize_normalise_ms (and numpy to
FP32 [3, 224, 224] with the means and deviations of ImageNet). One thread; the picture is loaded.
"""

import argparse
import json
import statistics
import time

import numpy as np
import PIL
from PIL import Image

SIDE = 224
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
# (x / 255 − mean) / std as one product and one sum, which is as fast as numpy does it.
FACTOR = (1 / (255 * STD)).astype(np.float32)
OFFSET = (-MEAN / STD).astype(np.float32)


def resize(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def normalise(image: Image.Image) -> np.ndarray:
    row = np.asarray(image).astype(np.float32)
    row *= FACTOR
    row += OFFSET
    return np.ascontiguousarray(row.transpose(2, 0, 1))


def timed(work) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    image = Image.open(arguments.file).convert("RGB")
    row = normalise(resize(image))
    assert row.shape == (3, SIDE, SIDE) and row.dtype == np.float32 and np.isfinite(row).all()
    plain = (np.asarray(resize(image)) / 255.0 - MEAN) / STD
    assert np.allclose(row, plain.transpose(2, 0, 1), atol=1e-5), "normalised otherwise"
    alone, whole = [], []
    end = time.perf_counter() + arguments.seconds
    while len(whole) < 5 or time.perf_counter() < end:
        alone.append(timed(lambda: resize(image)))
        whole.append(timed(lambda: normalise(resize(image))))
    print(json.dumps({
        "pillow": PIL.__version__, "numpy": np.__version__, "width": image.width, "height": image.height,
        "rounds": len(whole), "resize_ms": round(statistics.median(alone), 4),
        "resize_normalise_ms": round(statistics.median(whole), 4),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
