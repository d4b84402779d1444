"""Words whose capital or accent changes their pronunciation."""

import pytest

from synthesizer.text.cleaners import clean, normalize
from synthesizer.text.front_end import text_to_transcript


@pytest.mark.parametrize(
    ("text", "spelling", "phonemes"),
    [
        ("rosé wine", "rose", "R OW0 Z EY1"),
        ("a rose", "rose", "R OW1 Z"),
        ("his résumé", "resume", "R EH1 Z AH0 M EY2"),
        ("Send résumés.", "resumes", "R EH1 Z AH0 M EY2 Z"),
        ("an exposé", "expose", "EH2 K S P OW0 Z EY1"),
        ("liver pâté", "pate", "P AE0 T EY1"),
        ("gold lamé", "lame", "L AE0 M EY1"),
        ("Touché!", "touche", "T UW0 SH EY1"),
        ("a cafe\u0301", "cafe", "K AH0 F EY1"),
        ("Pelé scored.", "pele", "P EH1 L EY0"),
        ("a piñata", "pinata", "P IY0 N Y AA1 T AH0"),
        ("a jalapeño", "jalapeno", "HH AE2 L AH0 P IY1 N Y OW0"),
        ("Déjà vu", "deja", "D EY0 ZH AA1"),
        ("marrons glacés", "glaces", "G L AE0 S EY1 Z"),
        ("a divorcé", "divorce", "D IH0 V AO2 R S EY1"),
        ("a divorce", "divorce", "D IH0 V AO1 R S"),
        ("papier-mâché", "mache", "M AH0 SH EY1"),
        ("puréed peas", "pureed", "P Y UH0 R EY1 D"),
        ("a plié", "plie", "P L IY0 EY1"),
        ("the Polish table", "polish", "P OW1 L IH0 SH"),
        ("She is Polish.", "polish", "P OW1 L IH0 SH"),
        ("Please polish it.", "polish", "P AA1 L IH0 SH"),
        ("He lives in Nice now.", "nice", "N IY1 S"),
        ("It is nice now.", "nice", "N AY1 S"),
        ("a train to Reading", "reading", "R EH1 D IH0 NG"),
    ],
)
def test_capitals_and_accents_change_the_pronunciation(text, spelling, phonemes):
    words = [word for word in text_to_transcript(text).words if word.spelling == spelling]
    assert [" ".join(word.phonemes or ()) for word in words] == [phonemes]


def test_normalization_keeps_marks_and_clean_removes_them():
    text = "Team A drinks Polish rosé in Łódź."
    assert normalize(text) == "team A drinks Polish rosé in lodz."
    assert clean(text) == "team a drinks polish rose in lodz."
