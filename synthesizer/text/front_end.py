"""Text front end: written text to transcripts that the synthesizer can encode."""

from synthesizer.text.cleaners import normalize
from synthesizer.text.lexicon import Lexicon
from synthesizer.text.pronunciation import transcribe
from synthesizer.text.transcript import Transcript


def text_to_transcript(text: str, lexicon: Lexicon | None = None) -> Transcript:
    """Normalize a text and look up the pronunciation of its words.

    Args:
        text: any Unicode text; ``{HH AH0 L OW1}`` is read as phonemes.
        lexicon: pronunciations that take precedence, see `synthesizer.text.lexicon.read_lexicon`.

    Raises:
        TextError: nothing in the text can be spoken, or an inline phoneme is unknown.
    """
    if lexicon is None:
        return transcribe(normalize(text))
    return transcribe(lexicon.apply(normalize(lexicon.apply(text)), written=text))
