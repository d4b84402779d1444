"""Measure units: agreement with phones, and what they tell about the speaker.

    python -m evaluation.units CORPUS ... --units runs/units-2/units.safetensors runs/units-2/mfcc.safetensors

The phones of a recording are those of forced alignment (`speech.alignment.align_phones`). It has errors of its own, so
compare units with each other, on the same recordings.
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
from speech.audio import SAMPLE_RATE
from speech.errors import AudioError, ConfigError, CorpusError, exit_on_speech_error

if TYPE_CHECKING:
    from evaluation.figures import Figure
    from evaluation.report import Report
    from evaluation.sets import Recording
    from synthesizer.units import UnitEncoder

FRAMES_PER_SECOND = 50
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
    from evaluation.report import Notes, Report
    from evaluation.sets import Material, read_recordings
    from synthesizer.units import load_unit_encoder

    systems = {label: load_unit_encoder(file, settings.hubert) for label, file in map(labelled, settings.units)}
    notes = Notes()
    material = Material(settings.corpora, notes.reject)
    chosen = material.choose(settings.limit, held_out=settings.held_out, with_text=True, seed=settings.seed)
    aligned: list[tuple[Recording, list[str]]] = []
    for recording in _shown(read_recordings(chosen, on_reject=notes.reject), len(chosen)):
        phones = phones_of(recording)
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


def phones_of(recording: Recording) -> list[str]:
    """The phone of each frame of 20 ms, "" in pauses. An empty list if the recording cannot be aligned."""
    from speech.alignment import align_phones, phone_per_frame

    try:
        phones = align_phones(recording.wav, recording.utterance.text)
    except AudioError:
        return []
    frames = len(recording.wav) * FRAMES_PER_SECOND // SAMPLE_RATE
    return phone_per_frame(phones, frames, 1 / FRAMES_PER_SECOND)


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
