"""User lexicon: file format, matching and errors."""

import pytest

from speech.errors import TextError
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.lexicon import Lexicon, read_lexicon


@pytest.fixture
def lexicon_of(tmp_path):
    def write(*lines: str) -> Lexicon:
        path = tmp_path / "lexicon.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_lexicon(path)

    return write


def phonemes(text: str, lexicon: Lexicon) -> list[str]:
    return [" ".join(word.phonemes or ()) for word in text_to_transcript(text, lexicon).words]


def test_phonemes_and_respellings(lexicon_of):
    lexicon = lexicon_of("word,pronunciation", "# names", "", "Suti,SOO-tee", "Nguyen,W IH1 N", "Coelho,koh-EL-yoo")
    assert len(lexicon) == 3
    assert phonemes("Suti met Nguyen.", lexicon) == ["S UW1 T IY0", "M EH1 T", "W IH1 N"]
    assert phonemes("Coelho", lexicon) == ["K OW0 EH1 L Y UW0"]


def test_the_header_is_optional(lexicon_of):
    assert phonemes("hello world", lexicon_of("hello,HH AY1")) == ["HH AY1", "W ER1 L D"]


def test_case_matters_for_words_listed_in_two_cases(lexicon_of):
    lexicon = lexicon_of("US,Y UW1 EH1 S", "Polish,P OW1 L IH0 SH", "polish,P AA1 L IH0 SH", "iPad,eye-pad")
    assert phonemes("Tell us", lexicon)[1] == "AH1 S"
    assert phonemes("the US", lexicon)[1] == "Y UW1 EH1 S"
    assert phonemes("a Polish polish", lexicon)[1:] == ["P OW1 L IH0 SH", "P AA1 L IH0 SH"]
    assert phonemes("IPAD ipad", lexicon) == ["AY1 P AE0 D"] * 2


def test_phrases_and_longest_match(lexicon_of):
    lexicon = lexicon_of("haven,hay-ven", "New Haven,N UW1", '"C++",see plus')
    assert phonemes("new\nhaven, Haven", lexicon) == ["N UW1", "HH EY1 V EH0 N"]
    assert phonemes("C++ is", lexicon)[:2] == ["S IY1", "P L AH1 S"]


def test_possessives_and_contractions(lexicon_of):
    lexicon = lexicon_of("Zorb,Z AO1 R B", "o'zorb,OW1 Z")
    assert phonemes("Zorb's zorb’s", lexicon) == ["Z AO1 R B Z"] * 2
    assert phonemes("O’Zorb", lexicon) == ["OW1 Z"]


def test_parts_of_words_and_addresses_do_not_match(lexicon_of):
    lexicon = lexicon_of("art,AA1", "example,EH1")
    assert "{" not in text_to_transcript("start artist me@example.com", lexicon).text
    assert text_to_transcript("{AA1 R T} art", lexicon).text == "{AA1 R T} {AA1}"


def test_expanded_abbreviations_match(lexicon_of):
    lexicon = lexicon_of("doctor,D AA1 K")
    assert phonemes("Dr. Smith", lexicon)[0] == "D AA1 K"


def test_byte_order_mark(tmp_path):
    path = tmp_path / "lexicon.csv"
    path.write_bytes("word,pronunciation\r\nDon’t,D OW1 N\r\n".encode("utf-8-sig"))
    assert phonemes("don't", read_lexicon(path)) == ["D OW1 N"]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["word,pronunciation", "hi,HH QQ1"], "Line 2.*QQ1"),
        (["hi,HH AY1", "# all is well", "ho,HH AX"], "Line 3.*AX"),
        (["hi,HH AY1", "hi,HH IY1"], "Line 2.*line 1"),
        (["hi"], "Line 1.*columns"),
        (["hi,HH,AY1"], "Line 1.*3 columns"),
        (["hi,"], "Line 1.*missing"),
        (["+-,plus"], "Line 1.*not a word"),
        (["42,forty"], "Line 1.*not a word"),
        (["hi,h1!"], "Line 1.*cannot be read"),
        (["hi,привет"], "Line 1.*cannot be read"),
    ],
)
def test_errors_name_the_line(lexicon_of, lines, named):
    with pytest.raises(TextError, match=named):
        lexicon_of(*lines)


def test_unreadable_files(tmp_path):
    with pytest.raises(TextError, match="missing"):
        read_lexicon(tmp_path / "missing.csv")
    (tmp_path / "latin.csv").write_bytes("café,K\n".encode("latin-1"))
    with pytest.raises(TextError, match="UTF-8"):
        read_lexicon(tmp_path / "latin.csv")


def test_many_entries(lexicon_of):
    lexicon = lexicon_of(*(f"word{'abcdefghij'[i % 10]}{i},W ER1 D" for i in range(3000)))
    assert lexicon.apply("worda10 and other words. " * 2000).count("{W ER1 D}") == 2000
