"""Headers of model files: the description of a model, read without torch and without the weights.

Files are not trusted. A damaged, renamed or foreign file ends in a `ModelFileError` of one sentence.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from safetensors import SafetensorError, safe_open

from modelfile.checksum import CHECKSUM
from speech.errors import ModelFileError, SpeechError
from speech.files import readable, refuse_special

FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_STEP = 2**62
NAMED_ENTRIES = ("stage", "kind", "licence", "trained_on", "embedding_space")

Config = TypeVar("Config")


class NotAModelError(ModelFileError):
    """A valid safetensors file that is not a model of this toolkit, for example a voice."""


@dataclasses.dataclass(frozen=True)
class ModelHeader:
    """The description of a model in its file.

    Attributes:
        stage: "encoder", "synthesizer" or "vocoder".
        kind: the model family; "" in files from before families had names.
        config: the architecture as JSON values. A config dataclass is converted; `config_from_header` restores it.
        step: training steps behind the weights.
        licence: of the weights; "" if not stated.
        trained_on: training data; "" if not stated.
        embedding_space: speaker embedding space that the model produces or expects; "" if it has none.
        extra: further entries.
    """

    stage: str
    kind: str = ""
    config: Any = dataclasses.field(default_factory=dict)
    step: int = 0
    licence: str = ""
    trained_on: str = ""
    embedding_space: str = ""
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if dataclasses.is_dataclass(self.config) and not isinstance(self.config, type):
            object.__setattr__(self, "config", dataclasses.asdict(self.config))

    def metadata(self) -> dict[str, str]:
        """The entries as a model file stores them. A named entry that is empty may come from `extra`."""
        named = {name: getattr(self, name) for name in NAMED_ENTRIES}
        return {
            **named,
            **{key: value for key, value in self.extra.items() if not named.get(key)},
            "format_version": str(FORMAT_VERSION),
            "config": json.dumps(self.config, allow_nan=False),
            "step": str(int(self.step)),
        }


def read_header(path: str | Path) -> ModelHeader:
    """Read the header of a model file. Needs no torch.

    Raises:
        ModelFileError: missing, unreadable, damaged, or of a newer format version.
        NotAModelError: a valid safetensors file, but not a model of this toolkit.
    """
    path = Path(path)
    with open_tensors(path, "np") as file:
        entries = dict(file.metadata() or {})
    entries.pop(CHECKSUM, None)  # checked with the weights
    version = entries.pop("format_version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 9 or not entries.get("stage"):
        raise NotAModelError(f"{path} is not a model of this toolkit: its header names no stage and format.")
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version} and this program reads up to {FORMAT_VERSION}: update the program."
        )
    try:
        config = json.loads(entries.pop("config", "{}"), parse_constant=_refuse_constant)
        step = int(entries.pop("step", "0"))  # int() itself refuses thousands of digits
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} has a damaged header: copy or download it again.") from error
    if not isinstance(config, dict) or not 0 <= step <= MAX_STEP:
        raise ModelFileError(f"{path} has a damaged header: copy or download it again.")
    named = {name: entries.pop(name, "") for name in NAMED_ENTRIES}
    return ModelHeader(config=config, step=step, extra=entries, **named)


def open_tensors(path: Path, framework: Literal["np", "pt"]) -> Any:
    """Open a safetensors file, as `safetensors.safe_open` does.

    Raises:
        ModelFileError: missing, unreadable, damaged, or not a safetensors file.
    """
    try:
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder: give the .safetensors file itself.")
        refuse_special(path)
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no model file {path}: check the path, or train or download a model.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path} cannot be read ({reason}): check the path and its permissions.") from error
    # The file starts with the length of its header. A valid length may begin with the bytes of a pickle.
    if len(start) < 8 or not 2 <= int.from_bytes(start, "little") <= MAX_HEADER_BYTES:
        if start.startswith((b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
            raise ModelFileError(
                f"{path} is a pickled PyTorch file, which could run any program: convert it to .safetensors first."
            )
        raise ModelFileError(f"{path} is not a safetensors file: give a model file of this toolkit.")
    try:
        if readable(str(path)) == str(path):
            return safe_open(path, framework=framework)
        with path.open("rb") as file:  # torch opens only names in UTF-8
            return safe_open(f"/dev/fd/{file.fileno()}", framework=framework)
    except (SafetensorError, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise ModelFileError(f"{path} is damaged or cut short ({error}): copy or download it again.") from error


def config_from_header(cls: type[Config], header: ModelHeader) -> Config:
    """Build the frozen config dataclass `cls` that a model file describes. Missing keys take the class's defaults.

    Raises:
        ModelFileError: an unknown key, a value of the wrong type, or one that the class refuses.
    """
    return _build(cls, header.config, f"The config in this {header.stage} file")


def _build(cls: type[Config], values: Any, where: str) -> Config:
    if not isinstance(values, Mapping):
        raise ModelFileError(f"{where} is not a table of settings: the file was made by a different program.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ModelFileError(
            f"{where} has the unknown setting '{unknown[0]}': update the program or use a different file."
        )
    arguments = {name: _convert(fields[name], value, f"{where}, {name},") for name, value in values.items()}
    try:
        return cls(**arguments)
    except (SpeechError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelFileError(f"{where} is invalid: {str(error).rstrip('.')}.") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check a JSON value against the type hint of a config field; lists become tuples, objects become dataclasses."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if origin in (typing.Union, types.UnionType):
        for choice in choices:
            try:
                return _convert(choice, value, where)
            except ModelFileError:
                continue
    elif origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
    elif origin is tuple and isinstance(value, list):
        hints = [choices[0]] * len(value) if choices[-1] is Ellipsis else list(choices)
        if len(hints) == len(value):
            return tuple(_convert(each, item, where) for each, item in zip(hints, value, strict=True))
    elif (origin or hint) in (list, dict):
        if isinstance(value, origin or hint):
            return value
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is int and isinstance(value, bool):
        pass
    elif (isinstance(hint, type) and isinstance(value, hint)) or (hint is None and value is None):
        return value
    shown = repr(value) if len(repr(value)) <= 40 else repr(value)[:40] + "..."
    raise ModelFileError(f"{where} cannot be {shown}: the file is damaged or was made by a different program.")


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number in JSON")
