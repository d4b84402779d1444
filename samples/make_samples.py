"""Make the reference clips of this folder with the voices of Debian's `flite`.

    sudo apt install flite
    python samples/make_samples.py [--out-dir samples]

The clips are synthetic, so that the project may distribute them and no person's voice is cloned without consent.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

SAMPLE_RATE = 16_000
PEAK = 0.7  # about -3 dBFS, far from clipping
FADE_SECONDS = 0.01

# (file, flite voice, flite settings, text). The texts differ, so that voices cannot be recognised by them.
CLIPS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    (
        "slt.flac",
        "slt",
        {},
        "The ferry leaves the northern harbor at dawn and crosses a quiet bay. On clear mornings the passengers can "
        "watch the fishing boats return, followed by a cloud of hungry gulls.",
    ),
    (
        "rms.flac",
        "rms",
        {},
        "Before winter we repaired the old stone wall behind the orchard. My uncle mixed the mortar while I carried "
        "flat rocks up from the river in a squeaky wooden cart.",
    ),
    (
        "awb.flac",
        "awb",
        {},
        "A good loaf of bread needs only flour, water, salt and patience. Fold the dough gently, let it rest under a "
        "damp towel, and never hurry the oven.",
    ),
    (
        "kal.flac",
        "kal16",
        {"duration_stretch": "1.1"},
        "Each evening the astronomer wrote down the weather, the moon and the position of three faint stars. After "
        "forty years her notebooks filled two long shelves.",
    ),
)


def speak(voice: str, settings: dict[str, str], text: str) -> np.ndarray:
    """Speak a text with a voice of flite.

    Returns:
        float32 [samples] at 16 kHz, peak 0.7, faded in and out over 10 ms.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        options = [part for name, value in settings.items() for part in ("--setf", f"{name}={value}")]
        subprocess.run(["flite", "-voice", voice, *options, "-t", text, "-o", str(path)], check=True)
        wav, rate = sf.read(path, dtype="float32")
    wav = soxr.resample(wav, rate, SAMPLE_RATE)
    wav = wav * (PEAK / np.abs(wav).max())
    ramp = np.linspace(0.0, 1.0, int(FADE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    wav[: len(ramp)] *= ramp
    wav[-len(ramp) :] *= ramp[::-1]
    return wav


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the reference clips of samples/ with flite's voices.")
    parser.add_argument("--out-dir", type=Path, default=Path(__file__).parent)
    out_dir = parser.parse_args().out_dir
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, voice, settings, text in CLIPS:
        try:
            wav = speak(voice, settings, text)
        except FileNotFoundError:
            print("error: flite is not installed; on Debian: sudo apt install flite", file=sys.stderr)
            return 2
        except subprocess.CalledProcessError:
            print(f"error: flite has no voice {voice}; `flite -lv` lists its voices", file=sys.stderr)
            return 2
        path = out_dir / name
        sf.write(path, wav, SAMPLE_RATE, subtype="PCM_16")
        level = 10 * np.log10(np.mean(np.square(wav)))
        print(f"{path}: {len(wav) / SAMPLE_RATE:.1f} s, {level:.1f} dBFS, {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
