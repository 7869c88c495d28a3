"""In which numbers a network is trained; its weights are always kept in float32 beside it."""

from __future__ import annotations

import torch


def arithmetic(device: str) -> torch.dtype:
    """bfloat16 where the device multiplies in it, else float32.

    A CPU that does not know bfloat16 computes it some 40 times slower than float32 (1.2 against 53 GFLOPS a core of an
    AMD EPYC with AVX2).
    """
    slow = device.startswith("cpu") and not torch.cpu.get_capabilities().get("avx512_bf16")
    return torch.float32 if slow else torch.bfloat16
