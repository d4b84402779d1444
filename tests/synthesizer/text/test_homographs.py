"""Homograph disambiguation by neighbouring words."""

import pytest

from synthesizer.text.dictionary import is_known
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.homographs import HOMOGRAPHS


@pytest.mark.parametrize(
    ("word", "phonemes", "texts"),
    [
        ("read", "R IY1 D", ["She will read it.", "I want to read.", "Read the book.", "a good read", "Can't read"]),
        ("read", "R EH1 D", ["I have read it.", "He had read it.", "It was read.", "She read it yesterday."]),
        ("lead", "L EH1 D", ["the lead pipe", "made of lead.", "lead poisoning"]),
        ("lead", "L IY1 D", ["the lead actor", "They lead.", "in the lead", "to lead us"]),
        ("live", "L IH1 V", ["I live here.", "They live.", "to live music"]),
        ("live", "L AY1 V", ["a live show", "live music", "It went live."]),
        ("lives", "L AY1 V Z", ["their lives", "nine lives"]),
        ("lives", "L IH1 V Z", ["He lives here."]),
        ("record", "R EH1 K ER0 D", ["a record", "a world record", "set the record straight"]),
        ("record", "R IH0 K AO1 R D", ["to record it", "They record it."]),
        ("use", "Y UW1 S", ["the use of it", "no use", "It is of use."]),
        ("use", "Y UW1 Z", ["to use it", "I use it.", "Use the door.", "people use it"]),
        ("close", "K L OW1 Z", ["Close the door.", "to close it"]),
        ("close", "K L OW1 S", ["close to me", "a close friend", "It was close."]),
        ("wind", "W IH1 N D", ["the wind blows", "strong wind"]),
        ("wind", "W AY1 N D", ["Wind the clock.", "to wind it up"]),
        ("tear", "T EH1 R", ["Tear the paper.", "to tear it", "a tear in it"]),
        ("tear", "T IH1 R", ["a tear fell", "tear gas"]),
        ("tears", "T IH1 R Z", ["in tears", "her tears"]),
        ("tears", "T EH1 R Z", ["He tears it up."]),
        ("bow", "B OW1", ["a bow and arrow", "a bow tie"]),
        ("bow", "B AW1", ["take a bow", "to bow"]),
        ("minute", "M IH1 N AH0 T", ["a minute", "one minute later"]),
        ("minute", "M AY0 N UW1 T", ["minute details"]),
        ("wound", "W UW1 N D", ["a wound"]),
        ("wound", "W AW1 N D", ["It wound around the hill."]),
        ("present", "P R IY0 Z EH1 N T", ["to present it"]),
        ("object", "AH0 B JH EH1 K T", ["I object."]),
        ("resume", "R EH1 Z AH0 M EY2", ["my résumé"]),
        ("house", "HH AW1 S", ["the house", "to house arrest"]),
    ],
)
def test_disambiguation(word, phonemes, texts):
    for text in texts:
        found = [" ".join(w.phonemes or ()) for w in text_to_transcript(text).words if w.spelling == word]
        assert found == [phonemes], text


def test_homographs_are_in_the_dictionary():
    assert len(HOMOGRAPHS) > 60 and all(map(is_known, HOMOGRAPHS))
