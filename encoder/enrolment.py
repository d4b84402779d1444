"""Check whether clips are suitable for cloning a voice.

    python -m encoder.enrolment me.wav [more.wav ...] [--encoder FILE] [--picture FILE]

reports speech, noise, clipping and music in each clip and the similarity of its parts, and says how to fix problems.
Clips that cannot be read or have too little speech are skipped if another one has enough. The exit code is 1 if no
voice can be made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
import tyro

from encoder.partials import normalised_weights
from modelfile.locations import DEFAULT_MODELS
from speech.errors import AudioError, ConfigError, exit_on_speech_error
from speech.files import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from encoder.base import SpeakerEncoder
    from encoder.partials import Partials
    from speech.quality import ReferenceReport, Remark

MAX_SECONDS = 600  # more does not improve a voice, and is mostly the wrong file
# 1 % of the pairs of clips of one person are less similar, and 4 % of the pairs of two people are more similar
# (LibriSpeech, VCTK, speechocean762; public encoder and one distilled from it).
MIN_SIMILARITY_OF_CLIPS = 0.72

Weighting = Literal["speech", "equal"]


@dataclass(frozen=True, eq=False)
class ExaminedClip:
    """One clip: its name, its quality report, and its embedded partials (None if it was not embedded).

    `skipped` is True if it cannot be read or has too little speech, and other clips of the voice have enough.
    """

    source: str
    report: ReferenceReport
    partials: Partials | None
    skipped: bool = False

    @property
    def embedding(self) -> np.ndarray:
        """float32 [embedding_size]. Raises: AudioError if the clip was not embedded."""
        if self.partials is None:
            raise AudioError(f"{self.source}: no speech was found in the clip.")
        return self.partials.embedding

    @property
    def is_unreadable(self) -> bool:
        return any(remark.code == "unreadable" for remark in self.report.remarks)

    def lines(self) -> list[str]:
        """The report as lines of text, the remarks last."""
        report = self.report
        verdict = [f"  {remark.severity}: {remark.sentence}" for remark in report.remarks] or ["  good"]
        if self.is_unreadable:
            return [f"{self.source}: unreadable", *verdict]
        parts = [f"{report.speech_seconds:.1f} s of speech in {report.seconds:.1f} s"]
        if np.isfinite(report.snr_db):
            parts.append(f"voice {report.snr_db:.0f} dB above the noise")
        parts.append(f"{report.clipped_fraction:.2%} clipped")
        if report.music_fraction:
            parts.append(f"music in {report.music_fraction:.0%} of the time")
        if np.isfinite(report.consistency):
            parts.append(f"consistency {report.consistency:.2f}")
        return [f"{self.source}: {', '.join(parts)}", *verdict]


@dataclass(frozen=True, eq=False)
class EnrolmentReport:
    """Clips for one voice.

    Attributes:
        clips: their reports.
        similarity: float32 [clips, clips], cosines of the embeddings; NaN for clips that were not embedded.
        weights: float32 [clips], weights in `embedding`, sum 1; 0 for skipped clips.
        remarks: on the clips as a group.
    """

    clips: tuple[ExaminedClip, ...]
    similarity: np.ndarray
    weights: np.ndarray
    remarks: tuple[Remark, ...]

    @property
    def usable(self) -> bool:
        return not any(clip.report.errors for clip in self.clips)

    @property
    def all_remarks(self) -> list[tuple[str, Remark]]:
        """Each remark with the name of its clip. Those on the group come last."""
        of_clips = [(clip.source, remark) for clip in self.clips for remark in clip.report.remarks]
        return of_clips + [("all clips", remark) for remark in self.remarks]

    @property
    def embedding(self) -> np.ndarray:
        """float32 [embedding_size]: weighted mean of the clips. Raises: AudioError if one cannot be used."""
        from encoder.partials import mean_embedding

        self.raise_for_errors()
        used = [not clip.skipped for clip in self.clips]
        return mean_embedding([clip.embedding for clip in self.clips if not clip.skipped], self.weights[used])

    def raise_for_errors(self) -> None:
        """Raise an `AudioError` for the first clip that cannot be used."""
        for clip in self.clips:
            try:
                clip.report.raise_for_errors()
            except AudioError as error:
                raise AudioError(f"{clip.source}: {error}") from error

    def lines(self) -> list[str]:
        """The report as lines of text."""
        listed = [line for clip in self.clips for line in clip.lines()]
        return listed + [f"{remark.severity}: {remark.sentence}" for remark in self.remarks]


def read_clip(path: str | Path) -> np.ndarray | AudioError:
    """The samples of a file at 16 kHz, or the error if its content cannot be read, for `enrolment_report`.

    Raises:
        AudioError: there is no such file.
    """
    from speech.audio import read_audio

    try:
        return read_audio(path, max_seconds=MAX_SECONDS)
    except AudioError as error:
        if not Path(path).exists():
            raise
        return error


def examine_clip(source: str, wav: np.ndarray, encoder: SpeakerEncoder) -> ExaminedClip:
    """Check the quality of a clip and embed it.

    Args:
        source: name of the clip.
        wav: [samples] at 16 kHz, as read.
    Raises:
        AudioError: not one channel of finite numbers.
    """
    from speech.quality import check_reference, with_partials

    try:
        report = check_reference(wav)
    except AudioError as error:
        raise AudioError(f"{source}: {error}") from error
    if any(remark.code in ("silent", "not_speech") for remark in report.errors):
        return ExaminedClip(source, report, None)
    try:
        partials = encoder.partials(wav)
    except AudioError as error:  # too little speech, which the report explains better
        if not report.errors:
            raise AudioError(f"{source}: {error}") from error
        return ExaminedClip(source, report, None)
    return ExaminedClip(source, with_partials(report, partials), partials)


def enrolment_report(
    clips: Iterable[tuple[str, np.ndarray | AudioError]],
    encoder: SpeakerEncoder,
    weights: Sequence[float] | Weighting = "speech",
) -> EnrolmentReport:
    """Examine clips of one person.

    Clips that cannot be read or have too little speech are skipped with a warning if another one has enough.

    Args:
        clips: (name, [samples] at 16 kHz as read, or the error if it cannot be read).
        weights: of the clips in the voice: "speech" is seconds of speech, which is more accurate than "equal"; or one
            number per clip.
    Raises:
        AudioError: there are no clips, none can be read, or one is not one channel of finite numbers.
        ConfigError: the weights do not fit the clips.
    """
    errors: list[AudioError] = []
    examined = []
    for source, wav in clips:
        if isinstance(wav, AudioError):
            errors.append(wav)
            examined.append(_unreadable_clip(source, wav))
        else:
            examined.append(examine_clip(source, wav, encoder))
    if not examined:
        raise AudioError("There is no reference clip: give at least one recording of the voice.")
    if len(errors) == len(examined):
        raise errors[0]
    reports = _skip_short(examined)
    similarity = _similarity(reports)
    return EnrolmentReport(reports, similarity, _weights(reports, weights), _remarks_on_pairs(reports, similarity))


def _unreadable_clip(source: str, error: AudioError) -> ExaminedClip:
    from speech.quality import ReferenceReport, Remark

    return ExaminedClip(source, ReferenceReport(0.0, 0.0, remarks=(Remark("error", "unreadable", str(error)),)), None)


def _skip_short(reports: Sequence[ExaminedClip]) -> tuple[ExaminedClip, ...]:
    """Replace the problems of clips without enough speech by a warning, if another clip has enough."""
    from speech.quality import MIN_SPEECH_SECONDS, Remark

    def is_short(clip: ExaminedClip) -> bool:
        return clip.report.speech_seconds < MIN_SPEECH_SECONDS

    if all(map(is_short, reports)):
        return tuple(reports)
    skipped = []
    for clip in reports:
        if is_short(clip):
            reason = Remark(
                "warning",
                "too_short",
                f"The clip is skipped, because it has only {clip.report.speech_seconds:.1f} s of speech: record at "
                f"least {MIN_SPEECH_SECONDS:g} s.",
            )
            if clip.is_unreadable:
                reason = Remark("warning", "unreadable", f"The clip is skipped. {clip.report.errors[0].sentence}")
            report = replace(clip.report, remarks=(reason,))
            clip = ExaminedClip(clip.source, report, None, skipped=True)
        skipped.append(clip)
    return tuple(skipped)


def _similarity(reports: Sequence[ExaminedClip]) -> np.ndarray:
    similarity = np.full((len(reports), len(reports)), np.nan, dtype=np.float32)
    embedded = [index for index, clip in enumerate(reports) if clip.partials is not None]
    if embedded:
        embeddings = np.stack([clip.embedding for clip in reports if clip.partials is not None])
        similarity[np.ix_(embedded, embedded)] = embeddings @ embeddings.T
    return similarity


def _weights(reports: Sequence[ExaminedClip], weights: Sequence[float] | Weighting) -> np.ndarray:
    if isinstance(weights, str):
        if weights not in get_args(Weighting):
            raise ConfigError(f"Clips are weighted by 'speech', 'equal' or one number each, not by {weights!r}.")
        weights = [clip.report.speech_seconds if weights == "speech" else 1.0 for clip in reports]
        weights = weights if any(weights) else [1.0] * len(reports)  # without any speech, the clips have errors
    factors = normalised_weights(weights, len(reports), "clips")
    return normalised_weights(np.where([clip.skipped for clip in reports], 0, factors), len(reports), "clips")


def _remarks_on_pairs(reports: Sequence[ExaminedClip], similarity: np.ndarray) -> tuple[Remark, ...]:
    """A warning that names the clip most unlike the others, if it is too unlike."""
    from speech.quality import Remark

    if len(reports) < 2 or not np.nanmin(similarity, initial=1) < MIN_SIMILARITY_OF_CLIPS:
        return ()
    others = np.where(np.eye(len(reports), dtype=bool), np.nan, similarity)
    different = others < MIN_SIMILARITY_OF_CLIPS
    odd = int(different.sum(axis=1).argmax())
    against = [clip.source for clip, unlike in zip(reports, different[odd], strict=True) if unlike]
    listed = ", ".join(against[:3]) + (" and others" if len(against) > 3 else "")
    return (
        Remark(
            "warning",
            "several_voices",
            f"{reports[odd].source} and {listed} do not sound like one person "
            f"(similarity {np.nanmin(others[odd]):.2f}): give clips of one person only.",
        ),
    )


# --- the command ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arguments:
    """Check whether clips are suitable for cloning a voice."""

    clips: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CLIP [CLIP ...]")]
    """Recordings of one person."""
    encoder: Annotated[Path, tyro.conf.arg(metavar="FILE")] = DEFAULT_MODELS / "encoder.safetensors"
    """Speaker encoder to use instead of the default."""
    picture: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Draw the similarity of each part of a clip to the rest of it into this file."""
    force: bool = False
    """Overwrite an existing picture."""

    def __post_init__(self) -> None:
        if not self.clips:
            raise AudioError("There is no clip: give at least one recording.")


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    from encoder.commands import check_output, parse_arguments, save_figure

    arguments = parse_arguments(Arguments, "enrolment", argv, __doc__)
    check_output(arguments.picture, arguments.force, picture=True)
    from encoder.base import SpeakerEncoder

    encoder = SpeakerEncoder.load(arguments.encoder)
    report = enrolment_report(((readable(path.name), read_clip(path)) for path in arguments.clips), encoder)
    print("\n".join(report.lines()))
    if arguments.picture is not None:
        save_figure(similarity_figure(report), arguments.picture)
        print(f"picture written to {arguments.picture}")
    return 0 if report.usable else 1


def similarity_figure(report: EnrolmentReport) -> Figure:
    """`Partials.similarity` of each clip over time, with the second speaker shaded."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 1.6 * len(report.clips)), layout="constrained")
    for axes, clip in zip(figure.subplots(len(report.clips), squeeze=False)[:, 0], report.clips, strict=True):
        axes.set(title=clip.source, ylim=(0, 1), xlim=(0, max(clip.report.seconds, 0.1)), ylabel="similarity")
        if clip.partials is not None:
            middles = (clip.partials.starts + clip.partials.ends) / 2
            axes.plot(middles, clip.partials.similarity, marker="o")
        for start, end in clip.report.second_speaker.spans if clip.report.second_speaker else ():
            axes.axvspan(start, end, alpha=0.2, color="tab:red")
    axes.set_xlabel("seconds")
    return figure


if __name__ == "__main__":
    sys.exit(main())
