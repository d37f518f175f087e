#!/usr/bin/env python3
"""Holds the trainer's networks against PyTorch's, with definitions written for this test.

1. What `gdkd-distill train` saves loads with strict=True and gives the same logits, for every model.
2. One training step (logits, loss, every gradient, momentum, SGD's update, running statistics) from
   the same weights and batch, for resnet8 and wrn_16_1.
With --teacher FILE --data DIR [--logits FILE] also: a teacher trained with PyTorch, on CIFAR-100.

PyTorch's double precision is the arbiter. Where a ReLU's input lies within rounding of 0, correct programs
may differ in whole gradients: batches with such an input are passed over.
"""
import argparse
import copy
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as missing:
    sys.exit(f"compare_model.py: {missing}; apt install python3-torch python3-numpy")

BOUND = 1e-4
KINK = 5e-6  # some ten times what float32 makes of a ReLU's input in these networks
CLASSES, COARSE_CLASSES, IMAGES = 100, 20, 3
MEAN, DEVIATION = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
RESNETS = {"resnet8": 8, "resnet14": 14, "resnet20": 20, "resnet32": 32, "resnet44": 44, "resnet56": 56,
           "resnet110": 110, "resnet8x4": 8, "resnet32x4": 32}
WIDE = {"wrn_16_1": (16, 1), "wrn_16_2": (16, 2), "wrn_40_1": (40, 1), "wrn_40_2": (40, 2)}


# --- The networks ------------------------------------------------------------------------------------


def conv(inputs, outputs, side=3, stride=1):
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)


nearest_to_kink = float("inf")


def relu(x):
    global nearest_to_kink
    nearest_to_kink = min(nearest_to_kink, float(x.detach().abs().min()))
    return functional.relu(x)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        y = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    def __init__(self, depth, channels):
        super().__init__()
        self.conv1, self.bn1 = conv(3, channels[0]), nn.BatchNorm2d(channels[0])
        inputs = channels[0]
        for number, outputs in enumerate(channels[1:], 1):
            blocks = []
            for i in range((depth - 2) // 6):
                blocks.append(ResidualBlock(inputs, outputs, 2 if number > 1 and i == 0 else 1))
                inputs = outputs
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs)
        if inputs != outputs:
            self.convShortcut = conv(inputs, outputs, 1, stride)

    def forward(self, x):
        active = relu(self.bn1(x))
        shortcut = self.convShortcut(active) if hasattr(self, "convShortcut") else x
        return self.conv2(relu(self.bn2(self.conv1(active)))) + shortcut


class WideStage(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, widen):
        super().__init__()
        self.conv1 = conv(3, 16)
        inputs = 16
        for number, outputs in enumerate((16 * widen, 32 * widen, 64 * widen), 1):
            blocks = []
            for i in range((depth - 4) // 6):
                blocks.append(WideBlock(inputs, outputs, 2 if number > 1 and i == 0 else 1))
                inputs = outputs
            setattr(self, f"block{number}", WideStage(blocks))
        self.bn1, self.fc = nn.BatchNorm2d(inputs), nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(relu(self.bn1(x)).mean((2, 3)))


def network(name):
    if name in WIDE:
        return WideResNet(*WIDE[name])
    return ResNet(RESNETS[name], (32, 64, 128, 256) if name.endswith("x4") else (16, 16, 32, 64))


# --- Files -------------------------------------------------------------------------------------------

DTYPES = {"F32": "<f4", "I64": "<i8"}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(values.copy())
    return tensors


def write_safetensors(path, tensors):
    header, blobs, at = {}, [], 0
    for name, value in tensors.items():
        array = value.detach().numpy()
        blob = array.astype("<i8" if array.dtype == np.int64 else "<f4").tobytes()
        header[name] = {"dtype": "I64" if array.dtype == np.int64 else "F32", "shape": list(array.shape),
                        "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_cifar100(folder, random):
    """Records of random bytes: coarse label, fine label, 3 x 32 x 32. Returns the test images."""
    for name in ("train.bin", "test.bin"):
        records = random.integers(0, 256, (64, 2 + 3072), dtype=np.uint8)
        records[:, 0] %= COARSE_CLASSES
        records[:, 1] %= CLASSES
        records.tofile(os.path.join(folder, name))
    return normalise(records[:, 2:])


def normalise(pixels):
    images = pixels.reshape(-1, 3, 32, 32).astype(np.float32) / 255
    mean, deviation = (np.array(x, np.float32).reshape(1, 3, 1, 1) for x in (MEAN, DEVIATION))
    return torch.from_numpy((images - mean) / deviation)


# --- Comparisons -------------------------------------------------------------------------------------

failures = []


def distance(found, truth):
    """Of the tensors of a training step: relative to the largest element."""
    found, truth = found.double(), truth.double()
    return float((found - truth).abs().max() / truth.abs().max().clamp(min=1e-30))


def logits_distance(found, truth):
    if found.shape != truth.shape:
        sys.exit(f"compare_model.py: logits of shape {tuple(found.shape)}, expected {tuple(truth.shape)}")
    scale = max(1, float(truth.abs().max()) / 30)  # a net trained on noise may have logits in the hundreds
    return float((found.double() - truth.double()).abs().max()) / scale


def report(what, error, note=""):
    fine = error <= BOUND
    print(f"{'ok  ' if fine else 'FAIL'} {what}: {error:.1e}{note}", flush=True)
    if not fine:
        failures.append(what)


def evaluate(net, images):
    net.eval()
    with torch.no_grad():
        return torch.cat([net(part) for part in images.split(256)])


def compare_saved(name, build, folder, images):
    """Trained by gdkd-distill, loaded by PyTorch."""
    weights, logits = os.path.join(folder, "w.safetensors"), os.path.join(folder, "logits.npy")
    distill = os.path.join(build, "bin", "gdkd-distill")
    data = ["--data", "cifar100:" + folder, "--model", name, "--batch", "16"]
    subprocess.run([distill, "train", *data, "--epochs", "1", "--lr", "0.01", "--quiet", "--out", weights],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([distill, "eval", *data, "--weights", weights, "--logits", logits], check=True,
                   stdout=subprocess.DEVNULL)
    net, tensors = network(name), read_safetensors(weights)
    net.load_state_dict(tensors, strict=True)
    report(f"{name}: saved weights ({len(tensors)} tensors, {sum(p.numel() for p in net.parameters())} "
           f"parameters), logits of {len(images)} images",
           logits_distance(torch.from_numpy(np.load(logits)), evaluate(net.double(), images.double())))


def torch_step(net, images, labels, rate, momenta=None):
    """The tensors that step.c writes, under the same names. The momentum before the step is 0, or given by name."""
    global nearest_to_kink
    found = {"before": evaluate(net, images)}
    nearest_to_kink = float("inf")  # of the pass that gradients come from
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    if momenta:
        for name, parameter in net.named_parameters():
            optimizer.state[parameter]["momentum_buffer"] = momenta[name].clone()
    logits = net(images)
    loss = functional.cross_entropy(logits, labels)
    loss.backward()
    optimizer.step()
    found.update(logits=logits, loss=loss.reshape(1))
    found.update({name: value for name, value in net.state_dict().items()})
    for name, parameter in net.named_parameters():
        found["grad." + name] = parameter.grad
        found["momentum." + name] = optimizer.state[parameter]["momentum_buffer"]
    return found


def worst(found, truth):
    if found.keys() != truth.keys():
        sys.exit(f"compare_model.py: other tensors: {sorted(found.keys() ^ truth.keys())}")
    return max((distance(found[name], truth[name]), name) for name in truth)


def compare_step(name, build, folder, seed, rate=0.1):
    """False when a ReLU's input is too close to 0."""
    torch.manual_seed(seed)
    net = network(name)
    for layer in net.modules():  # statistics and scales as after some training, not 0 and 1
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.2)
            layer.running_mean.normal_(0, 0.5)
            layer.running_var.uniform_(0.5, 2)
    images, labels = torch.randn(IMAGES, 3, 32, 32), torch.randint(0, CLASSES, (IMAGES,))
    truth = torch_step(copy.deepcopy(net).double(), images.double(), labels, rate)
    if nearest_to_kink < KINK:
        return False
    paths = [os.path.join(folder, file) for file in ("in.safetensors", "x.npy", "y.npy", "out.safetensors")]
    write_safetensors(paths[0], net.state_dict())
    np.save(paths[1], images.numpy().reshape(IMAGES, -1))
    np.save(paths[2], labels.numpy().astype(np.float32).reshape(-1, 1))
    subprocess.run([os.path.join(build, "tests", "pytorch", "step"), name, *paths[:3], str(rate), paths[3]],
                   check=True)
    own, _ = worst(torch_step(net, images, labels, rate), truth)
    error, where = worst(read_safetensors(paths[3]), truth)
    report(f"{name}: training step, seed {seed}, {len(truth)} tensors", error,
           f" in {where} (PyTorch's float32: {own:.1e})")
    return True


def compare_steps(name, build, folder, wanted=3):
    seed = 0
    while wanted and seed < 200:
        wanted -= compare_step(name, build, folder, seed)
        seed += 1
    if wanted:
        failures.append(name)
        print(f"FAIL {name}: every seed has a unit at a kink")


def accuracies(logits, labels):
    """What `gdkd-distill eval` prints."""
    ranks = (logits > logits.gather(1, labels.reshape(-1, 1))).sum(1)
    return "".join(f"top{k} {100 * float((ranks < k).double().mean()):.2f}\n" for k in (1, 5))


def compare_teacher(options, folder):
    """A network trained by PyTorch, on all test images of CIFAR-100."""
    name, file = options.teacher_model, os.path.join(folder, "teacher.npy")
    printed = subprocess.run(
        [os.path.join(options.build, "bin", "gdkd-distill"), "eval", "--data", "cifar100:" + options.data,
         "--model", name, "--weights", options.teacher, "--logits", file],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    records = np.fromfile(os.path.join(options.data, "test.bin"), np.uint8).reshape(-1, 2 + 3072)
    net = network(name)
    net.load_state_dict(read_safetensors(options.teacher), strict=True)
    truth = evaluate(net, normalise(records[:, 2:]))
    ours = torch.from_numpy(np.load(file))
    report(f"{name}: the teacher's logits of {len(truth)} images", logits_distance(ours, truth))
    expected = accuracies(truth, torch.from_numpy(records[:, 1].astype(np.int64)))
    print("    " + printed.replace("\n", "  "))
    if printed != expected:
        failures.append(f"{name}: accuracy, PyTorch has {expected!r}")
    if options.logits:
        given = torch.from_numpy(np.load(options.logits))
        report(f"{name}: given logits of {len(given)} images", logits_distance(ours[:len(given)], given))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the folder of bin/gdkd-distill and tests/pytorch/step")
    parser.add_argument("--teacher", help="weights that PyTorch trained on CIFAR-100")
    parser.add_argument("--teacher-model", default="resnet20")
    parser.add_argument("--data", help="the folder of CIFAR-100's binary version, for --teacher")
    parser.add_argument("--logits", help="the teacher's logits of the first test images, .npy")
    options = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        images = write_cifar100(folder, np.random.default_rng(1))
        for name in ("resnet8", "wrn_16_1"):
            compare_steps(name, options.build, folder)
        for name in [*RESNETS, *WIDE]:
            compare_saved(name, options.build, folder, images)
        if options.teacher:
            compare_teacher(options, folder)
    if failures:
        sys.exit("compare_model.py: FAILED: " + ", ".join(failures))


if __name__ == "__main__":
    main()
