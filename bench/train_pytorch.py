#!/usr/bin/env python3
"""What `gdkd-distill train` does without a teacher, in PyTorch alone: to compare accuracies.

    /usr/bin/python3 bench/train_pytorch.py --data DIR [--model resnet8] [--epochs 10] [--seeds 1,2,3]

CIFAR-100 (binary version in DIR), cross-entropy, SGD with momentum 0.9 and weight decay 5e-4, a crop and a flip
of each image's own, PyTorch's random numbers. The learning rate falls along a cosine, epoch by epoch. Prints
lines with '#', then a table (TSV).
Needs PyTorch (Debian: python3-torch); installs nothing.
"""

import argparse
import math
import os
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests", "pytorch"))
SIDE, PADDING, EVALUATED = 32, 4, 500

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    sys.exit(f"train_pytorch.py: {missing}: install python3-torch and python3-numpy")


def read_cifar100(path):
    """Images as bytes (N, 3, 32, 32) and their fine labels."""
    try:
        records = np.fromfile(path, np.uint8).reshape(-1, 2 + 3 * SIDE * SIDE)
    except (OSError, ValueError) as error:
        sys.exit(f"train_pytorch.py: {path}: {error}")
    return (torch.from_numpy(records[:, 2:].copy()).view(-1, 3, SIDE, SIDE),
            torch.from_numpy(records[:, 1].astype(np.int64)))


def normalise(pixels):
    from compare_model import DEVIATION, MEAN

    mean, deviation = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, DEVIATION))
    return (pixels.float() / 255 - mean) / deviation


def augment(pixels):
    """A crop of each image padded with black, then flipped or not."""
    padded = F.pad(pixels, (PADDING,) * 4)
    count = len(pixels)
    top, left = (torch.randint(2 * PADDING + 1, (count, 1)) for _ in range(2))
    rows, columns = top + torch.arange(SIDE), left + torch.arange(SIDE)
    flipped = torch.rand(count) < 0.5
    columns[flipped] = columns[flipped].flip(1)
    images = torch.arange(count).view(-1, 1, 1, 1)
    return padded[images, torch.arange(3).view(1, 3, 1, 1), rows.view(count, 1, SIDE, 1),
                  columns.view(count, 1, 1, SIDE)]


def initialise(net):
    """As the reference's networks: He et al. by fan-out; PyTorch's defaults elsewhere."""
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def accuracy(net, images, labels):
    net.eval()
    with torch.no_grad():
        right = sum(int((net(normalise(part)).argmax(1) == wanted).sum())
                    for part, wanted in zip(images.split(EVALUATED), labels.split(EVALUATED)))
    return 100 * right / len(labels)


def train(seed, options, train_set, test_set):
    """Test accuracy after each epoch, and the mean loss of the images during it."""
    from compare_model import network

    torch.manual_seed(seed)
    net = network(options.model)
    initialise(net)
    update = torch.optim.SGD(net.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4)
    images, labels = train_set
    found = []
    for epoch in range(options.epochs):
        net.train()
        total = 0.0
        update.param_groups[0]["lr"] = options.lr * (1 + math.cos(math.pi * epoch / options.epochs)) / 2
        for batch in torch.randperm(len(labels)).split(options.batch):
            update.zero_grad(set_to_none=True)
            loss = F.cross_entropy(net(normalise(augment(images[batch]))), labels[batch])
            loss.backward()
            update.step()
            total += loss.item() * len(batch)
        found.append((accuracy(net, *test_set), total / len(labels)))
        print(f"# seed {seed} epoch {epoch + 1}: top-1 {found[-1][0]:.2f}, loss {found[-1][1]:.4f}", flush=True)
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with train.bin and test.bin")
    parser.add_argument("--model", default="resnet8", help="resnet8")
    parser.add_argument("--epochs", type=int, default=10, help="10")
    parser.add_argument("--batch", type=int, default=64, help="64")
    parser.add_argument("--lr", type=float, default=0.05, help="0.05")
    parser.add_argument("--seeds", default="1,2,3", help="separated by commas (1,2,3)")
    parser.add_argument("--threads", type=int, default=1, help="1")
    return parser.parse_args()


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    train_set, test_set = (read_cifar100(os.path.join(options.data, name)) for name in ("train.bin", "test.bin"))
    print(f"# {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, PyTorch {torch.__version__}, {options.model}, "
          f"{options.epochs} epochs")
    found = {seed: train(seed, options, train_set, test_set) for seed in map(int, options.seeds.split(","))}
    print("model\tseed\tlast\tbest\ttrain_loss")
    for seed, curve in found.items():
        last, loss = curve[-1]
        print(f"{options.model}\t{seed}\t{last:.2f}\t{max(curve)[0]:.2f}\t{loss:.4f}")


if __name__ == "__main__":
    main()
