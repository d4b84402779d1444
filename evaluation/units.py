"""Measure units: agreement with phones, and what they tell about the speaker.

    python -m evaluation.units CORPUS ... --units runs/units-2/units.safetensors runs/units-2/mfcc.safetensors

The phones of a recording are those that the synthesizer's attention aligns to it by teacher forcing
(`Synthesizer.align`). They have errors of their own, so compare units with each other, on the same recordings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tyro

from evaluation.settings import Corpora, labelled
from modelfile.locations import DEFAULT_MODELS
from speech.errors import AudioError, ConfigError, CorpusError, TextError, exit_on_speech_error

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from evaluation.figures import Figure
    from evaluation.report import Report
    from evaluation.sets import Recording
    from synthesizer import Synthesizer
    from synthesizer.units import UnitEncoder

FRAMES_PER_SECOND = 50
MIN_COVERAGE = 0.8  # of the text by the alignment; a recording with less is left out
LEAST_CLIPS = 4


@dataclass(frozen=True)
class UnitSettings:
    """Measure unit encoders on transcribed corpora."""

    corpora: Corpora
    """Transcribed corpora: folders or lhotse manifests."""
    units: tuple[str, ...] = ()
    """Unit files, or label=FILE, all measured on the same recordings."""
    hubert: Path | None = None
    """Folder of the HuBERT model, for unit files that were made of its features."""
    limit: int = 120
    """Use at most this many recordings, spread over the speakers."""
    held_out: bool = False
    """Use only recordings that no stage is trained on."""
    models: Path = DEFAULT_MODELS
    """Folder of the encoder and the synthesizer that align."""
    seed: int = 0
    """Seed of the choice of recordings and of ABX."""
    out: Path | None = None
    """Folder for report.json and report.md."""
    force: bool = False
    """Overwrite an existing report."""

    def __post_init__(self) -> None:
        if not self.units:
            raise ConfigError("There are no units: name a file with --units.")
        if self.limit < LEAST_CLIPS:
            raise ConfigError(f"--limit must be at least {LEAST_CLIPS}, not {self.limit}.")


def measure(settings: UnitSettings) -> Report:
    """Align the recordings, encode them with each system, and measure.

    Raises:
        CorpusError: too few recordings can be aligned.
        SpeechError: a model or a corpus cannot be used.
    """
    from cloning import ModelFiles
    from cloning.models import load_encoder, load_synthesizer
    from evaluation.report import Notes, Report
    from evaluation.sets import Material, read_recordings
    from synthesizer.units import load_unit_encoder

    files = ModelFiles.find(settings.models)
    encoder, synthesizer = load_encoder(files, "cpu"), load_synthesizer(files, "cpu")
    systems = {label: load_unit_encoder(file, settings.hubert) for label, file in map(labelled, settings.units)}
    notes = Notes()
    material = Material(settings.corpora, notes.reject)
    chosen = material.choose(settings.limit, held_out=settings.held_out, with_text=True, seed=settings.seed)
    aligned: list[tuple[Recording, list[str]]] = []
    for recording in _shown(read_recordings(chosen, on_reject=notes.reject), len(chosen)):
        phones = phones_of(recording, encoder, synthesizer)
        if phones:
            aligned.append((recording, phones))
    if len(aligned) < LEAST_CLIPS or len({one.utterance.speaker for one, _ in aligned}) < 2:
        raise CorpusError("Too few recordings can be aligned with their texts: name a larger transcribed corpus.")
    figures = {label: system_figures(units, aligned, settings.seed) for label, units in systems.items()}
    speakers = len({one.utterance.speaker for one, _ in aligned})
    notes.add(f"{len(aligned)} of {len(chosen)} recordings of {speakers} speakers, the others cannot be aligned.")
    notes.add("ABX error: phones across speakers, by the centroids; chance is 50 %.")
    notes.add("Speaker EER: of the mean centroid of a recording; 50 % means that it tells nothing about the speaker.")
    return Report("Units", {"corpora": [path.name for path in settings.corpora]}, figures, [], notes.all())


def phones_of(recording: Recording, encoder: SpeakerEncoder, synthesizer: Synthesizer) -> list[str]:
    """The phone of each frame of 20 ms, without stress; "" in pauses. An empty list if it cannot be aligned."""
    from speech.mel import synthesis_mel
    from synthesizer.alignment_score import alignment_report
    from synthesizer.options import EmbeddedVoice
    from synthesizer.text.transcript import encode

    try:
        voice = EmbeddedVoice(encoder.embed(recording.wav))
        transcript = synthesizer.transcribe(recording.utterance.text)
        mel = synthesis_mel(recording.wav, synthesizer.mel_config)
        made = synthesizer.align(transcript, mel, voice, recording.utterance.key)
    except (AudioError, TextError):
        return []
    ids = encode(transcript, 1.0)
    if len(ids) != len(made.alignment) or alignment_report(made.alignment, stopped=True).coverage < MIN_COVERAGE:
        return []
    config = synthesizer.mel_config
    frames = len(recording.wav) // (config.sample_rate // FRAMES_PER_SECOND)
    steps = (np.arange(frames) + 0.5) / FRAMES_PER_SECOND * config.sample_rate / config.hop_length
    chosen = np.minimum(steps / synthesizer.reduction_factor, made.alignment.shape[1] - 1).astype(int)
    return [phone_name(int(ids[token])) for token in made.alignment.argmax(axis=0)[chosen]]


def phone_name(symbol: int) -> str:
    """The phoneme of a symbol without its stress; "" for anything else."""
    from synthesizer.text.symbols import PHONEME_MARK, SYMBOLS

    name = SYMBOLS[symbol]
    return name[1:].rstrip("012") if name.startswith(PHONEME_MARK) else ""


def system_figures(units: UnitEncoder, aligned: Sequence[tuple[Recording, list[str]]], seed: int) -> dict[str, Figure]:
    """The figures of one unit encoder."""
    from evaluation import unit_metrics as metrics
    from evaluation.error_rates import error_rates
    from evaluation.figures import Figure

    clips = []
    for recording, phones in aligned:
        found = units.encode(recording.wav)
        clips.append(
            metrics.LabelledUnits(recording.utterance.speaker, found, phones[: len(found)], units.centroids[found])
        )
    table = metrics.counts(clips)
    speakers = [clip.speaker for clip in clips]
    figures = {
        "phone purity": Figure(metrics.phone_purity(table), int(table.sum()), percent=True),
        "cluster purity": Figure(metrics.cluster_purity(table), int(table.sum()), percent=True),
        "mutual information with the phone": Figure(metrics.normalised_information(table), int(table.sum())),
        "ABX error": Figure(metrics.abx_error(clips, seed=seed), 5000, percent=True),
        "units in use": Figure(float(len(np.unique(np.concatenate([clip.units for clip in clips])))), len(clips)),
    }
    if 1 < len(set(speakers)) < len(speakers):
        figures["speaker EER"] = error_rates(metrics.unit_means(clips), speakers, seed).eer_figure()
    return figures


def _shown(items: Iterable[Recording], total: int) -> Iterable[Recording]:
    from tqdm import tqdm

    return tqdm(items, "recordings", total, file=sys.stderr, disable=None)


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the report if there is a folder for it."""
    from evaluation.report import check_report_folder, write_report

    name = "python -m evaluation.units"
    settings = tyro.cli(UnitSettings, prog=name, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    if settings.out is not None:
        check_report_folder(settings.out, settings.force)
    report = measure(settings)
    print(report.to_markdown(), end="")
    if settings.out is not None:
        write_report(settings.out, report)


if __name__ == "__main__":
    main()
