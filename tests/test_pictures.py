"""Pictures in, classes out: the whole way against Pillow and ONNX Runtime's Python API."""

import base64
import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
import requests
from PIL import Image

import support
from support import EXAMPLES, MODELS, ROOT

THREE = (ROOT / "tests/images/three.png").read_bytes()
LABELS = ["red", "green", "blue", "grey"]
CONFIG = "labels: [red, green, blue, grey]\nimage: {fit: crop, top_k: 4, scaled_decoding: false}\n"


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photograph():
    """A meadow under a sky, with noise: mostly green."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:480, 0:640]
    pixels = np.where(
        (y < 130)[..., None],
        np.stack([90 + y / 4, 130 + y / 3, 200 - y / 8], axis=-1),
        np.stack([60 + 20 * np.sin(x / 40), 130 + 30 * np.sin(x / 90 + y / 30), 40 + x / 60], axis=-1),
    )
    noisy = pixels + random.normal(0, 8, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def reference(file, model="colors"):
    """Of Pillow and ONNX Runtime: the middle of the picture at 8 by 8, and softmax of the logits."""
    image = Image.open(io.BytesIO(file)).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((8 * width // short, 8 * height // short), Image.Resampling.BILINEAR)
    left, top = round((image.width - 8) / 2), round((image.height - 8) / 2)
    pixels = np.asarray(image.crop((left, top, left + 8, top + 8)), dtype=np.float32) / 255
    session = onnxruntime.InferenceSession(MODELS / model / "1" / "model.onnx")
    logits = session.run(None, {"picture": pixels.transpose(2, 0, 1)[None]})[0][0]
    e = np.exp(logits - logits.max())
    return e / e.sum()


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    support.copy_model(MODELS / "colors", folder, config=CONFIG)
    with support.Server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def digits():
    with support.Server(EXAMPLES / "digits") as server:
        yield server


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {"quality": 85}), ("PNG", {}), ("WEBP", {"quality": 80}), ("WEBP", {"lossless": True})],
)
def test_a_photograph_gets_the_classes_of_pillow_and_onnx_runtime(colors, form, options):
    file = encoded(photograph(), form, **options)
    answer = requests.post(
        f"{colors.url}/predict/colors", data=file, headers={"Content-Type": f"image/{form.lower()}"}
    ).json()
    wanted = reference(file)
    assert [p["label"] for p in answer["predictions"]] == [LABELS[i] for i in np.argsort(-wanted)]
    assert answer["predictions"][0]["label"] == "green"
    for p in answer["predictions"]:
        assert p["confidence"] == pytest.approx(wanted[p["class_id"]], abs=1e-6)


def test_a_digit_drawn_by_hand_is_read_in_all_the_ways_it_can_be_sent(digits):
    url = f"{digits.url}/predict/digits"
    text = base64.b64encode(THREE).decode()
    answers = [
        requests.post(url, data=THREE, headers={"Content-Type": "image/png"}),
        requests.post(url, files={"image": ("three.png", THREE, "image/png")}),
        requests.post(url, json={"image": text}),
        requests.post(url, json={"image": f"data:image/png;base64,{text}"}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        best = answer.json()["predictions"][0]
        assert best["label"] == "3"
        assert best["confidence"] > 0.9


def test_light_on_dark_is_the_same_digit(digits):
    inverted = Image.eval(Image.open(io.BytesIO(THREE)).convert("L"), lambda p: 255 - p)
    both = [base64.b64encode(f).decode() for f in (THREE, encoded(inverted, "PNG"))]
    answer = requests.post(f"{digits.url}/predict/digits/batch", json={"images": both}).json()
    assert answer["results"][0] == answer["results"][1]


def test_many_pictures_at_once_get_their_own_answers(colors):
    def ask(i):
        color = [0, 0, 0]
        color[i % 3] = 100 + i
        file = encoded(Image.new("RGB", (40 + i, 30 + i), tuple(color)), "PNG")
        answer = requests.post(
            f"{colors.url}/predict/colors?top_k=1", data=file, headers={"Content-Type": "image/png"}
        )
        return answer.json()["predictions"][0]["class_id"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(90))) == [i % 3 for i in range(90)]


def test_one_bad_picture_fails_alone(colors):
    good = encoded(photograph().resize((64, 48)), "JPEG")
    texts = [base64.b64encode(f).decode() for f in (good, good[: len(good) // 2], b"GIF89a", good)]
    answer = requests.post(f"{colors.url}/predict/colors", json={"images": texts}).json()
    assert answer["success_count"] == 2
    assert answer["results"][0] == answer["results"][3]
    assert "ends before" in answer["results"][1]["error"]
    assert "expected a JPEG, PNG or WebP" in answer["results"][2]["error"]


@pytest.mark.parametrize("side", [0, 50_000])
def test_a_header_that_promises_too_much_or_nothing_is_refused(colors, side):
    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    png = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + header
    png += zlib.crc32(b"IHDR" + header).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"IDAT"
    answer = requests.post(
        f"{colors.url}/predict/colors", data=png, headers={"Content-Type": "image/png"}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] in {"IMAGE_SIZE", "IMAGE_DATA"}


def test_limits_on_pictures_are_settings(tmp_path):
    support.copy_model(MODELS / "colors", tmp_path, config=CONFIG)
    with support.Server(tmp_path, args=["--max-image-pixels", 1000]) as server:
        file = encoded(Image.new("RGB", (40, 30)), "PNG")
        answer = requests.post(
            f"{server.url}/predict/colors", data=file, headers={"Content-Type": "image/png"}
        )
    assert answer.status_code == 400
    assert answer.json()["code"] == "IMAGE_SIZE"
    assert "40 × 30" in answer.json()["error"]


def test_pictures_are_counted(colors):
    def counted():
        text = requests.get(f"{colors.url}/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("muster_pictures_")]
        return {line.split("{")[0]: float(line.split()[-1]) for line in lines}

    before = counted()
    requests.post(f"{colors.url}/predict/colors", json={"images": ["?", "?"]})
    after = counted()
    assert after["muster_pictures_total"] == before["muster_pictures_total"] + 2
    assert after["muster_pictures_refused_total"] == before["muster_pictures_refused_total"] + 2


def test_a_model_that_takes_no_pictures_says_so_when_it_is_loaded(tmp_path):
    support.copy_model(MODELS / "two_inputs", tmp_path, config="image: {}\n")
    support.copy_model(MODELS / "doubling", tmp_path)
    with support.Server(tmp_path) as server:
        models = requests.get(f"{server.url}/models/two_inputs").json()
    assert models["state"] == "FAILED"
    assert "pictures are for models with one" in models["reason"]
