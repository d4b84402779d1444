"""Measure the models: every later decision rests on these figures.

    python evaluate.py encoder data/test --encoder models/default/encoder.safetensors --public
    python evaluate.py vocoder data/test --vocoder griffin-lim models/default/vocoder.safetensors
    python evaluate.py cloning --references samples --sentences samples/sentences.txt --natural data/test --out report

How to read the figures: docs/evaluation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from speech.errors import exit_on_speech_error

if TYPE_CHECKING:
    from evaluation.report import Report

Item = TypeVar("Item")


@dataclass(frozen=True)
class Encoder:
    """Equal error rate over all pairs of utterances: whole ones, and 1.6, 3 and 5 s of speech."""

    corpora: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]
    """Corpora, evaluated together: folders or lhotse manifests."""
    encoder: Path = Path("models/default/encoder.safetensors")
    """The encoder's model file."""
    public: bool = False
    """Also measure the public encoder, from the package resemblyzer."""
    limit: int | None = None
    """Utterances at most, spread over the speakers."""
    held_out: bool = False
    """Only utterances that no stage trains on."""
    seed: int = 0
    """Of the choice of utterances and of the stretches cut from them."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    out: Path | None = None
    """Folder for report.json and report.md."""
    force: bool = False
    """Overwrite a report that is there."""


@dataclass(frozen=True)
class Vocoder:
    """Copy synthesis: recordings -> mels -> vocoder, compared with the recordings."""

    corpora: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]
    """Corpora, evaluated together: folders or lhotse manifests."""
    vocoder: tuple[str, ...] = ("griffin-lim",)
    """Model files, or "griffin-lim"."""
    limit: int | None = 40
    """Utterances at most, spread over the speakers."""
    held_out: bool = False
    """Only utterances that no stage trains on."""
    words: bool = True
    """Have a recogniser listen (the slowest part)."""
    seed: int = 0
    """Of the choice of utterances and of the vocoders."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    out: Path | None = None
    """Folder for report.json and report.md, and pictures of a few mels."""
    plots: int = 4
    """Outputs of each vocoder to keep as a sound and a picture."""
    force: bool = False
    """Overwrite a report that is there."""


@dataclass(frozen=True)
class Cloning:
    """Clone voices and measure whether the words can be made out and the voice be told, beside natural speech."""

    references: tuple[Path, ...]
    """Reference clips, or folders of them; each clip is one voice (a metadata.csv may say otherwise)."""
    sentences: Path
    """Text file, one sentence a line: what is said, and the closed set that the recogniser chooses from."""
    out: Path
    """Folder for report.json, report.md, and sounds and pictures of a few outputs."""
    models: Path = Path("models/default")
    """Folder of the model files."""
    encoder: Path | None = None
    """Another encoder than the folder's."""
    synthesizer: Path | None = None
    """Another synthesizer than the folder's."""
    vocoder: tuple[str, ...] = ()
    """Model files or "griffin-lim", each measured on the same mels; the folder's choice if none."""
    natural: tuple[Path, ...] = ()
    """Transcribed corpora of natural speech to measure beside the clones, as it is and as copy synthesis."""
    natural_limit: int | None = None
    """Natural utterances at most; as many as there are sentences if not given, so that the choice is as hard."""
    limit: int | None = None
    """Outputs at most, spread over references and sentences."""
    seed: int = 0
    """Makes the whole evaluation repeatable."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    plots: int = 4
    """Outputs of each kind to keep as a sound and a picture."""
    force: bool = False
    """Overwrite a report that is there."""


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    commands = {"encoder": Encoder, "vocoder": Vocoder, "cloning": Cloning}
    arguments: Any = tyro.extras.subcommand_cli_from_dict(
        commands, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,)
    )
    {Encoder: evaluate_encoder, Vocoder: evaluate_vocoder, Cloning: evaluate_cloning}[type(arguments)](arguments)
    return 0


def evaluate_encoder(given: Encoder) -> None:
    from cloning import resolve_device
    from encoder import SpeakerEncoder
    from evaluation.judge import public_encoder
    from evaluation.report import check_report_folder
    from evaluation.sets import check_limit, choose_utterances, read_recordings
    from evaluation.verification import SpeechSet, equal_error_rates

    check_limit("--limit", given.limit, 3)
    if given.out is not None:
        check_report_folder(given.out, given.force)
    encoders = {given.encoder.stem: SpeakerEncoder.load(given.encoder, device=resolve_device(given.device))}
    if given.public:
        encoders["public encoder"] = public_encoder()
    notes = Notes()
    utterances = choose_utterances(given.corpora, given.limit, held_out=given.held_out, seed=given.seed)
    notes.training_speech(utterances)
    speech = SpeechSet(progress(read_recordings(utterances, on_reject=notes.reject), "reading", len(utterances)),
                       notes.reject)  # fmt: skip
    figures = {label: equal_error_rates(encoder, speech, given.seed) for label, encoder in encoders.items()}
    notes.add(f"{len(speech.wavs)} utterances of {len(set(speech.speakers))} speakers; n counts utterances.")
    finish("Speaker verification", given, figures, [], notes, given.out)


def evaluate_vocoder(given: Vocoder) -> None:
    from cloning import resolve_device
    from evaluation.judge import VoiceJudge
    from evaluation.outputs import copy_output, load_vocoder, vocoder_label
    from evaluation.panel import Panel
    from evaluation.recogniser import Recogniser
    from evaluation.report import check_report_folder
    from evaluation.sets import check_limit, choose_utterances

    check_limit("--limit", given.limit)
    if given.out is not None:
        check_report_folder(given.out, given.force)
    notes = Notes()
    device = resolve_device(given.device)
    vocoders = {vocoder_label(name): load_vocoder(name, device=device) for name in given.vocoder}
    recogniser = Recogniser() if given.words else None
    panel = Panel(recogniser, notes.unless_missing(VoiceJudge), notes.unless_missing(pesq_judge))
    utterances = choose_utterances(given.corpora, given.limit, held_out=given.held_out, seed=given.seed)
    notes.training_speech(utterances)
    rows = natural_rows(panel, vocoders, utterances, notes, given)
    finish("Copy synthesis", given, summaries(rows), rows, notes, given.out)
