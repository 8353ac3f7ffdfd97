"""Run by test_losses.py: losses whose rows are split over devices, and those of one device."""

import json
import re

import jax
import numpy as np

from m4jax.training.losses import LOSSES, over
from m4jax.training.mesh import make_mesh

ROWS = 32
SCALARS = (np.float32(7), np.float32(-3))


def batch():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2, ROWS, 5))
    rows[1] += rows[0]
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    weight = generator.uniform(0.2, 2, ROWS)
    return (*rows.astype(np.float32), weight.astype(np.float32))


def evaluate(loss, image, text, weight):
    def value(image, text, scale, bias):
        return tuple(loss(image, text, scale, bias, weight=weight))

    compiled = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2, 3), has_aux=True))
    compiled = compiled.lower(image, text, *SCALARS).compile()
    return jax.block_until_ready(compiled(image, text, *SCALARS)), compiled.as_text()


def largest_square(program, steps):
    """Entries of the largest matrix of logits; not meant: embeddings, and rows kept by `steps`."""
    sizes = [(int(a), int(b)) for a, b in re.findall(r"f32\[(\d+),(\d+)\]", program)]
    return max(a * b for a, b in sizes if 5 not in (a, b) and a != steps)


def main():
    image, text, weight = batch()
    told = []
    for name, loss in LOSSES.items():
        for weights in (None, weight):
            alone, _ = evaluate(loss.function, image, text, weights)
            for devices, model in ((2, 1), (8, 1), (8, 2)):
                mesh = make_mesh(jax.devices()[:devices], model=model)
                found, program = evaluate(over(mesh, loss.function), image, text, weights)
                gradients = zip(alone[1], found[1], strict=True)
                rows = ROWS * model // devices
                told.append(
                    {
                        "case": [name, weights is not None, devices, model],
                        "alone": float(alone[0][0]),
                        "value": float(found[0][0]),
                        "accuracy": [float(alone[0][1]), float(found[0][1])],
                        "gradient": max(float(np.abs(a - b).max()) for a, b in gradients),
                        "logits": largest_square(program, devices // model - 1),
                        "expected_logits": rows * (ROWS if name == "softmax" else rows),
                    }
                )
    print(json.dumps(told))


if __name__ == "__main__":
    main()
