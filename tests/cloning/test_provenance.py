"""Provenance in audio files, and `python -m cloning.provenance`."""

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cloning import Provenance, Voice, read_provenance, watermark
from cloning import provenance as command
from cloning.wav_stream import WavStream
from speech.audio import OUTPUT_FORMATS, SAMPLE_RATE, encode_audio, write_audio
from speech.errors import AudioError, ConfigError
from tests.commands import run_main

WAV = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
VOICE = Voice(np.ones(256), "toy", "ann", consent="Ann, by letter, 3 May")
MODELS = {"synthesizer": "synthesizer.safetensors 0123456789abcdef", "vocoder": "no file"}
ODD = [
    "Zoë 漢字 🎤",
    "é" * 10_000,
    "🎤" * 10_000,
    'quo"te \\ back',
    "line\nbreak\ttab\0null\x1b[31mred",
    "lone \udcff surrogate",
    "{} [] <b>",
    "",
]


@pytest.fixture
def show(capsys, monkeypatch):
    """Runs the command, without the package of the watermark."""

    def missing() -> Path:
        raise ConfigError("missing")

    monkeypatch.setattr(watermark, "require_weights", missing)
    return lambda *arguments: run_main(command.main, capsys, *arguments)


def made(**changes: str) -> Provenance:
    values: dict[str, Any] = {"voice": "ann", "consent": "by letter", "version": "1", "date": "2026-01-31", **changes}
    return Provenance(**values)


@pytest.mark.parametrize("suffix", OUTPUT_FORMATS)
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_is_written_and_read_back(tmp_path, suffix, text):
    origin = made(voice=text, consent=text)
    write_audio(tmp_path / f"a{suffix}", WAV, tags=origin.tags())
    assert read_provenance(tmp_path / f"a{suffix}") == origin


def test_enormous_texts_are_cut(tmp_path):
    write_audio(tmp_path / "a.flac", WAV, tags=made(voice="🎤" * 5_000_000, version="é" * 1000).tags())
    back = read_provenance(tmp_path / "a.flac")
    assert back is not None and back.voice == "🎤" * (command.MAX_TEXT - 3) + "..."


def test_it_names_voice_models_and_consent():
    origin = Provenance.of(VOICE, MODELS)
    assert (origin.voice, origin.consent, dict(origin.models)) == ("ann", "Ann, by letter, 3 May", MODELS)
    assert origin.made_by == "sv2tts-toolkit" and len(origin.date) == 10 and origin.version
    assert Provenance.of(Voice(np.ones(256), "toy", sources=("a.wav", "b.wav")), {}).voice == "a.wav, b.wav"
    assert json.loads(origin.tags()["comment"])["statement"] == "synthetic speech"


def test_a_stream_has_it(tmp_path):
    stream = WavStream(tmp_path / "s.wav", SAMPLE_RATE, made().tags())
    stream.write(WAV)
    unfinished = tmp_path / "unfinished.wav"
    shutil.copy(tmp_path / "s.wav", unfinished)
    stream.close()
    assert read_provenance(tmp_path / "s.wav") == read_provenance(unfinished) == made()
    assert (tmp_path / "s.wav").read_bytes() == encode_audio(WAV, SAMPLE_RATE, ".wav", made().tags())


def convert(source: Path, target: Path, codec: str) -> None:
    """Convert as FFmpeg does: other samples, the same tags."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        writer.metadata.update({**reader.metadata, **reader.streams.audio[0].metadata})
        stream: Any = writer.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        for frame in reader.decode(audio=0):
            frame.pts = None
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


def test_it_survives_copies_and_conversions(tmp_path):
    origin = made(voice="Zoë 漢字" * 100)
    write_audio(tmp_path / "a.wav", WAV, tags=origin.tags())
    shutil.copy(tmp_path / "a.wav", tmp_path / "copy.wav")
    assert read_provenance(tmp_path / "copy.wav") == origin
    source = tmp_path / "a.wav"
    for name, codec in (("b.mp3", "libmp3lame"), ("c.flac", "flac"), ("d.m4a", "aac"), ("e.wav", "pcm_s16le")):
        convert(source, tmp_path / name, codec)
        source = tmp_path / name
        assert read_provenance(source) == origin, name


HOSTILE = {
    "cut": made().tags()["comment"][:-5],
    "nested": '{"statement": "synthetic speech", "voice": ' + "[" * 100_000,
    "number": '{"statement": "synthetic speech", "voice": ' + "9" * 10_000 + "}",
    "types": '{"statement": "synthetic speech", "voice": 3}',
    "models": '{"statement": "synthetic speech", "models": [1]}',
    "long": '{"statement": "synthetic speech"}' + " " * command.MAX_COMMENT,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_comment_is_one_sentence(show, tmp_path, name):
    write_audio(tmp_path / "a.ogg", WAV, tags={"comment": HOSTILE[name]})
    with pytest.raises(AudioError, match="damaged"):
        read_provenance(tmp_path / "a.ogg")
    result = show(tmp_path / "a.ogg")
    assert result.code == 2 and result.err.startswith("error: ") and len(result.err.splitlines()) == 1


@pytest.mark.parametrize("comment", ["", "a song", "[1, 2]", '{"statement": "mine"}', "synthetic speech, I guess"])
def test_other_comments_are_no_provenance(show, tmp_path, comment):
    write_audio(tmp_path / "a.wav", WAV, tags={"comment": comment} if comment else None)
    assert read_provenance(tmp_path / "a.wav") is None
    result = show(tmp_path / "a.wav")
    assert result.code == 1 and "no provenance" in result.out


def test_the_command_prints_all_parts(show, tmp_path):
    write_audio(tmp_path / "a.wav", WAV, tags=Provenance.of(VOICE, MODELS).tags())
    write_audio(tmp_path / "b.wav", WAV)
    result = show(tmp_path / "a.wav")
    assert result.code == 0 and "a.wav: synthetic speech" in result.out
    for part in ("ann", "Ann, by letter, 3 May", "0123456789abcdef", "sv2tts-toolkit", "not checked"):
        assert part in result.out
    assert show(tmp_path / "a.wav", tmp_path / "b.wav").code == 1
    (tmp_path / "c.wav").write_text("no audio")
    both = show(tmp_path / "c.wav", tmp_path / "a.wav")
    assert both.code == 2 and "ann" in both.out and len(both.err.splitlines()) == 1
    assert show(tmp_path / "gone.wav").code == 2


def test_control_characters_are_not_printed(show, tmp_path):
    write_audio(tmp_path / "a.wav", WAV, tags=made(voice="\x1b[2J\nvoice: bob", consent="x" * 5000).tags())
    result = show(tmp_path / "a.wav")
    assert "\x1b" not in result.out and r"\x1b[2J\nvoice: bob" in result.out and len(result.out) < 2000
