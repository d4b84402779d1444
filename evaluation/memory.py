"""Peak memory of a vocoder, measured in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from speech.mel_config import MelConfig

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 10.0  # of mel that the process vocodes

_PROGRAM = """
import json
import sys
from pathlib import Path
import numpy as np
import torch
from evaluation.memory import kilobytes
from speech.mel_config import MelConfig
from vocoder import Vocoder
from vocoder.families import load_vocoder
file, settings, seconds, device = sys.argv[1:]
config = MelConfig.from_json(json.loads(settings))
frames = round(float(seconds) * config.frames_per_second)
mel = np.random.default_rng(0).uniform(-4, 4, (config.n_mels, frames)).astype(np.float32)
torch.set_num_threads(1)
before = kilobytes("VmRSS")
load_vocoder(Path(file) if file else None, config, device).vocode(mel, seed=0)
print((kilobytes("VmHWM") - before) * 1024 / 1e6)
"""


def vocoder_memory(file: Path | None, mel_config: MelConfig, device: str = "cpu") -> float | None:
    """Peak memory in MB of loading a vocoder and vocoding 10 s; None on systems that do not report it.

    The memory of an interpreter that has imported PyTorch and the facade and holds the mel is subtracted.

    Args:
        file: the model file; None for a family that has none.
        mel_config: mel settings of the vocoder.
    """
    if not Path("/proc/self/status").is_file():
        return None
    arguments = ["" if file is None else str(file.resolve()), json.dumps(mel_config.to_json()), str(SECONDS), device]
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def kilobytes(field: str) -> float:
    """A field of this process's status in kB. Only on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
