"""Measure the models: every later decision rests on these figures.

    python evaluate.py encoder data/one data/two --public --mfcc --noise data/noise
    python evaluate.py vocoder data/test --vocoder griffin-lim spectral wavernn mine=runs/vocoder/best.safetensors
    python evaluate.py cloning --references samples --sentences samples/sentences.txt --natural data/test --out report

How to read the figures: docs/evaluation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from speech.errors import exit_on_speech_error

if TYPE_CHECKING:
    from cloning import VoiceCloner
    from evaluation.report import Notes

Item = TypeVar("Item")


@dataclass(frozen=True)
class Encoder:
    """Equal error rate and minDCF over all pairs of clips, for each corpus: whole utterances and short stretches of
    speech, clean and in noise."""

    corpora: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]
    """Corpora, each measured by itself: folders or lhotse manifests."""
    encoder: tuple[str, ...] = ("models/default/encoder.safetensors",)
    """Model files, or label=FILE."""
    public: bool = False
    """Also measure the public encoder, from the package resemblyzer."""
    mfcc: bool = False
    """Also measure means of MFCC, and means and deviations, which any trained encoder has to beat."""
    noise: Path | None = None
    """Folder of noises to mix in; only those that are kept back from training are used."""
    snr: tuple[float, ...] = (10.0, 0.0)
    """Signal-to-noise ratios in dB."""
    seconds: tuple[float, ...] = (1.6, 3.0, 5.0)
    """Seconds of speech in the short clips."""
    limit_per_speaker: int | None = None
    """Utterances of each speaker at most."""
    held_out: bool = False
    """Only utterances that no stage trains on."""
    seed: int = 0
    """Of the choice of utterances, of the stretches cut from them, and of the noise."""
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
    """Names ("spectral", "wavernn", "griffin-lim"), model files, or label=FILE."""
    models: Path = Path("models/default")
    """Folder in which names are looked up."""
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
    """Names, model files or label=FILE, each measured on the same mels; the folder's choice if none."""
    natural: tuple[Path, ...] = ()
    """Transcribed corpora of natural speech to measure beside the clones, as it is and as copy synthesis."""
    natural_limit: int | None = None
    """Natural utterances at most; as many as there are sentences if not given, so that the choice is as hard."""
    limit: int | None = None
    """Outputs at most, spread over references and sentences."""
    clips: int | None = None
    """Clone each voice from so many of its clips together, and judge its likeness by the mean of its others; without
    it, each clip is cloned from and judged by alone."""
    open_limit: int | None = None
    """Outputs of each kind whose words are recognised openly, the slowest part by far; all if not given."""
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
    commands: dict[str, Callable[..., Any]] = {"encoder": Encoder, "vocoder": Vocoder, "cloning": Cloning}
    arguments: Any = tyro.extras.subcommand_cli_from_dict(
        commands, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,)
    )
    actions: dict[type, Callable[[Any], None]] = {
        Encoder: evaluate_encoder, Vocoder: evaluate_vocoder, Cloning: evaluate_cloning,
    }  # fmt: skip
    actions[type(arguments)](arguments)
    return 0


def evaluate_encoder(given: Encoder) -> None:
    from evaluation.encoder_study import Plan, encoder_figures
    from evaluation.noise import NoiseSet
    from evaluation.report import Notes

    check(given)
    noises = NoiseSet(given.noise) if given.noise is not None else None
    embedders, compared = load_embedders(given)
    plan = Plan(
        crops=given.seconds,
        ratios=given.snr if noises is not None else (),
        held_out=given.held_out,
        limit_per_speaker=given.limit_per_speaker,
        seed=given.seed,
    )
    notes = Notes()
    notes.add(
        "EER: equal error rate; minDCF at a prior of 1 %; both over all pairs of clips, bootstrapped over speakers."
    )
    if noises is not None:
        notes.add(f"{len(noises)} noises that no training hears, mixed into the recordings before anything else.")
    figures = encoder_figures(given.corpora, embedders, compared, plan, noises, notes, progress)
    present("Speaker verification", given, figures, [], notes, counted=False)


def load_embedders(given: Encoder) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What is to be tested, by label, and the labels of those whose difference is told.

    Raises:
        ConfigError: two have one name, or the public encoder is missing.
        ModelFileError
    """
    from cloning import resolve_device
    from encoder import SpeakerEncoder
    from evaluation.judge import public_encoder
    from evaluation.mfcc import MfccBaseline
    from evaluation.sets import labelled
    from evaluation.verification import EncoderUnderTest
    from speech.errors import ConfigError

    device = resolve_device(given.device)
    embedders: dict[str, Any] = {}
    public = {"public encoder": lambda: EncoderUnderTest(public_encoder())} if given.public else {}
    mfcc = {"mean MFCC": MfccBaseline, "MFCC means and deviations": lambda: MfccBaseline(standardised=True)}
    rivals: dict[str, Any] = public | (mfcc if given.mfcc else {})
    files = [labelled(name) for name in given.encoder]
    names = [*(label for label, _ in files), *rivals]
    for label in names:
        if names.count(label) > 1:
            raise ConfigError(f"Two encoders are called {label!r}: give label=FILE, so that the report is clear.")
    for label, file in files:
        embedders[label] = EncoderUnderTest(SpeakerEncoder.load(file, device=device))
    embedders |= {label: make() for label, make in rivals.items()}
    return embedders, [(label, rival) for rival in public or rivals for label, _ in files]


def evaluate_vocoder(given: Vocoder) -> None:
    from cloning import resolve_device
    from evaluation.distances import Pesq
    from evaluation.figures import Figure
    from evaluation.judge import VoiceJudge
    from evaluation.memory import SECONDS, vocoder_memory
    from evaluation.panel import Panel
    from evaluation.plots import Gallery
    from evaluation.recogniser import Recogniser
    from evaluation.report import Notes
    from evaluation.studies import natural_rows

    check(given)
    notes = Notes()
    files, device = find_vocoders(given.vocoder, given.models), resolve_device(given.device)
    vocoders = load_vocoders(files, None, device)
    recogniser = Recogniser() if given.words else None
    panel = Panel(recogniser, notes.unless_missing(VoiceJudge), notes.unless_missing(Pesq))
    gallery = Gallery(given.out, given.plots)
    rows = natural_rows(
        panel, vocoders, given.corpora, given.limit, notes, gallery, progress,
        held_out=given.held_out, with_text=given.words, seed=given.seed,
    )  # fmt: skip
    figures, measured = summaries(rows)
    for label, file in files.items():
        megabytes = vocoder_memory(file, device)
        if megabytes is not None:
            figures[f"copy, {label}"]["memory: peak in MB"] = Figure(megabytes, 1)
    notes.add(
        f"Memory: of a process that loads the vocoder and vocodes {SECONDS:g} s, above an interpreter with PyTorch."
    )
    present("Copy synthesis", given, figures, measured, notes)


def evaluate_cloning(given: Cloning) -> None:
    from cloning import ModelFiles, VoiceCloner
    from evaluation.distances import Pesq
    from evaluation.judge import VoiceJudge
    from evaluation.panel import Panel
    from evaluation.plots import Gallery
    from evaluation.recogniser import Recogniser
    from evaluation.report import Notes
    from evaluation.sets import find_references, labelled, read_sentences
    from evaluation.studies import clone_rows, natural_rows

    check(given)
    notes = Notes()
    references, sentences = find_references(given.references), read_sentences(given.sentences)
    files = ModelFiles.find(
        given.models,
        encoder=given.encoder,
        synthesizer=given.synthesizer,
        vocoder=labelled(given.vocoder[0])[1] if given.vocoder else None,
    )
    cloner = VoiceCloner.load(files, device=given.device)
    names = given.vocoder or (str(files.vocoder) if files.vocoder else "griffin-lim",)
    vocoders = load_vocoders(find_vocoders(names, given.models), cloner, str(cloner.synthesizer.device))
    panel = Panel(Recogniser(), VoiceJudge(), notes.unless_missing(Pesq), given.open_limit)
    gallery = Gallery(given.out, given.plots)
    rows = list(
        clone_rows(
            panel,
            cloner,
            vocoders,
            references,
            sentences,
            given.limit,
            notes,
            gallery,
            progress,
            seed=given.seed,
            clips=given.clips,
        )
    )
    if given.natural:
        limit = given.natural_limit or len(sentences)
        rows += natural_rows(
            panel, vocoders, given.natural, limit, notes, gallery, progress, with_text=True, seed=given.seed
        )
    notes.add(f"Sentences: {given.sentences.name}. Vocoders: {', '.join(vocoders)}.")
    present("Voice cloning", given, *summaries(rows), notes)


def check(given: Encoder | Vocoder | Cloning) -> None:
    """Refuse what can be refused before anything is loaded. Raises: ConfigError, StorageError."""
    from evaluation.report import check_report_folder
    from evaluation.sets import check_limit
    from speech.errors import ConfigError

    if isinstance(given, Encoder):
        check_limit("--limit-per-speaker", given.limit_per_speaker)
        if any(not 0.5 <= seconds <= 600 for seconds in given.seconds):
            raise ConfigError("--seconds must lie between 0.5 and 600.")
        if any(not -30 <= ratio <= 60 for ratio in given.snr):
            raise ConfigError("--snr must lie between -30 and 60 dB.")
    else:
        check_limit("--limit", given.limit, 2)
    if isinstance(given, Cloning):
        check_limit("--natural-limit", given.natural_limit, 2)
        check_limit("--open-limit", given.open_limit)
        check_limit("--clips", given.clips)
    if given.out is not None:
        check_report_folder(given.out, given.force)


def find_vocoders(names: Sequence[str], models: Path) -> dict[str, str]:
    """The file, or "griffin-lim", of each vocoder by its label.

    Raises:
        ConfigError: two have one name.
        ModelFileError: a name is not known, or the folder holds no such vocoder.
    """
    from evaluation.sets import labelled
    from speech.errors import ConfigError
    from vocoder.names import GRIFFIN_LIM, find_vocoder

    files: dict[str, str] = {}
    for name in names:
        label, file = labelled(name)
        if label in files:
            raise ConfigError(f"Two vocoders are called {label!r}: give label=FILE, so that the report is clear.")
        files[label] = GRIFFIN_LIM if file.lower() == GRIFFIN_LIM else str(find_vocoder(models, file))
    return files


def load_vocoders(files: dict[str, str], cloner: VoiceCloner | None, device: str) -> dict[str, Any]:
    """Vocoders by their labels. Raises: ConfigError if one is made for other mels; ModelFileError."""
    from evaluation.outputs import load_vocoder
    from speech.errors import ConfigError

    vocoders: dict[str, Any] = {}
    config = cloner.synthesizer.mel_config if cloner else None
    for label, file in files.items():
        vocoders[label] = load_vocoder(file, config, device)
        if config is not None and vocoders[label].mel_config != config:
            raise ConfigError(f"The vocoder {label} was trained on other mels than the synthesizer makes.")
    return vocoders


def summaries(rows: Iterable[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The figures of each condition, and all the rows they come from."""
    from evaluation.panel import by_condition, summarise

    rows = list(rows)
    return {condition: summarise(part) for condition, part in by_condition(rows).items()}, rows


def present(
    title: str, given: Encoder | Vocoder | Cloning, figures: Any, rows: list[Any], notes: Notes, counted: bool = True
) -> None:
    """Print the table and write the report."""
    from evaluation.report import Report, write_report

    report = Report(title, settings(given), figures, rows, notes.all(), counted)
    print(report.to_markdown(), end="")
    if given.out is not None:
        write_report(given.out, report)
        print(f"\nreport written to {given.out}")


def settings(given: Any) -> dict[str, Any]:
    """The arguments, ready for JSON; folders shortened to their last two parts, for a report may be published."""
    from evaluation.sets import labelled

    def short(path: Path) -> str:
        return "/".join(path.parts[-2:])

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if isinstance(value, str) and "/" in value:  # FILE or label=FILE
            label, file = labelled(value)
            return f"{label}={short(Path(file))}"
        return short(value) if isinstance(value, Path) else value

    return {"command": type(given).__name__.lower(), **{name: plain(value) for name, value in vars(given).items()}}


def progress(items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    from tqdm import tqdm

    return tqdm(items, what, total, file=sys.stderr, disable=None)


if __name__ == "__main__":
    sys.exit(main())
