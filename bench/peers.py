"""GDKD by libgdkd and by its peers, each as an object with two methods:

    peer = TorchEager(student, teacher)      # NumPy arrays (rows, C) or (N, C, ...), float32
    loss, gradient = peer.call()             # the gradient in the peer's own kind of array
    peer.forget()                            # frees what call() keeps

All of them compute w0 high + w1 low(top k) + w2 low(rest), the mean over rows. The peers' code is the
formula of gdkd_loss in ZaberKo/GDKD, in its own operations: masks of 0 and -1000, and a softmax for
every term.
"""

import ctypes
import os
import sys

import numpy as np

T, K, W0, W1, W2 = 4.0, 5, 1.0, 1.0, 2.0
MASK = 1000.0


class Missing(Exception):
    """A peer that is not installed; the text says what would do it."""


class Libgdkd:
    name = "libgdkd"

    def __init__(self, student, teacher):
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        sys.path.insert(0, os.path.join(top, "examples", "ffi", "python"))
        import gdkd

        self.library = gdkd.library()
        self.library.gdkd_workspace_size.restype = ctypes.c_size_t
        self.version = self.library.gdkd_version_string().decode()
        self.config = gdkd.preset("gdkd", T, K, W0, W1, W2)
        self.config.num_threads = 1
        self.batch = gdkd.Batch()
        self.result = gdkd.Result()
        self.library.gdkd_batch_init_sized(ctypes.byref(self.batch), ctypes.sizeof(self.batch))
        self.library.gdkd_result_init_sized(ctypes.byref(self.result), ctypes.sizeof(self.result))
        self.keep = student, teacher
        self.batch.outer, self.batch.classes = student.shape[:2]
        self.batch.inner = int(np.prod(student.shape[2:], dtype=np.int64))
        self.batch.student, self.batch.teacher = student.ctypes.data, teacher.ctypes.data
        self.forget()

    def call(self):
        if self.grad is None:
            self.make_room()
        status = self.library.gdkd_loss(*self.arguments)
        if status:
            raise RuntimeError(self.library.gdkd_status_string(status).decode())
        return self.result.total, self.grad

    def make_room(self):
        """The gradient and the workspace: what a training loop allocates once."""
        self.grad = np.empty_like(self.keep[0])
        self.result.grad_pointer = self.grad.ctypes.data
        config, batch = ctypes.byref(self.config), ctypes.byref(self.batch)
        size = self.library.gdkd_workspace_size(config, batch)
        workspace = ctypes.create_string_buffer(size)
        self.arguments = (config, batch, ctypes.byref(self.result), workspace,
                          ctypes.c_size_t(size))

    def forget(self):
        self.grad = self.arguments = None


def torch_gdkd(student, teacher):
    import torch
    from torch.nn import functional as F

    rows = student.numel() // student.shape[1]
    top = torch.topk(teacher, min(K, teacher.shape[1]), dim=1, sorted=False).indices
    in_top = torch.zeros_like(teacher, dtype=torch.bool).scatter_(1, top, True)
    rest = torch.logical_not(in_top)
    x, z = student / T, teacher / T

    def masses(probabilities):
        parts = [(probabilities * mask).sum(dim=1, keepdim=True) for mask in (in_top, rest)]
        return torch.cat(parts, dim=1)

    def divergence(without):
        log_p = F.log_softmax(x - MASK * without, dim=1)
        log_q = F.log_softmax(z - MASK * without, dim=1)
        return F.kl_div(log_p, log_q, reduction="sum", log_target=True)

    log_p0 = torch.log(masses(F.softmax(x, dim=1)))
    high = F.kl_div(log_p0, masses(F.softmax(z, dim=1)), reduction="sum")
    return (W0 * high + W1 * divergence(rest) + W2 * divergence(in_top)) * (T * T / rows)


class TorchEager:
    name = "pytorch-eager"
    function = staticmethod(torch_gdkd)

    def __init__(self, student, teacher):
        try:
            import torch
        except ImportError as error:
            raise Missing("pip install torch, or Debian's python3-torch") from error
        torch.set_num_threads(1)
        self.version = torch.__version__
        self.student = torch.from_numpy(student).requires_grad_()
        self.teacher = torch.from_numpy(teacher)

    def call(self):
        self.student.grad = None
        loss = self.function(self.student, self.teacher)
        loss.backward()
        return loss.detach(), self.student.grad

    def forget(self):
        self.student.grad = None


class TorchCompiled(TorchEager):
    name = "pytorch-compiled"

    def __init__(self, student, teacher):
        super().__init__(student, teacher)
        import torch

        if not hasattr(torch, "compile"):
            raise Missing(f"PyTorch {self.version} has no torch.compile; pip install torch")
        torch._dynamo.reset()
        # PyTorch 2.4's pattern for softmax(x / T) fails where x / T is used more than once.
        import torch._inductor.config

        torch._inductor.config.pattern_matcher = False
        self.function = torch.compile(torch_gdkd, dynamic=False)


def jax_gdkd(student, teacher):
    import jax
    from jax import numpy as jnp

    # The top k along the last axis is the only one that JAX has.
    z = jnp.moveaxis(teacher, 1, -1)
    top = jax.lax.top_k(z, min(K, z.shape[-1]))[1]
    in_top = jnp.put_along_axis(jnp.zeros(z.shape, bool), top, True, axis=-1, inplace=False)
    in_top = jnp.moveaxis(in_top, -1, 1)
    x, z = student / T, teacher / T

    def masses(probabilities):
        parts = [(probabilities * mask).sum(axis=1) for mask in (in_top, ~in_top)]
        return jnp.stack(parts, axis=1)

    def divergence(without):
        log_p = jax.nn.log_softmax(x - MASK * without, axis=1)
        log_q = jax.nn.log_softmax(z - MASK * without, axis=1)
        return (jnp.exp(log_q) * (log_q - log_p)).sum()

    p0, q0 = masses(jax.nn.softmax(x, axis=1)), masses(jax.nn.softmax(z, axis=1))
    high = (q0 * (jnp.log(q0) - jnp.log(p0))).sum()
    rows = student.size // student.shape[1]
    return (W0 * high + W1 * divergence(~in_top) + W2 * divergence(in_top)) * (T * T / rows)


class JaxJitted:
    name = "jax-jitted"

    def __init__(self, student, teacher):
        try:
            import jax
        except ImportError as error:
            raise Missing("pip install 'jax[cpu]'") from error
        self.version = jax.__version__
        self.arguments = jax.device_put(student), jax.device_put(teacher)
        self.function = jax.jit(jax.value_and_grad(jax_gdkd))

    def call(self):
        loss, gradient = self.function(*self.arguments)
        gradient.block_until_ready()
        return loss, gradient

    def forget(self):
        pass


PEERS = [Libgdkd, TorchEager, TorchCompiled, JaxJitted]
