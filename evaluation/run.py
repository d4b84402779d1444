"""The evaluations: load what they need, run the study, print and write the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from cloning import EndToEnd, ModelFiles, TwoStage, VoiceCloner, resolve_device
from cloning.models import load_encoder, load_synthesizer
from cloning.speech_model import SynthesizerModel
from encoder import SpeakerEncoder
from evaluation.clip_tests import EncoderUnderTest
from evaluation.cloning_study import ClonePlan, clone_rows
from evaluation.conversion_study import ConversionPlan, conversion_rows
from evaluation.encoder_study import EncoderPlan, encoder_figures
from evaluation.figures import Figure
from evaluation.gallery import Gallery
from evaluation.judges import load_judges
from evaluation.measurements import Metrics, Row, by_condition, summarise
from evaluation.memory import SECONDS, vocoder_memory
from evaluation.mfcc import MfccBaseline
from evaluation.natural_study import NaturalPlan, natural_rows
from evaluation.noise import NoiseSet
from evaluation.report import Notes, Report, check_report_folder, write_report
from evaluation.robustness import add_losses, plot_robustness
from evaluation.sets import find_references, read_sentences
from evaluation.settings import (
    NO_RECOGNISER,
    CloningSettings,
    ConversionSettings,
    EncoderSettings,
    Settings,
    VocoderSettings,
    as_json,
    labelled,
)
from evaluation.similarity import public_encoder
from evaluation.study import Study
from evaluation.vocoders import fileless_vocoder, find_vocoders, load_vocoders
from modelfile.header import read_header
from speech.errors import ConfigError
from speech.mel_config import MelConfig

Item = TypeVar("Item")


def run(settings: Settings) -> None:
    """Evaluate, print the table, and write the report if there is a folder for it.

    Raises:
        SpeechError: a setting, a model or a corpus cannot be used.
    """
    if settings.out is not None:
        check_report_folder(settings.out, settings.force)
    evaluations: dict[type, Callable[[Any], Report]] = {
        EncoderSettings: evaluate_encoder,
        VocoderSettings: evaluate_vocoder,
        CloningSettings: evaluate_cloning,
        ConversionSettings: evaluate_conversion,
    }
    report = evaluations[type(settings)](settings)
    print(report.to_markdown(), end="")
    if settings.out is not None:
        write_report(settings.out, report)
        print(f"\nreport written to {settings.out}")


def evaluate_encoder(settings: EncoderSettings) -> Report:
    """Error rates of encoders on clips of corpora."""
    noises = NoiseSet(settings.noise) if settings.noise is not None else None
    embedders, compared = load_embedders(settings)
    plan = EncoderPlan(
        lengths=settings.seconds,
        ratios=settings.snr if noises is not None else (),
        held_out=settings.held_out,
        limit_per_speaker=settings.limit_per_speaker,
        seed=settings.seed,
    )
    notes = Notes()
    notes.add(
        "EER: equal error rate; minDCF at a prior of 1 %; both over all pairs of clips, bootstrapped over speakers."
    )
    if noises is not None:
        notes.add(f"{len(noises)} held-out noises, mixed into the recordings before they are prepared.")
    figures = encoder_figures(settings.corpora, embedders, compared, plan, noises, notes, progress)
    return Report("Speaker verification", as_json(settings), figures, [], notes.all(), counted=False)


def load_embedders(settings: EncoderSettings) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The systems to test by label, and the pairs of labels whose difference is reported.

    Raises:
        ConfigError: two have the same label, or the public encoder is missing.
        ModelFileError
    """
    device = resolve_device(settings.device)
    files = [labelled(name) for name in settings.encoder]
    public = {"public encoder": lambda: EncoderUnderTest(public_encoder())} if settings.public else {}
    mfcc = {"mean MFCC": MfccBaseline, "MFCC means and deviations": lambda: MfccBaseline(standardised=True)}
    baselines: dict[str, Callable[[], Any]] = {**public, **(mfcc if settings.mfcc else {})}
    labels = [*(label for label, _ in files), *baselines]
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(f"Two encoders are called {label!r}: give label=FILE, so that the report is clear.")
    embedders: dict[str, Any] = {}
    for label, file in files:
        embedders[label] = EncoderUnderTest(SpeakerEncoder.load(file, device=device))
    embedders |= {label: make() for label, make in baselines.items()}
    own = [label for label, _ in files]
    compared = [(label, baseline) for baseline in public or baselines for label in own]
    return embedders, [*compared, *zip(own[1:], own, strict=False)]


def evaluate_vocoder(settings: VocoderSettings) -> Report:
    """Copy synthesis by vocoders, compared with the recordings."""
    notes = Notes()
    device = resolve_device(settings.device)
    files = find_vocoders(settings.vocoder or (fileless_vocoder(),), settings.models)
    vocoders = load_vocoders(files, MelConfig(), device)
    study = Study(Metrics(load_judges(settings.judges, notes)), Gallery(settings.out, settings.plots), notes, progress)
    with_text = settings.judges.recogniser != NO_RECOGNISER
    plan = NaturalPlan(settings.corpora, settings.limit, settings.held_out, with_text, settings.seed)
    rows = list(natural_rows(study, vocoders, plan))
    figures = summaries(rows)
    for label, file in files.items():
        megabytes = vocoder_memory(file, vocoders[label].mel_config, device)
        if megabytes is not None:
            figures[f"copy, {label}"]["memory: peak in MB"] = Figure(megabytes, 1)
    notes.add(
        f"Memory: of a process that loads the vocoder and vocodes {SECONDS:g} s, above an interpreter with PyTorch."
    )
    return Report("Copy synthesis", as_json(settings), figures, rows, notes.all())


def evaluate_cloning(settings: CloningSettings) -> Report:
    """Intelligibility and speaker similarity of clones, beside natural speech."""
    notes = Notes()
    references, sentences = find_references(settings.references), read_sentences(settings.sentences)
    metrics = Metrics(load_judges(settings.judges, notes), settings.open_limit)
    cloner, models = load_models(settings)
    vocoders = {label: model.vocoder for label, model in models.items() if isinstance(model, TwoStage)}
    study = Study(metrics, Gallery(settings.out, settings.plots), notes, progress)
    rows: list[Row] = []
    if settings.natural:
        limit = settings.natural_limit or len(sentences)
        natural = NaturalPlan(settings.natural, limit, with_text=True, seed=settings.seed)
        rows += natural_rows(study, vocoders, natural)
    else:
        notes.add("Natural speech was not measured: add --natural CORPUS to compare with.")
    noises = NoiseSet(settings.noise) if settings.noise is not None else None
    clones = ClonePlan(references, sentences, settings.limit, settings.clips, settings.seed, noises, settings.snr)
    rows += clone_rows(study, cloner, models, clones)
    notes.add(f"Sentences: {settings.sentences.name}. Vocoders: {', '.join(vocoders) or 'none'}.")
    figures = summaries(rows)
    if noises is not None:
        add_losses(figures, rows, list(models))
        plot_robustness(settings.out, figures, list(models), settings.snr)
    return Report("Voice cloning", as_json(settings), figures, rows, notes.all())


def evaluate_conversion(settings: ConversionSettings) -> Report:
    """Words and speaker similarity of conversions, beside the recordings."""
    notes = Notes()
    metrics = Metrics(load_judges(settings.judges, notes))
    files = ModelFiles.find_conversion(settings.models, encoder=settings.encoder, synthesizer=settings.synthesizer)
    cloner = VoiceCloner.load(files, device=settings.device)
    study = Study(metrics, Gallery(settings.out, settings.plots), notes, progress)
    plan = ConversionPlan(settings.corpora, settings.limit, settings.held_out, settings.keep_pitch, settings.seed)
    rows = list(conversion_rows(study, cloner, plan))
    return Report("Speech to speech", as_json(settings), summaries(rows), rows, notes.all())


def load_models(settings: CloningSettings) -> tuple[VoiceCloner, dict[str, SynthesizerModel]]:
    """The cloner, and the synthesizer with each vocoder by its label.

    An end-to-end synthesizer is also used alone, under the name of its family, and with a vocoder only if one is given.

    Raises:
        ConfigError: two vocoders have the same label, or models do not fit each other.
        ModelFileError
    """
    found = ModelFiles.find(
        settings.models,
        encoder=settings.encoder,
        synthesizer=settings.synthesizer,
        vocoder=labelled(settings.vocoder[0])[1] if settings.vocoder else None,
    )
    synthesizer = load_synthesizer(found, settings.device)
    default = () if synthesizer.end_to_end else (str(found.vocoder) if found.vocoder else fileless_vocoder(),)
    files = find_vocoders(settings.vocoder or default, settings.models)
    vocoders = load_vocoders(files, synthesizer.mel_config, resolve_device(settings.device))
    models: dict[str, SynthesizerModel] = {}
    if synthesizer.end_to_end:
        models[read_header(found.synthesizer).kind] = EndToEnd(synthesizer)
    models |= {label: TwoStage(synthesizer, vocoder) for label, vocoder in vocoders.items()}
    return VoiceCloner(load_encoder(found, settings.device), next(iter(models.values()))), models


def summaries(rows: Iterable[Row]) -> dict[str, dict[str, Figure]]:
    """The figures of each condition."""
    return {condition: summarise(part) for condition, part in by_condition(rows).items()}


def progress(items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    """A progress bar on a terminal."""
    from tqdm import tqdm

    return tqdm(items, what, total, file=sys.stderr, disable=None)
