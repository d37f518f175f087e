#!/usr/bin/env python3
"""gdkd-distill's training steps beside PyTorch's (eager), on the same networks.

    make && /usr/bin/python3 bench/compare_trainer.py [--models resnet20,wrn_16_2] [--threads 1,2]

A step is forward, cross-entropy, backward and the update by SGD with momentum and weight decay, on a
batch of made-up 32x32x3 images in 100 classes. The two take turns, a few seconds each, and PyTorch
runs with its channels in either order (contiguous and channels last), of which the faster counts. Prints
lines with '#', then a table (TSV): images per second of the median step, the best of the turns, and
their ratio; then where our time goes. Needs PyTorch (Debian: python3-torch); installs nothing.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests", "pytorch"))
MODELS = "resnet8,resnet20,wrn_16_2,resnet8x4"
CLASSES, SIDE = 100, 32
# As in compare_pytorch.py: memory that was freed once is kept.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
WARMUP, LEAST_STEPS = 3, 5

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("compare_trainer.py: PyTorch is missing: install python3-torch")


def torch_speed(net, options, layout):
    """Images per second of the median step."""
    net = net.train().to(memory_format=layout)
    images = torch.randn(options.batch, 3, SIDE, SIDE).to(memory_format=layout)
    labels = torch.randint(CLASSES, (options.batch,))
    # A learning rate of 0: the numbers stay ordinary however long it takes.
    update = torch.optim.SGD(net.parameters(), lr=0, momentum=0.9, weight_decay=5e-4)
    times = []
    begun = None
    while begun is None or len(times) < LEAST_STEPS or time.perf_counter() - begun < options.seconds:
        if len(times) == WARMUP and begun is None:
            times, begun = [], time.perf_counter()
        start = time.perf_counter()
        update.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()
        update.step()
        times.append(time.perf_counter() - start)
    return options.batch / statistics.median(times)


def our_speed(name, options, threads):
    """What `gdkd-distill speed` prints: images_per_second and the shares."""
    command = [os.path.join(options.build, "bin", "gdkd-distill"), "speed", "--model", name, "--batch",
               str(options.batch), "--threads", str(threads)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        sys.exit(f"compare_trainer.py: {' '.join(command)}: {child.stderr.strip()}")
    return {key: float(value) for key, value in
            (line.split() for line in child.stdout.splitlines() if len(line.split()) == 2)}


def compare(name, threads, options):
    from compare_model import network

    torch.set_num_threads(threads)
    net = network(name)
    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    ours, theirs = [], {layout: [] for layout in layouts}
    for _ in range(options.turns):
        ours.append(our_speed(name, options, threads))
        for layout, kind in layouts.items():
            theirs[layout].append(torch_speed(net, options, kind))
    best = max(ours, key=lambda run: run["images_per_second"])
    layout = max(theirs, key=lambda one: max(theirs[one]))
    mine, other = best["images_per_second"], max(theirs[layout])
    print(f"{name}\t{threads}\t{mine:.0f}\t{other:.0f}\t{mine / other:.2f}\t{layout}", flush=True)
    return best


def print_shares(shares):
    print("\n# Where our time goes, in per cent")
    keys = [key for key in next(iter(shares.values())) if key.startswith("share_")]
    print("\t".join(["model", "threads"] + [key[len("share_"):] for key in keys]))
    for (name, threads), run in shares.items():
        print("\t".join([name, str(threads)] + [f"{run[key]:.2f}" for key in keys]))


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((l.split(":")[1].strip() for l in lines if l.startswith("model name")), "?")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=MODELS, help=f"separated by commas ({MODELS})")
    parser.add_argument("--threads", default="1,2", help="separated by commas (1,2)")
    parser.add_argument("--batch", type=int, default=64, help="images per step (64)")
    parser.add_argument("--turns", type=int, default=3, help="runs of each, in turn (3)")
    parser.add_argument("--seconds", type=float, default=5, help="that a run of PyTorch takes (5)")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="folder of the build")
    return parser.parse_args()


def main():
    options = arguments()
    if any(os.environ.get(key) != value for key, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, **ALLOCATOR})
    print(f"# {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {cpu_name()}, PyTorch "
          f"{torch.__version__}, Python {platform.python_version()}, batch {options.batch}, load average "
          f"{os.getloadavg()[0]:.2f}")
    print("model\tthreads\tours\tpytorch\tratio\tpytorch_layout")
    shares = {(name, int(threads)): compare(name, int(threads), options)
              for name in options.models.split(",") for threads in options.threads.split(",")}
    print_shares(shares)


if __name__ == "__main__":
    main()
