"""Make the recordings and text files that the commands of the documents name, in the current folder.

    python .ci/make_inputs.py

The recordings are cloned from the samples. Resampling them makes further speakers.
"""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from cloning import VoiceCloner
from modelfile.locations import DEFAULT_MODELS, SAMPLES
from speech.audio import SAMPLE_RATE, resample

RATES = (0.82, 0.9, 1.0, 1.1, 1.2)  # each makes a further speaker of every sample voice
CLIPS = 6  # of each voice
FEW_CLIPS = 3  # of each speaker of LibriSpeech that is not held out
LONGEST = 70  # characters of a sentence
HELD_OUT = ("32", "87", "1737")  # speakers of LibriSpeech that `corpora.splits` keeps for validation
NOISES = range(5, 15)  # two of these names are held out from training

Clip = tuple[str, np.ndarray]  # text, float32 [samples] at 16 kHz


def spoken_sentences() -> list[list[Clip]]:
    """For each sample voice some sentences, with their audio."""
    sentences = [line for line in (SAMPLES / "sentences.txt").read_text().splitlines() if 40 < len(line) < LONGEST]
    cloner = VoiceCloner.load()
    voices = []
    for sample in sorted(SAMPLES.glob("*.flac")):
        texts, sentences = sentences[:CLIPS], sentences[CLIPS:]
        voice = cloner.enroll(sample)
        voices.append([(speech.text, speech.wav) for speech in cloner.speak(texts, voice, seed=0)])
    return voices


def speakers(voices: list[list[Clip]]) -> Iterator[list[Clip]]:
    """Each voice at each rate."""
    for rate in RATES:
        for clips in voices:
            yield [(text, resample(wav, round(SAMPLE_RATE * rate), SAMPLE_RATE)) for text, wav in clips]


def write(path: Path, wav: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wav, SAMPLE_RATE)


def make_librispeech(folder: Path, voices: list[list[Clip]]) -> None:
    for number, clips in enumerate(speakers(voices)):
        speaker = HELD_OUT[number] if number < len(HELD_OUT) else str(100 + number)
        chapter = folder / "train-clean-100" / speaker / "1"
        clips = clips if speaker in HELD_OUT else clips[:FEW_CLIPS]
        names = [f"{speaker}-1-{item:04}" for item in range(len(clips))]
        for name, (_, wav) in zip(names, clips, strict=True):
            write(chapter / f"{name}.flac", wav)
        lines = [f"{name} {text.upper()}\n" for name, (text, _) in zip(names, clips, strict=True)]
        (chapter / f"{speaker}-1.trans.txt").write_text("".join(lines))


def make_vctk(folder: Path, voices: list[list[Clip]]) -> None:
    for speaker, clips in zip(("p225", "p226", "p227", "p287"), voices, strict=True):
        (folder / "txt" / speaker).mkdir(parents=True)
        for number, (text, wav) in enumerate(clips):
            write(folder / "wav48" / speaker / f"{speaker}_{number:03}.wav", wav)
            (folder / "txt" / speaker / f"{speaker}_{number:03}.txt").write_text(text)


def make_noises(folder: Path) -> None:
    """Noises with a falling spectrum."""
    rng = np.random.default_rng(0)
    for number in NOISES:
        steps = rng.normal(size=5 * SAMPLE_RATE)
        noise = np.convolve(steps, 0.9 ** np.arange(4 * number), "same")
        write(folder / f"noise{number}.wav", 0.2 * noise / np.abs(noise).max())


def make_m4a(path: Path, wav: np.ndarray) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(wav[None].astype(np.float32), format="fltp", layout="mono")
        frame.rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode()])


def main() -> None:
    voices = spoken_sentences()
    corpora = Path("data")
    make_librispeech(corpora / "LibriSpeech", voices)
    make_vctk(corpora / "vctk", voices)
    make_noises(corpora / "noise")
    for name, corpus in (("CORPUS", "LibriSpeech"), ("ANOTHER", "vctk"), ("NOISES", "noise")):
        Path(name).symlink_to(corpora / corpus)

    for number, (text, wav) in enumerate(3 * voices[0], start=1):  # more than the least that --adapt takes
        write(Path(f"my_clips/{number}.wav"), wav)
        Path(f"my_clips/{number}.txt").write_text(text)
    whole = [np.concatenate([wav for _, wav in clips]) for clips in voices]
    for name, wav in (("me", whole[0]), ("again", whole[0][SAMPLE_RATE:]), ("a", whole[1]), ("b", whole[1])):
        write(Path(f"{name}.wav"), wav)
    write(Path("said.wav"), voices[2][0][1])
    make_m4a(Path("b.m4a"), whole[1])

    trials = []
    for speaker, clips in zip("abcd", voices, strict=True):
        for number, (_, wav) in enumerate(clips):
            write(Path(f"recordings/{speaker}/{number}.wav"), wav)
            for other in "abcd":
                trials.append(f"{int(other == speaker)} {speaker}/{number}.wav {other}/{(number + 1) % CLIPS}.wav\n")
        Path(speaker).symlink_to(Path("recordings", speaker))  # for the list without --root
    Path("trials.txt").write_text("".join(trials))
    Path("lines.txt").write_text("Good morning.\nHow are you?\n")
    Path("words.csv").write_text("word,pronunciation\nNguyen,W IH1 N\n")
    default = json.loads((DEFAULT_MODELS / "defaults.json").read_text())["vocoder"]
    shutil.copy(DEFAULT_MODELS / default, "mine.safetensors")
    if package := importlib.util.find_spec("resemblyzer"):
        shutil.copy(Path(package.origin or "").with_name("pretrained.pt"), "encoder.pt")


if __name__ == "__main__":
    main()
