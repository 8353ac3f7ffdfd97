"""Folders that transformers and open_clip write themselves: random weights, small vocabularies."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import peers
from m4jax.data.merges import read_merges

SENTENCES = [
    "a photo of a dog", "the cat sat on the mat", "a man and a woman at work, in 1999",
    "Two nurses (one of them a man) talk.", "a teacher's desk; it is empty", "ice_cream & cake!",
]  # fmt: skip
TEXTS = [*SENTENCES, "A PHOTO  of\ta Doctor", "", "dog " * 90, "caf\xe9 \U0001f600"]
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
MERGES = [("o", "f</w>"), ("t", "h"), ("th", "e</w>"), ("d", "o"), ("do", "g</w>")]
GEMMA_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]


def pictures(number):
    """Encoded photographs of a folder of one's own (M4JAX_REAL), or drawn pictures of odd sizes."""
    photos = Path(os.environ.get("M4JAX_REAL", "/nowhere")) / "photos"
    if photos.is_dir():
        return [path.read_bytes() for path in sorted(photos.glob("*.jpg"))[:number]]
    generator = np.random.default_rng(0)
    drawn = []
    for i in range(number):
        small = generator.integers(0, 256, (7 + i, 5 + 2 * i, 3), np.uint8)
        size = (int(generator.integers(60, 500)), int(generator.integers(60, 500)))
        written = io.BytesIO()
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(written, "PNG")
        drawn.append(written.getvalue())
    return drawn


def transformers():
    """The library; skips the test without it."""
    peers.torch()
    peers.without_operators()
    return pytest.importorskip("transformers")


def processor(kind):
    """transformers' class of processors that scales with Pillow, as published models were made."""
    module = pytest.importorskip(
        f"transformers.models.{kind.lower()}.image_processing_pil_{kind.lower()}"
    )
    return getattr(module, f"{kind}ImageProcessorPil")


def clip(folder, *, size=32, edge=None, dtype=None, shards=None, **vision):
    """Saves a CLIPModel, its processor and its tokenizer of few pieces."""
    library, torch = transformers(), peers.torch()
    tokenizer = clip_tokenizer(library)
    tokenizer.save_pretrained(folder)
    number = len(tokenizer)
    text = {"hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 3}
    text |= {"num_attention_heads": 4, "max_position_embeddings": 20, "vocab_size": number}
    text |= {"bos_token_id": number - 2, "eos_token_id": number - 1, "pad_token_id": number - 1}
    vision = {"hidden_size": 64, "intermediate_size": 200, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": size, "patch_size": 8} | vision  # fmt: skip
    config = library.CLIPConfig(text_config=text, vision_config=vision, projection_dim=40)
    model = randomised(library.CLIPModel(config), torch)
    save(model, folder, dtype, shards)
    edge = {"shortest_edge": edge or size}
    processor("CLIP")(size=edge, crop_size={"height": size, "width": size}).save_pretrained(folder)
    return folder


def openai_tokenizer(library):
    """CLIP's tokenizer of OpenAI's merges, which open_clip brings along."""
    peers.without_operators()
    path = Path(pytest.importorskip("open_clip").__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
    return clip_tokenizer(library, read_merges(path.read_bytes()), 77)


def clip_tokenizer(library, merges=MERGES, length=20):
    """CLIP's tokenizer of the letters and a few merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(x + "</w>" for x in letters), *("".join(pair) for pair in merges)]
    ids = {piece: i for i, piece in enumerate([*pieces, *CLIP_SPECIAL])}
    return library.CLIPTokenizer(vocab=ids, merges=merges, model_max_length=length)


def siglip(folder, *, size=32, text_width=64, gemma=False, dtype=None, shards=None, **vision):
    """Saves a SiglipModel, its processor and its tokenizer: SigLIP's, or one like Gemma's."""
    library, torch = transformers(), peers.torch()
    tokenizer = gemma_tokenizer(library) if gemma else siglip_tokenizer(library, folder)
    tokenizer.save_pretrained(folder)
    text = {"hidden_size": text_width, "intermediate_size": 150, "num_hidden_layers": 3}
    text |= {"num_attention_heads": 4, "max_position_embeddings": 16, "vocab_size": len(tokenizer)}
    text |= {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0 if gemma else 1}
    vision = {"hidden_size": 64, "intermediate_size": 200, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": size, "patch_size": 8} | vision  # fmt: skip
    text["projection_size"] = vision["hidden_size"]
    config = library.SiglipConfig(text_config=text, vision_config=vision)
    save(randomised(library.SiglipModel(config), torch), folder, dtype, shards)
    options = {"size": {"height": size, "width": size}, "resample": 2 if gemma else 3}
    processor("Siglip")(**options).save_pretrained(folder)
    return folder


def naflex(folder, **vision):
    """Saves a Siglip2Model for 16 patches, its processor and a tokenizer like Gemma's."""
    library, torch = transformers(), peers.torch()
    tokenizer = gemma_tokenizer(library)
    tokenizer.save_pretrained(folder)
    shared = {"num_attention_heads": 4, "num_hidden_layers": 2, "hidden_size": 64}
    shared |= {"intermediate_size": 150}
    text = shared | {"max_position_embeddings": 16, "vocab_size": len(tokenizer)}
    text |= {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    vision = shared | {"num_patches": 16, "patch_size": 8} | vision
    config = library.Siglip2Config(text_config=text, vision_config=vision)
    save(randomised(library.Siglip2Model(config), torch), folder, None, None)
    steps = {"patch_size": 8, "max_num_patches": 16, "resample": 2}
    processor("Siglip2")(**steps).save_pretrained(folder)
    return folder


def siglip_tokenizer(library, folder):
    """SigLIP's tokenizer: a small SentencePiece model with </s> as 1."""
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([x.lower() for x in SENTENCES] * 20), model_writer=written,
        vocab_size=48, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.model").write_bytes(written.getvalue())
    return library.SiglipTokenizer(str(folder / "given.model"))


def gemma_tokenizer(library):
    """A tokenizer like Gemma's of 300 pieces: <pad>, <eos>, <bos>, <unk>, bytes, byte pairs."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    inner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    inner.normalizer = normalizers.Replace(" ", "\u2581")
    inner.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    special = [*GEMMA_SPECIAL, *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=special, show_progress=False)
    inner.train_from_iterator([x.lower() for x in SENTENCES], trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    return library.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<bos>", eos_token="<eos>",
        pad_token="<pad>", padding_side="right", model_max_length=16,
    )  # fmt: skip


def randomised(model, torch):
    """The model with all parameters drawn, biases and norms too, which start at 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("logit_"):
                continue
            drawn = torch.randn(parameter.shape, generator=generator)
            scale = 0.3 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5
            parameter.copy_(drawn * scale + (1 if "norm" in name and "weight" in name else 0))
    return model.eval()


def save(model, folder, dtype, shards):
    """Saves a model, in another type, in shards of at most so many bytes."""
    model = model if dtype is None else model.to(getattr(peers.torch(), dtype))
    options = {} if shards is None else {"max_shard_size": shards}
    model.save_pretrained(folder, **options)


def open_clip(folder, *, custom=False, preprocess=None, dtype=None, **model):
    """Saves a CLIP of open_clip's own towers as `push_to_hf_hub` does; returns the model."""
    torch = peers.torch()
    peers.without_operators()
    library = pytest.importorskip("open_clip")
    vision = {"image_size": 48, "layers": 2, "width": 64, "head_width": 32, "patch_size": 14}
    vision |= {"mlp_ratio": 3.7362}
    text = {"context_length": 16, "vocab_size": 49_408, "width": 48, "heads": 4, "layers": 3}
    config = {
        "embed_dim": 40,
        "vision_cfg": vision,
        "text_cfg": text,
        "custom_text": custom,
    } | model
    kind = library.CustomTextCLIP if custom else library.CLIP
    options = {k: v for k, v in config.items() if k != "custom_text"}
    made = randomised(kind(**options), torch)
    return save_open_clip(folder, made, config, preprocess or {}, dtype)


def save_open_clip(folder, made, config, preprocess, dtype=None):
    """Saves a model of open_clip and its configuration, without a tokenizer."""
    hub = pytest.importorskip("open_clip.push_to_hf_hub")
    from open_clip.model import set_model_preprocess_cfg

    class NoTokenizer:
        def save_pretrained(self, path):
            """Leaves the folder without one."""

    pixels = {"mean": [0.48145466, 0.4578275, 0.40821073], "interpolation": "bicubic"}
    pixels |= {"std": [0.26862954, 0.26130258, 0.27577711], "resize_mode": "shortest"}
    set_model_preprocess_cfg(made, {"size": made.visual.image_size} | pixels | preprocess)
    made = made if dtype is None else made.to(getattr(peers.torch(), dtype))
    hub.save_for_hf(made, NoTokenizer(), config, folder, safe_serialization=True)
    return made.float()


def open_clip_siglip(folder, name="ViT-B-16-SigLIP2", **sizes):
    """Saves a SigLIP of open_clip: timm's image tower, perhaps of fewer sizes; returns the model.

    Args:
        folder: to write.
        name: of open_clip's configuration.
        **sizes: of timm's tower, in place of those that its name tells.
    """
    torch = peers.torch()
    peers.without_operators()
    library = pytest.importorskip("open_clip")
    import open_clip.timm_model as adapter

    config = library.get_model_config(name)
    if sizes:
        config["text_cfg"] |= {"width": sizes["embed_dim"], "heads": 4, "layers": 2}
        config["text_cfg"] |= {"vocab_size": 200, "mlp_ratio": 3.0}
        config["embed_dim"] = sizes["embed_dim"]
    with pytest.MonkeyPatch.context() as patch:
        create = adapter.timm.create_model
        patch.setattr(adapter.timm, "create_model", lambda *a, **more: create(*a, **more, **sizes))
        made = randomised(
            library.CustomTextCLIP(**{k: v for k, v in config.items() if k != "custom_text"}), torch
        )
    pixels = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    return save_open_clip(folder, made, config, pixels)
