"""Models that transformers saved are trained on here, and transformers goes on with the result."""

import dataclasses

import numpy as np
import pytest
from helpers import peers
from helpers.runs import CONFIG, tiny_data

from m4jax import models, training
from m4jax.run import model, start
from m4jax.run.config import RunConfig

CASES = {
    "CLIP": ("ViT-B/32", peers.SIZES, "softmax", "CLIPImageProcessor"),
    "SigLIP": ("SigLIP-B/16", peers.SIZES | peers.SIGLIP, "sigmoid", "SiglipImageProcessor"),
}


@pytest.fixture(params=CASES)
def saved(request, tmp_path):
    """A folder as transformers' own `save_pretrained` writes it, and the loss that goes with it."""
    peers.torch()
    peers.without_operators()
    transformers = pytest.importorskip("transformers")
    name, sizes, loss, processor = CASES[request.param]
    peers.transformers_model(models.create(name, **sizes).variant).save_pretrained(tmp_path / "hf")
    square = {"height": 32, "width": 32}
    sized = {"size": square} if loss == "sigmoid" else {"size": {"shortest_edge": 32}}
    sized |= {} if loss == "sigmoid" else {"crop_size": square}
    getattr(transformers, processor)(**sized).save_pretrained(tmp_path / "hf")
    return tmp_path, loss


def embedded(folder, pictures, tokens):
    """What a few lines of transformers give: unit embeddings of pictures and texts."""
    import torch
    import transformers

    peer = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = processor(list(pictures), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        found = peer(pixel_values=pixels, input_ids=torch.tensor(tokens))
    return found.image_embeds.numpy(), found.text_embeds.numpy()


def test_fine_tuned_here_and_used_there(saved):
    folder, loss = saved
    run = RunConfig(init_from=str(folder / "hf"), train=training.TrainConfig(loss=loss))
    module = model.create(run)
    params = start.parameters(run.init_from, module)
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (32, 32, 32, 3), np.uint8)
    tokens = generator.integers(2, 59, (32, module.variant.context)).astype(np.int32)
    tokens[:, -1] = 1 if loss == "sigmoid" else 59  # ends as its own tokenizer's texts do
    before = training.Embedder(module, params)
    theirs = embedded(folder / "hf", pictures[:3], tokens[:3])
    np.testing.assert_allclose(before.images(pictures[:3]), theirs[0], atol=1e-5)
    np.testing.assert_allclose(before.tokens(tokens[:3]), theirs[1], atol=1e-5)
    config = dataclasses.replace(CONFIG, loss=loss, steps=3, freeze="image", checkpoint_every=3)
    data = tiny_data(32, images=pictures, tokens=tokens, caption_id=np.arange(32))
    tuned = training.train(config, data, folder / "run", model=module, init=lambda: params)
    scaling = start.given(run.init_from).scaling
    models.folders.write_hugging_face(folder / "tuned", module, tuned, scaling=scaling)
    after = training.Embedder(module, tuned)
    found = embedded(folder / "tuned", pictures[:3], tokens[:3])
    np.testing.assert_allclose(found[0], theirs[0], atol=1e-5)  # the tower was frozen
    np.testing.assert_allclose(found[1], after.tokens(tokens[:3]), atol=1e-5)
    assert np.abs(found[1] - theirs[1]).max() > 1e-3
