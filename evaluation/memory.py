"""How much memory a vocoder takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 10.0  # of mel that the process vocodes

_PROGRAM = """
import sys
import numpy as np
import torch
from speech.mel import MelConfig
from vocoder import Vocoder
from evaluation.memory import kilobytes
from evaluation.outputs import load_vocoder
config = MelConfig()
frames = round(float(sys.argv[2]) * config.frames_per_second)
mel = np.random.default_rng(0).uniform(-4, 4, (config.n_mels, frames)).astype(np.float32)
torch.set_num_threads(1)
before = kilobytes("VmRSS")
load_vocoder(sys.argv[1], None, sys.argv[3]).vocode(mel, seed=0)
print((kilobytes("VmHWM") - before) * 1024 / 1e6)
"""


def vocoder_memory(name: str, device: str = "cpu") -> float | None:
    """Megabytes that loading a vocoder and vocoding 10 s take at their peak, above an interpreter that has imported
    PyTorch and the facade and holds the mel; None where the system does not tell.

    Args:
        name: the path of a model file, or "griffin-lim".
    """
    if not Path("/proc/self/status").is_file():
        return None
    command = [sys.executable, "-c", _PROGRAM, name if name == "griffin-lim" else str(Path(name).resolve())]
    done = subprocess.run([*command, str(SECONDS), device], cwd=ROOT, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def kilobytes(field: str) -> float:
    """A figure of this process's memory. Only on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
