"""Text tags of an audio file of any format: LIST/INFO of wav, Vorbis comments of flac and ogg, ID3 of mp3."""

from __future__ import annotations

from pathlib import Path

from speech.errors import AudioError
from speech.files import refuse_special


def read_tags(path: Path) -> dict[str, str]:
    """The tags by lower-case name, such as "comment". Bytes that are not UTF-8 are left out.

    Raises:
        AudioError: the file is missing, or is not audio.
    """
    import av

    from speech.containers import open_container

    try:
        refuse_special(path)
        with open_container(path) as container:
            sources = [container.metadata, *(stream.metadata for stream in container.streams.audio)]
            if len(sources) == 1:
                raise AudioError(f"{path} has no audio.")
            return {name.lower(): text for source in sources for name, text in source.items()}
    except FileNotFoundError as error:
        raise AudioError(f"There is no file {path}: check the path.") from error
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise AudioError(f"{path} is not an audio file that can be read.") from error
