"""Detection of the watermark after compression, resampling and noise, and false alarms on unmarked recordings.

    python benchmarks/watermark.py clips/ --out marked/
    python benchmarks/watermark.py natural/ --false-alarms

The first command watermarks the first seconds of every recording in a folder, writes each with and without the
watermark, and detects it after each kind of processing. The second detects it in recordings that have none.
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

SUFFIXES = {".wav", ".flac", ".opus", ".ogg", ".mp3"}


def noisy(wav: np.ndarray, snr_db: float) -> np.ndarray:
    """Add white noise at a signal-to-noise ratio in dB."""
    noise = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    return wav + noise * np.float32(np.sqrt(np.mean(wav**2)) * 10 ** (-snr_db / 20))


def narrow(wav: np.ndarray, rate: int) -> np.ndarray:
    """Resample to a lower rate and back."""
    return resample(resample(wav, SAMPLE_RATE, rate), rate, SAMPLE_RATE)


PROCESSING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean, 16 bit": lambda wav: np.rint(wav * 32768).astype(np.float32) / 32768,
    "mp3, 64 kbit/s": lambda wav: coded(wav, "libmp3lame", 64),
    "mp3, 32 kbit/s": lambda wav: coded(wav, "libmp3lame", 32),
    "Opus, 24 kbit/s": lambda wav: coded(wav, "libopus", 24),
    "Opus, 12 kbit/s": lambda wav: coded(wav, "libopus", 12),
    "8 kHz and back": lambda wav: narrow(wav, 8000),
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
    watermarker, scores = load_watermarker(), {}
    if given.false_alarms:
        scores["no watermark"] = [detected(watermarker, wav) for _, wav in recordings(given.folder, given.limit)]
        return report(scores)
    marked = []
    for name, wav in recordings(given.folder, given.limit):
        wav = wav[: int(given.seconds * SAMPLE_RATE)]
        marked.append(watermarker.apply(wav, SAMPLE_RATE))
        if given.out is not None:
            (given.out / "marked").mkdir(parents=True, exist_ok=True)
            (given.out / "plain").mkdir(exist_ok=True)
            write_audio(given.out / "marked" / f"{name}.wav", marked[-1], overwrite=True)
            write_audio(given.out / "plain" / f"{name}.wav", wav, overwrite=True)
    for what, process in PROCESSING.items():
        report({what: [detected(watermarker, process(wav)) for wav in marked]})


def report(scores: dict[str, list[float]]) -> None:
    for what, values in scores.items():
        found, spread = np.array(values) >= THRESHOLD, np.quantile(values, [0, 0.01, 0.5, 0.99, 1])
        print(f"{what:<20} {found.sum():>5} of {len(values)} detected, scores", *np.round(spread, 3), flush=True)


if __name__ == "__main__":
    main()
