"""`metadata.csv` as people write it: quotes, commas, paths of other systems. Nothing is shortened without a reason."""

from pathlib import Path

import pytest

from corpora.corpus import iter_utterances
from speech.errors import CorpusError
from tests.corpora.test_corpus import write_clip

FULL = "path,speaker,text,duration_s"


def read(folder: Path, *lines: str, clips: int = 4) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and reasons by file name, of a corpus with clips 1.wav, 2.wav and so on and these lines."""
    for number in range(1, clips + 1):
        write_clip(folder / f"{number}.wav", 0.1)
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    rejected: dict[str, str] = {}
    found = {
        item.path.relative_to(folder).as_posix(): item.text for item in iter_utterances([folder], rejected.__setitem__)
    }
    return found, {key.removeprefix(f"{folder.name}/"): reason for key, reason in rejected.items()}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('1.wav,ann,"He said hello', "He said hello"),
        ('1.wav, ann, "He said, hello', "He said, hello"),
        ('1.wav,ann,"Hello," he said', '"Hello," he said'),
        ('1.wav,ann,"Hello, ""you""', 'Hello, "you"'),
        ('1.wav,ann,"Hello," he said, "bye"', '"Hello," he said, "bye"'),
        ('"1.wav","ann","Hello', "Hello"),
        ('1.wav,ann,5" nails', '5" nails'),
        ("1.wav,ann,Well, I, for one, agree.", "Well, I, for one, agree."),
        ("1.wav,ann,one,two", "one,two"),
        ("1.wav,ann,hello,,", "hello"),
        ('1.wav,ann,"quoted, once", then not', "quoted, once, then not"),
        ('1.wav,ann,"two\nlines"', "two lines"),
    ],
)
def test_quotes_and_commas_in_a_text(tmp_path: Path, line: str, text: str) -> None:
    found, rejected = read(tmp_path / "c", "path,speaker,text", line, "2.wav,ben,next", '3.wav,ben,"last"')
    assert found == {"1.wav": text, "2.wav": "next", "3.wav": "last"}
    assert not rejected


def test_two_open_quotes_do_not_swallow_the_lines_between_them(tmp_path: Path) -> None:
    found, rejected = read(tmp_path / "c", "path,text", '1.wav,"one', "2.wav,two", '3.wav,three "', '4.wav,"')
    assert found == {"1.wav": "one", "2.wav": "two", "3.wav": 'three "', "4.wav": ""}
    assert not rejected


@pytest.mark.parametrize(
    ("header", "line", "text"),
    [
        (FULL, "1.wav,ann,Well, yes,0.5", "Well, yes"),
        (FULL, "1.wav,ann,Well, yes", "Well, yes"),
        (FULL, "1.wav,ann,Well", "Well"),
        ("path,text,speaker", "1.wav,Well, yes,ann", "Well, yes"),
        ("Path,Speaker,Text", "1.wav,ann,Well, yes", "Well, yes"),
        ("path;speaker;text", "1.wav;ann;Well, yes", "Well, yes"),
        ("path\tspeaker\ttext", "1.wav\tann\tWell, yes", "Well, yes"),
        ("path|speaker|text", "1.wav|ann|Well, yes", "Well, yes"),
    ],
)
def test_commas_beside_other_columns_and_delimiters(tmp_path: Path, header: str, line: str, text: str) -> None:
    assert read(tmp_path / "c", header, line) == ({"1.wav": text}, {})


def test_a_line_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    found, rejected = read(tmp_path / "c", FULL, "1.wav,ann,well,then,maybe", ",ann,x,1", "2.wav,ann,x,1", "3.wav,,x")
    assert list(found) == ["2.wav"]
    assert {key: reason.split(":")[0] for key, reason in rejected.items()} == {
        "1.wav": "its line of metadata.csv has too many fields or no path",
        "": "its line of metadata.csv has too many fields or no path",
        "3.wav": "no speaker is named",
    }


def test_paths_of_other_systems(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    for number in range(1, 7):
        write_clip(corpus / f"wavs/{number}.wav", 0.1)
    write_clip(tmp_path / "other/wavs/6.wav", 0.1)
    found, rejected = read(
        corpus,
        "path",
        f"{corpus}/wavs/1.wav",
        "wavs\\2.wav",
        r"C:\Users\Ann\corpus\wavs\3.wav",
        "/home/ann/corpus/wavs/4.wav",
        ".\\wavs\\5.wav",
        f"{tmp_path}/other/wavs/6.wav",
        r"D:\wavs\6.wav",
        "..\\other\\wavs\\6.wav",
        clips=0,
    )
    assert list(found) == [f"wavs/{number}.wav" for number in range(1, 6)]
    assert len(rejected) == 3
    assert sum("absolute path is not in the corpus folder" in reason for reason in rejected.values()) == 2
    assert rejected["../other/wavs/6.wav"] == "the path leads out of the corpus"


def test_ljspeech_with_windows_paths_and_an_open_quote(tmp_path: Path) -> None:
    found, rejected = read(tmp_path / "c", 'wavs\\1.wav|"one', "2|two, three", r"C:\me\3.wav|three|four")
    assert found == {"1.wav": '"one', "2.wav": "two, three", "3.wav": "four"}
    assert not rejected


def test_a_corpus_without_a_usable_recording_gives_a_reason(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no usable recording.*absolute path is not in the corpus folder"):
        read(tmp_path / "c", "path,speaker", "/data/1.wav,ann", "/data/2.wav,ann")


@pytest.mark.parametrize("suffix", [".txt", ".TXT", ".Txt", ".LAB", ".Normalized.TXT"])
def test_transcripts_with_capital_letters_in_their_suffix(tmp_path: Path, suffix: str) -> None:
    write_clip(tmp_path / "ann/a.flac", 0.1)
    write_clip(tmp_path / "ann/B.FLAC", 0.1)
    (tmp_path / f"ann/a{suffix}").write_text("one", encoding="utf-8")
    (tmp_path / f"ann/b{suffix}").write_text("two", encoding="utf-8")
    assert sorted(item.text for item in iter_utterances([tmp_path])) == ["one", "two"]


def test_a_recording_does_not_take_the_transcript_of_another(tmp_path: Path) -> None:
    write_clip(tmp_path / "ann/a.flac", 0.1)
    write_clip(tmp_path / "ann/A.flac", 0.1)
    (tmp_path / "ann/a.TXT").write_text("one", encoding="utf-8")
    assert {item.path.name: item.text for item in iter_utterances([tmp_path])} == {"a.flac": "one", "A.flac": ""}


def test_librispeech_lists_with_capital_letters(tmp_path: Path) -> None:
    write_clip(tmp_path / "19/198/19-198-0000.flac", 0.1)
    (tmp_path / "19/198/19-198.TRANS.TXT").write_text("19-198-0000 HELLO\n", encoding="utf-8")
    assert [item.text for item in iter_utterances([tmp_path])] == ["HELLO"]
