"""Clone a voice in a window.

    python -m toolbox
    python -m toolbox data/ recordings/

Without a display or PyQt5 it prints one sentence about what is missing.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from speech.errors import ConfigError, exit_on_speech_error

STARTED = time.perf_counter()
STILL_WORKS = "demo_cli.py clones voices without a window."
MAX_WAIT = 2.0  # seconds for the window to appear
SIGNAL_SECONDS = 0.3  # between two checks for Ctrl-C in the terminal
SWITCH_SECONDS = 0.002  # after which a computing thread yields the interpreter to the window
STALL_SECONDS = 0.03  # shortest stall that --watch reports


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m toolbox", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="datasets to browse, or folders that contain some")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of the models (default: models/default)")
    parser.add_argument("--cpu", action="store_true", help="run the models on the CPU")
    parser.add_argument("--seed", type=int, metavar="N", help="start with this fixed seed, for repeatable results")
    parser.add_argument("--theme", choices=("auto", "light", "dark"), help="colours of the window, remembered")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder for settings, voices and results")
    parser.add_argument("--watch", action="store_true", help="report start time and freezes of the window at the end")
    return parser.parse_args(argv)


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    check_arguments(arguments)
    check_display()
    application = make_application()
    window, session = make_window(application, arguments)
    window.closed.connect(application.quit)
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    wait_until_visible(application, window)
    shown_after = time.perf_counter() - STARTED
    watchdog = _watch(arguments.watch, session)
    window.start()
    timer = close_on_interrupt(window)
    code = application.exec_()
    timer.stop()
    if watchdog is not None:
        watchdog.stop()
        print(f"window after {shown_after:.2f} s; freezes of more than {1000 * watchdog.threshold:.0f} ms:")
        for stall in watchdog.stalls:
            print(f"  at {stall.at:.1f} s: {1000 * stall.own_seconds:.0f} ms "
                  f"({1000 * stall.seconds:.0f} ms with waits for a processor)")  # fmt: skip
    if not session.close():
        # A thread does not react to cancelling. It would crash if the interpreter shut down its libraries.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raises: ConfigError for a missing folder or a seed out of range."""
    for folder in arguments.folders:
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder}: give a folder with recordings.")
    if arguments.models is not None and not arguments.models.is_dir():
        raise ConfigError(f"There is no folder of models {arguments.models}: check the path.")
    if arguments.seed is not None and not 0 <= arguments.seed < 2**31:
        raise ConfigError(f"The seed {arguments.seed} is out of range: it must be between 0 and {2**31 - 1}.")


def check_display() -> None:
    """Raises: ConfigError if no window can be opened; Qt itself would abort the process."""
    try:
        import PyQt5.QtWidgets  # noqa: F401
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            raise ConfigError(f"The window needs PyQt5: run pip install PyQt5. {STILL_WORKS}") from error
        raise ConfigError(
            f"PyQt5 is installed but cannot be loaded ({error}): install the missing system library. {STILL_WORKS}"
        ) from error
    if sys.platform.startswith("linux") and not os.environ.get("QT_QPA_PLATFORM", ""):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise ConfigError(f"There is no display for a window: log in to a desktop, or use xvfb-run. {STILL_WORKS}")
        if os.environ.get("DISPLAY") and not _display_accepts():
            raise ConfigError(
                f"The display {os.environ['DISPLAY']} does not respond: check DISPLAY, or use xvfb-run. {STILL_WORKS}"
            )


def _display_accepts() -> bool:
    """Whether the X server accepts a connection; True if that cannot be checked."""
    import ctypes
    import ctypes.util

    name = (
        ctypes.util.find_library("X11") if not Path("/usr/lib/x86_64-linux-gnu/libX11.so.6").exists() else "libX11.so.6"
    )
    if not name:
        return True
    try:
        library = ctypes.CDLL(name)
        library.XOpenDisplay.restype = ctypes.c_void_p
        display = library.XOpenDisplay(None)
        if display:
            library.XCloseDisplay(ctypes.c_void_p(display))
        return bool(display)
    except (OSError, AttributeError):
        return True


def make_application() -> Any:
    """The QApplication, with support for high-resolution screens."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QApplication

    if QApplication.instance() is None:
        QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
        QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    application.setApplicationName("sv2tts-toolkit")
    application.setApplicationDisplayName("Voice cloning toolbox")
    return application


def wait_until_visible(application: Any, window: Any) -> None:
    """Wait until the window is painted, but not for long if the display does not respond."""
    ends = time.monotonic() + MAX_WAIT
    application.processEvents()
    while not window.windowHandle().isExposed() and time.monotonic() < ends:
        application.processEvents()
        time.sleep(0.001)
    application.processEvents()


def make_window(application: Any, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The window and its session, not started yet."""
    from cloning.models import DEFAULT_MODELS
    from toolbox.panels.log_panel import COMPILER, LogRelay
    from toolbox.state.session import Session
    from toolbox.storage.preferences import Preferences
    from toolbox.storage.results import ResultStore
    from toolbox.storage.voice_store import VoiceStore
    from toolbox.widgets import style
    from toolbox.window.main_window import MainWindow

    data = arguments.data
    preferences = Preferences(None if data is None else data / "toolbox.json")
    if arguments.theme is not None:
        preferences.set("theme", arguments.theme)
    if arguments.seed is not None:
        preferences.set("seed", arguments.seed)
        preferences.set("seed_fixed", True)
    dark = style.system_is_dark(application)
    theme = style.choose(preferences.get("theme", "auto"), dark)
    style.apply(application, theme, preferences.get("text_points", style.TEXT_POINTS))
    session = Session(
        preferences,
        arguments.models or DEFAULT_MODELS,
        "cpu" if arguments.cpu else "auto",
        VoiceStore(None if data is None else data / "voices"),
        ResultStore(None if data is None else data / "results"),
    )
    window = MainWindow(session, [folder.absolute() for folder in arguments.folders], dark)
    relay = LogRelay()
    relay.signals.line.connect(window.log.add)
    relay.signals.compiling.connect(window.activity.show_note)
    logging.getLogger(COMPILER).setLevel(logging.INFO)
    logging.getLogger().addHandler(relay)
    window.destroyed.connect(lambda: logging.getLogger().removeHandler(relay))
    install_excepthook(session)
    return window, session


def install_excepthook(session: Any) -> None:
    """Show internal errors in the window, where PyQt would end the program."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            session.cancel_all()
            from PyQt5.QtWidgets import QApplication

            QApplication.quit()
            return
        from toolbox.jobs.context import describe_failure

        sentence, details = describe_failure(error)
        print(details, file=sys.stderr)
        session.logged.emit(f"error: {sentence}")
        session.error.emit(sentence, details)

    sys.excepthook = show


def close_on_interrupt(window: Any) -> Any:
    """Let Ctrl-C in the terminal close the window.

    Returns:
        a timer that lets Python check for signals regularly, which it cannot do while Qt waits for events.
    """
    import signal

    from PyQt5.QtCore import QTimer

    signal.signal(signal.SIGINT, lambda *_: window.close())
    timer = QTimer(window)
    timer.timeout.connect(lambda: None)
    timer.start(round(1000 * SIGNAL_SECONDS))
    return timer


def _watch(wanted: bool, session: Any) -> Any:
    if not wanted:
        return None
    from toolbox.window.watchdog import Watchdog

    watchdog = Watchdog(STALL_SECONDS, lambda stall: session.logged.emit(
        f"the window froze for {1000 * stall.own_seconds:.0f} ms ({1000 * stall.seconds:.0f} ms with waits)"
    ))  # fmt: skip
    watchdog.start()
    return watchdog
