"""Models that transformers and open_clip saved, under audit: numbers by a few of their lines."""

import io
import json

import numpy as np
import pytest
from helpers import peer_folders
from PIL import Image

from configs import audit as audit_file
from m4jax.audit import stages
from m4jax.audit.config import audit_config
from m4jax.audit.job import Job

GENDER = {"woman": ["a woman"], "man": ["a man"]}
CLASSES = {"nurse": "a nurse", "doctor": "a doctor", "teacher": "a teacher"}
CAPTIONS = ("a man with a hat", "a woman at a desk", "a mountain by the sea")
NUMBER = 48


def of_transformers(kind):
    def embed(folder, images, texts):
        library, torch = peer_folders.transformers(), peer_folders.peers.torch()
        model = getattr(library, f"{kind}Model").from_pretrained(folder).eval()
        pixels = peer_folders.processor(kind).from_pretrained(folder)(images, return_tensors="pt")
        words = library.AutoTokenizer.from_pretrained(folder)(
            texts, padding="max_length", truncation=True, return_tensors="pt",
            max_length=model.config.text_config.max_position_embeddings,
        )  # fmt: skip
        with torch.no_grad():
            out = model(input_ids=words["input_ids"], pixel_values=pixels["pixel_values"])
            scale = float(model.logit_scale.exp())
        return out.image_embeds.numpy(), out.text_embeds.numpy(), scale

    return embed


def of_open_clip(folder, images, texts):
    torch = peer_folders.peers.torch()
    peer_folders.peers.without_operators()
    library = pytest.importorskip("open_clip")
    model, steps = library.create_model_from_pretrained(f"local-dir:{folder}")
    with torch.no_grad():
        pictures = model.encode_image(torch.stack([steps(image) for image in images]), True)
        words = model.encode_text(library.get_tokenizer(f"local-dir:{folder}")(texts), True)
        scale = float(model.logit_scale.exp())
    return pictures.numpy(), words.numpy(), scale


FAMILIES = {
    "CLIP": (peer_folders.clip, of_transformers("CLIP")),
    "SigLIP": (peer_folders.siglip, of_transformers("Siglip")),
    "SigLIP 2": (lambda folder: peer_folders.siglip(folder, gemma=True), of_transformers("Siglip")),
    "open_clip": (peer_folders.open_clip, of_open_clip),
}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_audits_numbers_are_those_of_the_models_own_library(tmp_path, family):
    save, embed = FAMILIES[family]
    save(tmp_path / "model")
    photos, contents = tmp_path / "photos", peer_folders.pictures(NUMBER)
    photos.mkdir()
    for i, content in enumerate(contents):
        suffix = "png" if content[1:4] == b"PNG" else "jpg"
        (photos / f"{i:02d}.{suffix}").write_bytes(content)
        (photos / f"{i:02d}.txt").write_text(CAPTIONS[i % 3], encoding="utf-8")
    prompts = {"version": "plain", "templates": ["a photo of {}"], "sensitivity": [], "pairs": [],
               "attributes": {"gender": GENDER}, "classes": CLASSES, "sources": {}}  # fmt: skip
    (tmp_path / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")
    changes = {"data": str(photos), "model": str(tmp_path / "model"), "words": "",
               "prompts": str(tmp_path / "prompts.json"), "resamples": 100, "minimum": 5,
               "check_language": False}  # fmt: skip
    config = audit_config(audit_file.get_config().to_dict() | changes)
    job = Job(config, tmp_path / "audit", None, "a command", lambda *_: None)
    for work in stages.STAGES.values():
        work(job, lambda *_: None)

    images = [Image.open(io.BytesIO(content)).convert("RGB") for content in contents]
    phrases = [*(x[0] for x in GENDER.values()), *CLASSES.values()]
    pictures, texts, scale = embed(
        tmp_path / "model", images, [f"a photo of {phrase}" for phrase in phrases]
    )
    cosines = unit(pictures) @ unit(texts).T
    kind = np.arange(NUMBER) % 3  # 0 man, 1 woman, 2 nobody
    women = cosines[:, 0] > cosines[:, 1]
    expected = {
        ("representation_bias", "woman", ""): women[kind == 2].mean() - 0.5,
        ("accuracy", "man", ""): 1 - women[kind == 0].mean(),
        ("accuracy", "woman", ""): women[kind == 1].mean(),
    }
    likely = np.exp(scale * cosines[:, 2:])
    likely /= likely.sum(axis=1, keepdims=True)
    gap = likely[kind == 1].mean(axis=0) - likely[kind == 0].mean(axis=0)
    expected |= {("association_bias", "woman − man", x): gap[i] for i, x in enumerate(CLASSES)}
    found = {(x.metric, x.group, x.label): x.value for x in job.measures if not x.wording}
    flipped = {"woman": ("man", -1), "woman − man": ("man − woman", -1)}
    for (metric, group, label), value in expected.items():
        if (metric, group, label) not in found:  # the difference is told the other way round
            group, sign = flipped[group]
            value = sign * value
        assert found[metric, group, label] == pytest.approx(value, abs=1e-5), (metric, label)
