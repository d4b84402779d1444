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
        ("lives", "L AY1 V Z", ["their lives", "nine lives", "Lives were saved.", "All lives matter.", "Save lives."]),
        ("lives", "L IH1 V Z", ["He lives here.", "She lives in town.", "Who lives there?"]),
        ("sow", "S OW1", ["Sow the seeds.", "They sow wheat.", "You reap what you sow."]),
        ("sow", "S AW1", ["The sow had ten piglets.", "a fat sow"]),
        ("used", "Y UW1 S T", ["I used to sing.", "You get used to it.", "He is used to working."]),
        ("used", "Y UW1 Z D", ["I used it.", "It is used to make bread."]),
        ("axes", "AE1 K S IY0 Z", ["the x and y axes", "the coordinate axes"]),
        ("axes", "AE1 K S IH0 Z", ["They chopped wood with axes."]),
        ("records", "R EH1 K ER0 D Z", ["old records", "Records were broken."]),
        ("records", "R IH0 K AO1 R D Z", ["She records songs.", "It never records sound."]),
        ("export", "IH0 K S P AO1 R T", ["to export it", "They export oil."]),
        ("export", "EH1 K S P AO0 R T", ["an export licence"]),
        ("record", "R EH1 K ER0 D", ["a record", "a world record", "set the record straight"]),
        ("record", "R IH0 K AO1 R D", ["to record it", "They record it."]),
        ("use", "Y UW1 S", ["the use of it", "no use", "It is of use."]),
        ("use", "Y UW1 Z", ["to use it", "I use it.", "Use the door.", "people use it"]),
        ("close", "K L OW1 Z", ["Close the door.", "to close it"]),
        ("close", "K L OW1 S", ["close to me", "a close friend", "It was close."]),
        ("wind", "W IH1 N D", ["the wind blows", "strong wind"]),
        ("wind", "W AY1 N D", ["Wind the clock.", "to wind it up"]),
        ("tear", "T EH1 R", ["Tear the paper.", "to tear it", "a tear in it"]),
        (
            "tear",
            "T IH1 R",
            ["a tear fell", "tear gas", "A tear in my eye.", "She shed a tear.", "Wipe that tear away."],
        ),
        ("tear", "T EH1 R", ["There is a tear in my shirt.", "He will tear your eyes out."]),
        ("tears", "T IH1 R Z", ["in tears", "her tears"]),
        ("tears", "T EH1 R Z", ["He tears it up."]),
        ("bow", "B OW1", ["a bow and arrow", "a bow tie", "tie a bow", "a violin bow", "a ribbon with a pink bow"]),
        ("bow", "B AW1", ["take a bow", "to bow", "He tied a rope to the bow of the ship."]),
        ("minute", "M IH1 N AH0 T", ["a minute", "one minute later"]),
        ("minute", "M AY0 N UW1 T", ["minute details"]),
        ("wound", "W UW1 N D", ["a wound"]),
        ("wound", "W AW1 N D", ["It wound around the hill."]),
        ("present", "P R IY0 Z EH1 N T", ["to present it"]),
        ("object", "AH0 B JH EH1 K T", ["I object."]),
        ("resume", "R EH1 Z AH0 M EY2", ["my résumé"]),
        ("house", "HH AW1 S", ["the house", "to house arrest"]),
        ("house", "HH AW1 Z", ["to house refugees", "House the homeless."]),
        (
            "imports",
            "IH2 M P AO1 R T S",
            [
                "No stage imports another.",
                "Each module imports the next.",
                "The U.S. imports oil.",
                "Nobody imports it.",
            ],
        ),
        ("imports", "IH1 M P AO2 R T S", ["The imports were high.", "Imports of steel fell.", "our imports"]),
        ("exports", "IH0 K S P AO1 R T S", ["The country exports oil.", "Germany exports cars.", "It exports more."]),
        ("exports", "EH1 K S P AO0 R T S", ["Our exports grew.", "Exports rose by 5%.", "the exports of the EU"]),
        ("records", "R IH0 K AO1 R D Z", ["The camera records video.", "Every test records its time."]),
        ("objects", "AH0 B JH EH1 K T S", ["He objects to it.", "Russia objects to it."]),
        ("object", "AH0 B JH EH1 K T", ["Some residents object to the plan.", "I object to it."]),
        ("objects", "AA1 B JH EH0 K T S", ["the objects", "Two objects fell."]),
        ("produces", "P R AH0 D UW1 S IH0 Z", ["The farm produces milk.", "It produces heat."]),
        ("produce", "P R OW1 D UW0 S", ["Fresh produce is good.", "the produce"]),
        ("increases", "IH1 N K R IY2 S IH0 Z", ["the increases", "Price increases were small."]),
        ("suspect", "S AH1 S P EH2 K T", ["the main suspect", "a suspect"]),
        ("refuse", "R AH0 F Y UW1 Z", ["The men refuse to go.", "I refuse.", "They refuse it."]),
        ("protest", "P R AH0 T EH1 S T", ["Students protest tuition.", "to protest", "They protest."]),
        ("import", "IH2 M P AO1 R T", ["Import numpy.", "Import the module."]),
        ("import", "IH1 M P AO2 R T", ["Import duties rose.", "the import"]),
        ("read", "R IY1 D", ["Did you read it?", "Can you read this?", "I read every day.", "I have to read it."]),
        ("lead", "L EH1 D", ["pencil lead", "Lead is toxic.", "a lead balloon", "lead-free paint"]),
        ("live", "L AY1 V", ["live fish", "a live demo", "We are live now."]),
        ("wound", "W AW1 N D", ["She wound the clock.", "He wound the rope."]),
        ("use", "Y UW1 S", ["Use of force is banned.", "the use of it"]),
        ("tears", "T EH1 R Z", ["She tears paper.", "The paper tears easily."]),
        ("tears", "T IH1 R Z", ["tears down her cheeks", "tears in my eyes"]),
        ("bow", "B OW1", ["a big red bow on the box", "to hunt with a bow and shoot deer"]),
        ("record", "R IH0 K AO1 R D", ["She'd record it.", "Who'd record that?"]),
        ("minute", "M AY0 N UW1 T", ["The difference is minute.", "minute particles"]),
        ("bows", "B AW1 Z", ["He bows.", "the bows of the ship"]),
        ("bows", "B OW1 Z", ["bows and arrows", "two pink bows"]),
        ("polish", "P OW1 L IH0 SH", ["Polish food is good.", "A Polish man came."]),
        ("polish", "P AA1 L IH0 SH", ["Polish your shoes.", "nail polish"]),
    ],
)
def test_disambiguation(word, phonemes, texts):
    for text in texts:
        found = [" ".join(w.phonemes or ()) for w in text_to_transcript(text).words if w.spelling == word]
        assert found == [phonemes], text


def test_homographs_are_in_the_dictionary():
    assert len(HOMOGRAPHS) > 60 and all(map(is_known, HOMOGRAPHS))
