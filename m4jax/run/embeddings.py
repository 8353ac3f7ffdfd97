"""What a run's numbers follow from: embeddings of all that it is asked, as plain arrays.

With them anybody can recompute bias, accuracy and retrieval, without the model or this code.
"""

import numpy as np

from m4jax.evaluation import prompts
from m4jax.evaluation.predictions import FIELDS, OPTIONAL, Arrays, asked
from m4jax.evaluation.ranks import normalise
from m4jax.run import evaluate, model
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout


def embeddings(config: RunConfig, layout: Layout) -> Arrays:
    """Embeds all evaluation pictures and all texts that a trained run is asked about.

    Args:
        config: of the run.
        layout: where it lies.

    Returns:
        Arrays of these names; embeddings are float32 of unit length.
            "run", "logit_scale": the run's id; factor of the cosines before the softmax.
            "texts/text", "texts/embedding": [t] each distinct text, [t, d].
            "prompts/version", "prompts/templates": name; [k] texts with one {}: a class is the
                mean over templates of unit embeddings, of unit length again.
            "prompts/gender", "prompts/occupation", "prompts/thing": [c] phrases of the classes, in
                the order of their numbers; gender: woman (0), man (1).
            "prompts/pairs": [p, 2] numbers of occupations that are compared in pairs, if any are.
            "<split>/embedding": [n, d] of the pictures of faces, workers, objects, scenes, shift;
                beside it the fields of `predictions.FIELDS`, and scenes/caption: [n] row of each
                pair's caption in the texts, scenes/content: [n] id of what each is about.

    Raises:
        InputError: if the run is not trained, or its embeddings are not finite.
    """
    embedder, tokenizer = model.embedder(config, layout)
    splits = evaluate.splits_of(config, layout)
    wording = evaluate.with_classes(prompts.load(config.evaluate.prompts), config.source)
    captions = list(splits["scenes"]["captions"]) if "scenes" in splits else []
    texts = list(dict.fromkeys([*asked(wording), *captions]))
    number = {label: k for k, label in enumerate(wording.occupation)}
    result = {
        "run": np.array(config.id),
        "logit_scale": np.array(embedder.logit_scale),
        "texts/text": np.array(texts),
        "texts/embedding": normalise(embedder.tokens(tokenizer(texts)), "texts"),
        "prompts/version": np.array(wording.version),
        "prompts/templates": np.array(wording.templates),
        "prompts/gender": np.array([wording.gender[name] for name in ("woman", "man")]),
        "prompts/occupation": np.array(list(wording.occupation.values())),
        "prompts/thing": np.array(list(wording.thing.values())),
    }
    if wording.pairs:
        result["prompts/pairs"] = np.array([[number[x] for x in pair] for pair in wording.pairs])
    for name in [name for name in FIELDS if name in splits and name != "shots"]:
        split = splits[name]
        embedded = normalise(embedder.images(split["images"]), f"the images of {name}")
        result[f"{name}/embedding"] = embedded
        for field in (*FIELDS[name], *OPTIONAL.get(name, ())):
            if field in split and field != "captions":
                result[f"{name}/{field}"] = np.asarray(split[field])
    if captions:
        place = {text: row for row, text in enumerate(texts)}
        result["scenes/caption"] = np.array([place[text] for text in captions])
    return result
