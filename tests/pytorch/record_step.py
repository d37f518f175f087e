#!/usr/bin/env python3
"""Writes tests/data/pytorch_step.txt: a training step by PyTorch in double precision, in a few numbers.

    /usr/bin/python3 tests/pytorch/record_step.py > tests/data/pytorch_step.txt

test_pytorch_step makes the same weights, images and labels (made_up), takes the step with the trainer's
networks, and holds every tensor against these lines, so that no PyTorch is needed there. tests/data/README.md
has the format.
"""
import compare_model
import numpy as np
import torch
from compare_model import CLASSES, KINK, network, torch_step

MODELS, IMAGES, RATE, SAMPLES = ("resnet8", "resnet8x4", "wrn_16_1"), 3, 0.1, 6
GOLDEN = 0x9E3779B97F4A7C15


def made_up(name, seed, count):
    """Numbers in [0, 1) that depend on a name, a seed and a place: FNV-1a, then splitmix64."""
    start = 0xCBF29CE484222325
    for byte in f"{seed} {name}".encode():
        start = (start ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def span(name, shape):
    """As after some training: statistics, scales and shifts are not 0 and 1."""
    if len(shape) == 4:
        bound = float(np.sqrt(6 / (shape[1] * shape[2] * shape[3])))
        return -bound, bound
    if name.startswith("fc."):
        return -0.1, 0.1
    if name.endswith("running_var"):
        return 0.5, 2
    if name.endswith("running_mean"):
        return -0.5, 0.5
    return (0.5, 1.5) if name.endswith("weight") else (-0.3, 0.3)


def fill(name, seed, shape, low, high):
    values = low + (high - low) * made_up(name, seed, int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))


def take_step(model, seed):
    net = network(model).double()
    state = {name: fill(name, seed, tuple(old.shape), *span(name, old.shape)) if old.dim() else old
             for name, old in net.state_dict().items()}
    net.load_state_dict(state, strict=True)
    images = fill("images", seed, (IMAGES, 3, 32, 32), -2, 2)
    labels = torch.from_numpy((made_up("labels", seed, IMAGES) * CLASSES).astype(np.int64))
    momenta = {name: fill("momentum of " + name, seed, tuple(parameter.shape), -0.1, 0.1)
               for name, parameter in net.named_parameters()}
    return torch_step(net, images, labels, RATE, momenta)


def line(name, tensor):
    """Largest magnitude, a weighted sum, and single elements from the first to the last."""
    values = tensor.detach().double().numpy().ravel()
    weights = 2 * made_up("sum of " + name, 0, values.size) - 1
    places = [i * (values.size - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    numbers = [np.abs(values).max(), values @ weights, *values[places]]
    return f"tensor {name} {values.size} " + " ".join(f"{number:.9g}" for number in numbers)


def main():
    print(f"# by tests/pytorch/record_step.py, PyTorch {torch.__version__}")
    for model in MODELS:
        seed = 0
        found = take_step(model, seed)
        while compare_model.nearest_to_kink < KINK:  # either side of a ReLU would be right
            seed += 1
            found = take_step(model, seed)
        print(f"model {model} {seed} {IMAGES} {RATE}")
        for name in sorted(found):
            if found[name].dim():
                print(line(name, found[name]))


if __name__ == "__main__":
    main()
