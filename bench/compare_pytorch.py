#!/usr/bin/env python3
"""libgdkd beside PyTorch and JAX: GDKD with its gradient on the same arrays, one thread each.

    make && python3 bench/compare_pytorch.py [--shape 512x1000,4x19x512x1024] > ratios.tsv

Checks that losses and gradients agree, and prints lines with '#', then a table (TSV): ns per element
(fastest and median of N calls, in turn with the others), how many times libgdkd's time that is, the
differences from libgdkd, and the memory that one call adds at its peak, its gradient included. It
installs nothing: a peer that is missing is left out, with a line that says how to install it.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

# With glibc's defaults the peers would return every temporary to the system and fault its pages in
# again at the next call, 5 to 10 times slower. 4 GiB stands for "never".
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
SHAPES = "64x10,64x100,512x1000,256x32000,64x151936,4x19x512x1024"
MEMORY_FROM = 1 << 23  # elements from which the peak memory is measured
SEED, SIGMA = 1, 3.0
# Relative differences that two float32 implementations of one formula may have.
TOLERANCE = 2e-5
PEER_SECONDS = 20.0  # for one shape, from the third repetition on


def fail(text):
    print(f"compare_pytorch.py: {text}", file=sys.stderr)
    sys.exit(1)


try:
    import numpy as np
except ImportError:
    fail("NumPy is missing: install python3-numpy, or pip install numpy")

from peers import K, PEERS, Libgdkd, Missing


def make_logits(shape):
    rng = np.random.default_rng(SEED)
    arrays = [rng.standard_normal(shape, dtype=np.float32) for _ in range(2)]
    for array in arrays:
        array *= np.float32(SIGMA)
    break_ties(arrays[1])
    return arrays


def break_ties(teacher):
    """Among millions of rows some tie at the k-th place, where PyTorch promises no order and the
    gradients would rightly differ. Those rows become evenly spaced."""
    rows = np.moveaxis(teacher, 1, -1)
    classes = rows.shape[-1]
    if classes <= K:
        return
    places = (classes - K - 1, classes - K)
    ranked = np.partition(rows, places, axis=-1)
    rows[ranked[..., places[0]] == ranked[..., places[1]]] = np.linspace(-6, 6, classes)


def call_ns(peer, calls):
    start = time.perf_counter_ns()
    for _ in range(calls):
        peer.call()
    return (time.perf_counter_ns() - start) / calls


def measure(peers, repetitions):
    """For each peer its times in ns per call; in turn, each for at least 2 ms."""
    calls = []
    for peer in peers:
        peer.call()  # the first one compiles
        calls.append(max(1, int(2e6 / min(call_ns(peer, 1) for _ in range(3))) + 1))
    times = [[] for _ in peers]
    start = time.perf_counter()
    for repetition in range(repetitions):
        if repetition >= 3 and time.perf_counter() - start > PEER_SECONDS * len(peers):
            break
        for i, peer in enumerate(peers):
            times[i].append(call_ns(peer, calls[i]))
    return times


def differences(peer, reference):
    """Relative to libgdkd: of the loss, and of the gradient to its largest element."""
    loss, gradient = peer.call()
    true_loss, true_gradient = reference.call()
    largest = float(np.abs(true_gradient).max())
    worst = float(np.abs(np.asarray(gradient) - true_gradient).max())
    return abs(float(loss) - true_loss) / abs(true_loss), worst / largest


def kib_of(field):
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def print_peak(name, shape):
    """The peak of a second call above what was there before the first, in MiB. Runs in a process of
    its own; a call on a small shape has loaded and compiled what does not depend on the shape."""
    make = next(peer for peer in PEERS if peer.name == name)
    make(*make_logits((8, 16) + (4,) * (len(shape) - 2))).call()
    peer = make(*make_logits(shape))
    before = kib_of("VmRSS")
    peer.call()
    peer.forget()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as reset:
        reset.write("5")  # VmHWM begins anew
    peer.call()
    print(f"{(kib_of('VmHWM') - before) / 1024:.1f}")


def peak_of(peer, text):
    # Without the allocator's settings: what a call frees goes back to the system at once.
    environment = {key: value for key, value in os.environ.items() if key not in ALLOCATOR}
    command = [sys.executable, __file__, "--peak", peer.name, "--shape", text]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return child.stdout.strip() if child.returncode == 0 else "failed"


def start_peers(student, teacher, chosen, notes):
    peers = []
    for peer in PEERS:
        if peer is not Libgdkd and chosen and peer.name not in chosen:
            continue
        try:
            peers.append(peer(student, teacher))
            notes.add(f"# {peer.name}: {peers[-1].version}")
        except Missing as reason:
            notes.add(f"# {peer.name}: left out; {reason}")
        except OSError as error:
            fail(str(error))
    return peers


def compare(text, options, notes):
    shape = parse_shape(text)
    student, teacher = make_logits(shape)
    fresh = set()
    peers = start_peers(student, teacher, options.peers, fresh)
    for note in sorted(fresh - notes):
        print(note)
    notes |= fresh
    times = measure(peers, options.repeat)
    agree = True
    for peer, ns in zip(peers, times):
        errors = differences(peer, peers[0])
        agree = agree and max(errors) <= TOLERANCE
        peak = peak_of(peer, text) if student.size >= MEMORY_FROM else "-"
        print(f"{text}\t{peer.name}\t{min(ns) / student.size:.4f}"
              f"\t{statistics.median(ns) / student.size:.4f}\t{min(ns) / min(times[0]):.2f}"
              f"\t{errors[0]:.1e}\t{errors[1]:.1e}\t{peak}", flush=True)
    return agree


def parse_shape(text):
    try:
        shape = tuple(int(size) for size in text.split("x"))
    except ValueError:
        shape = ()
    if len(shape) < 2 or min(shape) < 1:
        fail(f"'{text}' is no shape such as 512x1000 or 4x19x512x1024")
    return shape


def parse_arguments():
    names = [peer.name for peer in PEERS[1:]]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default=SHAPES, help=f"separated by commas ({SHAPES})")
    parser.add_argument("--repeat", type=int, default=15, help="repetitions (15)")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[],
                        help=f"some of {','.join(names)} (all that are installed)")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.peers:
        if name not in names:
            parser.error(f"there is no peer {name}; there are {', '.join(names)}")
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((l.split(":")[1].strip() for l in lines if l.startswith("model name")), "?")


def main():
    options = parse_arguments()
    # One processor for the whole process: JAX has no setting that is as sure.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.peak:
        print_peak(options.peak, parse_shape(options.shape))
        return
    if any(os.environ.get(key) != value for key, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, **ALLOCATOR})
    print(f"# {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {cpu_name()}, Python "
          f"{platform.python_version()}, load average {os.getloadavg()[0]:.2f}")
    print(f"# GDKD with gradient, float32, normal logits of sigma {SIGMA:g}, one thread")
    print("shape\twho\tns_min\tns_median\ttimes_libgdkd\tloss_error\tgrad_error\tpeak_mib")
    notes = set()
    agree = [compare(text, options, notes) for text in options.shape.split(",")]
    if not all(agree):
        fail(f"losses or gradients differ by more than {TOLERANCE:g}; see the table")


if __name__ == "__main__":
    main()
