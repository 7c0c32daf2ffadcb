"""Compiled loops as operators of torch's own, so that torch.compile and torch.export keep them in their graphs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgcnn_md.errors import CgcnnMdWarning

_OLDEST = (7, 0)  # compute capability that Triton compiles for


def define(
    name: str, arguments: Sequence[str], reference: Callable[..., Tensor], forward: Callable[..., Tensor],
    backward: Callable[..., list[Tensor]], *, leaves: int, shape: Callable[..., tuple[int, ...]],
) -> Callable[..., Tensor]:  # fmt: skip
    """Register a sum over neighbours on a CPU, and its gradient, with torch.

    Declared so, and not by `torch.library.custom_op`, which checks more in every call.

    Parameters
    ----------
    name
        What it is called, with a namespace.
    arguments
        Names of its tensors.
    reference
        The sum in plain torch, for other devices and precisions.
    forward
        From these, contiguous, to the sum.
    backward
        From the gradient of the sum, and these, to the gradients of the first of them.
    leaves
        Tensors that have a gradient; each is of the shape of its tensor.
    shape
        From the tensors to the shape of the sum.

    Returns
    -------
    Callable
        The sum by the fastest form for where its first tensor is.
    """
    inputs, back = ", ".join(f"Tensor {argument}" for argument in arguments), f"{name}_backward"
    torch.library.define(name, f"({inputs}) -> Tensor")
    torch.library.define(back, f"(Tensor g, {inputs}) -> Tensor[]")
    torch.library.impl(name, "cpu", lambda *tensors: forward(*_plain(tensors)))
    torch.library.impl(back, "cpu", lambda *tensors: backward(*_plain(tensors)))
    torch.library.register_fake(name, lambda *tensors: tensors[0].new_empty(shape(*tensors)))
    torch.library.register_fake(back, lambda _g, *tensors: [x.new_empty(x.shape) for x in tensors[:leaves]])
    operator, gradient = _operator(name), _operator(back)

    def remember(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001 (torch names them)
        ctx.save_for_backward(*inputs)

    def gradients(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return (*gradient(g, *ctx.saved_tensors), *[None] * (len(arguments) - leaves))

    def fastest(*tensors: Tensor) -> Tensor:
        first = tensors[0]
        if first.device.type == "cpu" and first.dtype == torch.float32:
            return operator(*tensors)  # type: ignore[no-any-return]
        return (_compiled(reference, first.device) if first.device.type == "cuda" else reference)(*tensors)

    torch.library.register_autograd(name, gradients, setup_context=remember)
    return fastest


def _operator(name: str) -> Any:
    space, short = name.split("::")
    return getattr(getattr(torch.ops, space), short)


def _plain(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [x.detach().contiguous() for x in tensors]


_held = threading.local()


def scratch(*shape: int) -> Tensor:
    """Give a buffer that is kept for the next call of this thread: fresh memory costs more than to fill it."""
    size = int(np.prod(shape))
    held: Tensor | None = getattr(_held, "buffer", None)
    if held is None or held.numel() < size:
        held = _held.buffer = torch.empty(size)
    return held[:size].view(shape)


@cache
def _compiled(reference: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    """Compile a reference, once, for shapes that change from batch to batch; give it as it is where that cannot be."""
    if _is_compiler_missing(device):
        return reference
    form: Callable[..., Tensor] = torch.compile(reference, dynamic=True)
    return form


@cache
def _is_compiler_missing(device: torch.device) -> bool:
    """Tell whether torch cannot compile for a CUDA device, and warn of that once."""
    why = _obstacle(device)
    if why:
        told = f"{device}: {why}, so sums over neighbours are not compiled: slower, and more GPU memory is taken"
        warnings.warn(told, CgcnnMdWarning, stacklevel=2)
    return bool(why)


def _obstacle(device: torch.device) -> str:
    """Say what torch lacks to compile for a CUDA device; nothing where it can."""
    major, minor = torch.cuda.get_device_capability(device)
    if (major, minor) < _OLDEST:
        return f"its compute capability is {major}.{minor}, and Triton wants {_OLDEST[0]}.{_OLDEST[1]} or more"
    try:
        from torch.utils._triton import has_triton  # the module is torch's own, and may go
    except ImportError:
        return "this torch does not tell whether Triton is there"
    return "" if has_triton() else "Triton is not installed or does not work"
