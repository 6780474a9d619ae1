"""GPUs by their makers' figures, and how much of their memory and speed training gets."""

from __future__ import annotations

from dataclasses import dataclass

# Shares of the printed figures that a training step reaches, and the time to start one operation.
MULTIPLYING, MOVING, OPERATION_SECONDS = 0.6, 0.8, 4e-6
# What the driver's context takes, and the share by which an allocator reserves more than is in use.
CONTEXT_GIB, RESERVE = 0.5, 0.05


@dataclass(frozen=True)
class GPU:
    """`short` is for where there is little room, `gib` what programs see of the memory. TFLOPS are dense, in 16 bits with sums in 32 and in 32 bits."""

    name: str
    title: str
    short: str
    gib: float
    gigabytes_per_second: float
    narrow_tflops: float
    wide_tflops: float
    source: str


GPUS = (
    GPU("t4", "T4 16 GB", "T4", 14.6, 320, 65, 8.1, "NVIDIA T4 datasheet, 2019; 65 TFLOPS are float16"),
    GPU("rtx3090", "RTX 3090 24 GB", "3090", 23.7, 936, 71, 35.6, "NVIDIA Ampere GA102 whitepaper, 2021"),
    GPU("rtx4090", "RTX 4090 24 GB", "4090", 23.6, 1008, 165, 82.6, "NVIDIA Ada whitepaper, 2022"),
    GPU("a100-40", "A100 40 GB", "A100 40", 39.4, 1555, 312, 19.5, "NVIDIA A100 datasheet, 2021"),
    GPU("a100-80", "A100 80 GB", "A100 80", 79.2, 2039, 312, 19.5, "NVIDIA A100 datasheet, 2021"),
    GPU("h100", "H100 80 GB", "H100", 79.1, 3350, 989, 67, "NVIDIA H100 SXM datasheet, 2023"),
    GPU("l40s", "L40S 48 GB", "L40S", 44.5, 864, 362, 91.6, "NVIDIA L40S datasheet, 2023"),
)
BY_NAME = {gpu.name: gpu for gpu in GPUS}
# What the table of fits asks about.
SHOWN = ("t4", "rtx3090", "rtx4090", "a100-40", "a100-80", "h100")


def gpu(name: str) -> GPU:
    """ValueError for an unknown one."""
    if name not in BY_NAME:
        raise ValueError(f"unknown device {name!r}; known: here, {', '.join(BY_NAME)}")
    return BY_NAME[name]


def fits(peak_bytes: int, gib: float) -> bool:
    """Whether a training step with this peak of live tensors gets through on a GPU of so much memory."""
    return peak_bytes * (1 + RESERVE) / 2**30 + CONTEXT_GIB <= gib
