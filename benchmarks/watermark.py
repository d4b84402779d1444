"""Detection of the watermark after compression, resampling and noise, and false alarms on unmarked recordings.

    python benchmarks/watermark.py clips/ --out marked/
    python benchmarks/watermark.py natural/ --false-alarms

The first command watermarks the first seconds of every recording in a folder, writes each with and without the
watermark, and detects it after each kind of processing. The second detects it in whole recordings that have none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cloning.watermark import THRESHOLD, Watermarker, load_watermarker
from evaluation.codecs import coded
from speech.audio import SAMPLE_RATE, read_audio, resample, write_audio

THRESHOLDS = sorted({0.5, 0.6, 0.65, 0.7, 0.75, 0.8, THRESHOLD})
SUFFIXES = {".wav", ".flac", ".opus", ".ogg", ".mp3"}


def noisy(wav: np.ndarray, snr_db: float) -> np.ndarray:
    """Add white noise at a signal-to-noise ratio in dB."""
    noise = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    return wav + noise * np.float32(np.sqrt(np.mean(wav**2)) * 10 ** (-snr_db / 20))


def resampled(wav: np.ndarray, rate: int) -> np.ndarray:
    """Resample to another rate and back."""
    return resample(resample(wav, SAMPLE_RATE, rate), rate, SAMPLE_RATE)


PROCESSING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean, 16 bit": lambda wav: np.rint(wav * 32768).astype(np.float32) / 32768,
    "mp3, 64 kbit/s": lambda wav: coded(wav, "libmp3lame", 64),
    "mp3, 32 kbit/s": lambda wav: coded(wav, "libmp3lame", 32),
    "Opus, 24 kbit/s": lambda wav: coded(wav, "libopus", 24),
    "Opus, 12 kbit/s": lambda wav: coded(wav, "libopus", 12),
    "44.1 kHz and back": lambda wav: resampled(wav, 44_100),
    "8 kHz and back": lambda wav: resampled(wav, 8000),
    "white noise, 30 dB": lambda wav: noisy(wav, 30),
    "white noise, 20 dB": lambda wav: noisy(wav, 20),
    "white noise, 10 dB": lambda wav: noisy(wav, 10),
}


def recordings(folder: Path, limit: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and samples of each recording below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    for path in paths[:: max(len(paths) // limit, 1)][:limit]:
        yield path.stem, read_audio(path)


def detected(watermarker: Watermarker, wav: np.ndarray) -> float:
    """The highest score of a clip."""
    return float(watermarker.scores(wav, SAMPLE_RATE).max(initial=0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the clips with and without the watermark")
    parser.add_argument("--false-alarms", action="store_true")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each recording that are marked")
    given = parser.parse_args()
    watermarker = load_watermarker()
    if given.false_alarms:
        return report("no watermark", [detected(watermarker, wav) for _, wav in recordings(given.folder, given.limit)])
    marked, levels = [], []
    for name, wav in recordings(given.folder, given.limit):
        wav = wav[: int(given.seconds * SAMPLE_RATE)]
        marked.append(watermarker.apply(wav, SAMPLE_RATE))
        levels.append(10 * np.log10(np.mean((marked[-1] - wav) ** 2) / np.mean(wav**2)))
        if given.out is not None:
            (given.out / "marked").mkdir(parents=True, exist_ok=True)
            (given.out / "plain").mkdir(exist_ok=True)
            write_audio(given.out / "marked" / f"{name}.wav", marked[-1], overwrite=True)
            write_audio(given.out / "plain" / f"{name}.wav", wav, overwrite=True)
    print("level of the watermark relative to the speech: median, lowest and highest in dB", end=" ")
    print(*np.round(np.quantile(levels, [0.5, 0, 1]), 1), flush=True)
    for what, process in PROCESSING.items():
        report(what, [detected(watermarker, process(wav)) for wav in marked])


def report(what: str, values: list[float]) -> None:
    """Print how many scores reach each threshold, and their spread."""
    counts = (f"{sum(value >= threshold for value in values)} at {threshold}" for threshold in THRESHOLDS)
    spread = np.round(np.quantile(values, [0, 0.01, 0.5, 0.99, 1]), 3)
    print(f"{what:<20} of {len(values)} clips", *counts, sep=", ", end="; scores ")
    print(*spread, flush=True)


if __name__ == "__main__":
    main()
