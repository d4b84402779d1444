"""The appearance of the window: two palettes, a style sheet, button icons and the colours of heat maps.

Nothing is loaded from files: icons are drawn, so that they are sharp on every screen and match the palette.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PyQt5.QtCore import QPointF, QRectF, Qt
from PyQt5.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from PyQt5.QtWidgets import QApplication

THEMES = ("auto", "light", "dark")
TEXT_POINTS = 10
MIN_POINTS, MAX_POINTS = 8, 20
ICON_PIXELS = 64  # drawn once, scaled down by Qt

# Perceptually even from dark to bright, so that more is brighter on both backgrounds: equidistant sRGB colours.
HEAT = ((8, 10, 32), (58, 22, 98), (126, 36, 116), (196, 58, 96), (242, 112, 64), (252, 180, 78), (252, 248, 200))


@dataclass(frozen=True)
class Theme:
    """The colours of the window, as #rrggbb."""

    dark: bool
    window: str
    card: str
    text: str
    faint: str
    line: str
    accent: str
    on_accent: str
    good: str
    warning: str
    error: str
    error_ground: str
    note_ground: str
    second: str


LIGHT = Theme(
    dark=False, window="#f2f4f7", card="#ffffff", text="#1b2330", faint="#5b6675", line="#d3d9e2", accent="#1f66d0",
    on_accent="#ffffff", good="#1c7a45", warning="#8a5a00", error="#b3261e", error_ground="#fdecea",
    note_ground="#e8f0fd", second="#c2571a",
)  # fmt: skip
DARK = Theme(
    dark=True, window="#1b1f26", card="#252a33", text="#e7eaf0", faint="#a3adbb", line="#3c4452", accent="#6ea8ff",
    on_accent="#0d1420", good="#6fd39a", warning="#f0c060", error="#ff8a80", error_ground="#4a2523",
    note_ground="#22344f", second="#ffa665",
)  # fmt: skip

_current = LIGHT  # set by `apply`; canvases read it whenever they paint


def current() -> Theme:
    """The theme in use."""
    return _current


def choose(name: str, system_is_dark: bool) -> Theme:
    """ "light" or "dark"; any other name follows the system."""
    if name in ("light", "dark"):
        return DARK if name == "dark" else LIGHT
    return DARK if system_is_dark else LIGHT


def system_is_dark(application: QApplication) -> bool:
    """Whether the desktop's own palette is dark; call it before `apply`."""
    return application.palette().color(QPalette.Window).lightness() < 128


def apply(application: QApplication, theme: Theme, points: int = TEXT_POINTS) -> None:
    """Set the theme and the text size of the whole application."""
    global _current
    _current = theme
    if application.style().objectName().lower() != "fusion":
        application.setStyle("Fusion")  # the same on every platform, and the only style with dark palettes
    application.setStyleSheet("")  # otherwise each of the next two lines would apply the old sheet, which is slow
    font = application.font()
    font.setPointSize(max(MIN_POINTS, min(points, MAX_POINTS)))
    application.setFont(font)
    application.setPalette(_palette(theme))
    application.setStyleSheet(_sheet(theme, font.pointSize()))


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.Window: theme.window, QPalette.Base: theme.card, QPalette.AlternateBase: theme.window,
        QPalette.Button: theme.card, QPalette.ToolTipBase: theme.card, QPalette.Highlight: theme.accent,
        QPalette.HighlightedText: theme.on_accent, QPalette.Link: theme.accent, QPalette.PlaceholderText: theme.faint,
        QPalette.WindowText: theme.text, QPalette.Text: theme.text, QPalette.ButtonText: theme.text,
        QPalette.ToolTipText: theme.text, QPalette.BrightText: theme.error,
    }  # fmt: skip
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.WindowText, QPalette.Text, QPalette.ButtonText):
        pale = QColor(theme.faint)
        pale.setAlpha(150)
        palette.setColor(QPalette.Disabled, role, pale)
    palette.setColor(QPalette.Disabled, QPalette.Highlight, QColor(theme.line))
    return palette


def _sheet(theme: Theme, points: int) -> str:
    pad = max(4, points // 2)
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.card}; border: 1px solid {theme.line}; padding: 4px; }}
    QFrame#card {{ background: {theme.card}; border: 1px solid {theme.line}; border-radius: 8px; }}
    QFrame#card[drop="true"] {{ border: 2px dashed {theme.accent}; }}
    QLabel#heading {{ font-size: {points + 2}pt; font-weight: 600; }}
    QLabel#number {{ color: {theme.on_accent}; background: {theme.accent}; border-radius: 11px; font-weight: 600;
        min-width: 22px; max-width: 22px; min-height: 22px; max-height: 22px; }}
    QLabel#faint {{ color: {theme.faint}; }}
    QLabel#figure {{ font-size: {points + 6}pt; font-weight: 600; }}
    QPushButton {{ padding: {pad}px {2 * pad}px; border: 1px solid {theme.line}; border-radius: 5px;
        background: {theme.card}; }}
    QPushButton:hover {{ border-color: {theme.accent}; }}
    QPushButton:focus {{ border: 1px solid {theme.accent}; }}
    QPushButton:pressed, QPushButton:checked {{ background: {theme.note_ground}; border-color: {theme.accent}; }}
    QPushButton:disabled {{ background: {theme.window}; }}
    QPushButton#primary {{ background: {theme.accent}; color: {theme.on_accent}; border-color: {theme.accent};
        font-weight: 600; padding: {pad + 3}px {3 * pad}px; }}
    QPushButton#primary:disabled {{ background: {theme.line}; color: {theme.faint}; border-color: {theme.line}; }}
    QPushButton#primary:focus {{ border: 2px solid {theme.text}; padding: {pad + 2}px {3 * pad - 1}px; }}
    QCheckBox::indicator {{ width: 13px; height: 13px; border: 1px solid {theme.faint}; border-radius: 3px;
        background: {theme.card}; }}
    QCheckBox::indicator:checked {{ background: {theme.accent}; border-color: {theme.accent}; }}
    QCheckBox:focus {{ color: {theme.accent}; }}
    QToolButton#fold {{ border: 0; padding: {pad - 2}px 2px; background: transparent; }}
    QToolButton#fold:hover, QToolButton#fold:focus {{ color: {theme.accent}; }}
    QToolButton#small {{ border: 1px solid {theme.line}; border-radius: 4px; padding: 0 5px; background: {theme.card};
        font-size: {max(7, points - 2)}pt; }}
    QToolButton#small:hover {{ border-color: {theme.accent}; color: {theme.accent}; }}
    QPushButton::menu-indicator {{ subcontrol-position: right center; right: 4px; }}
    QPlainTextEdit, QLineEdit, QListView, QTableView {{
        border: 1px solid {theme.line}; border-radius: 5px; background: {theme.card}; }}
    QLineEdit {{ padding: {pad - 2}px; }}
    QPlainTextEdit:focus, QLineEdit:focus, QListView:focus, QTableView:focus {{
        border-color: {theme.accent}; }}
    QFrame#error {{ background: {theme.error_ground}; border: 1px solid {theme.error}; border-radius: 6px; }}
    QFrame#note {{ background: {theme.note_ground}; border: 1px solid {theme.accent}; border-radius: 6px; }}
    QTabWidget::pane {{ border: 0; }}
    QTabBar::tab {{ padding: {pad + 1}px {2 * pad + 4}px; border: 0; border-bottom: 3px solid transparent; }}
    QTabBar::tab:selected {{ border-bottom: 3px solid {theme.accent}; color: {theme.accent}; }}
    QTabBar::tab:hover {{ color: {theme.accent}; }}
    QProgressBar {{ border: 1px solid {theme.line}; border-radius: 4px; background: {theme.window};
        text-align: center; min-height: {points + 8}px; }}
    QProgressBar::chunk {{ background: {theme.accent}; border-radius: 3px; }}
    QSplitter::handle {{ background: {theme.window}; }}
    QHeaderView::section {{ background: {theme.window}; color: {theme.faint}; border: 0; padding: 4px; }}
    QStatusBar::item {{ border: 0; }}
    """


# --- icons ------------------------------------------------------------------------------------------------------------


def icon(name: str, colour: str = "") -> QIcon:
    """An icon: play, pause, stop, record or folder. Args: colour: #rrggbb; by default the text colour."""
    pixmap = QPixmap(ICON_PIXELS, ICON_PIXELS)
    pixmap.fill(Qt.transparent)
    ink = QColor(colour or _current.text)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.Antialiasing)
    painter.scale(ICON_PIXELS / 16, ICON_PIXELS / 16)  # draw on a grid of 16
    painter.setPen(Qt.NoPen)
    painter.setBrush(ink)
    if name == "play":
        painter.drawPolygon(QPolygonF([QPointF(4, 2.5), QPointF(13.5, 8), QPointF(4, 13.5)]))
    elif name == "pause":
        painter.drawRoundedRect(QRectF(3.5, 3, 3.2, 10), 1, 1)
        painter.drawRoundedRect(QRectF(9.3, 3, 3.2, 10), 1, 1)
    elif name == "stop":
        painter.drawRoundedRect(QRectF(3.2, 3.2, 9.6, 9.6), 1.5, 1.5)
    elif name == "record":
        painter.drawEllipse(QRectF(3, 3, 10, 10))
    else:
        _draw_folder(painter, ink)
    painter.end()
    return QIcon(pixmap)


def _draw_folder(painter: QPainter, ink: QColor) -> None:
    outline = QPainterPath(QPointF(2, 4))
    for x, y in ((6.5, 4), (8, 6), (14, 6), (14, 13), (2, 13)):
        outline.lineTo(x, y)
    outline.closeSubpath()
    painter.setBrush(Qt.NoBrush)
    painter.setPen(QPen(ink, 1.4, join=Qt.RoundJoin))
    painter.drawPath(outline)


# --- colours of heat maps ---------------------------------------------------------------------------------------------


def colour_table(anchors: tuple[tuple[int, int, int], ...]) -> list[int]:
    """256 colours, 0xffRRGGBB each, interpolated linearly between equidistant anchors."""
    points = np.linspace(0, len(anchors) - 1, 256)
    channels = np.array(anchors, dtype=np.float64).T
    red, green, blue = (np.rint(np.interp(points, np.arange(len(anchors)), one)).astype(int) for one in channels)
    return [0xFF000000 | int(r) << 16 | int(g) << 8 | int(b) for r, g, b in zip(red, green, blue, strict=True)]


HEAT_TABLE = colour_table(HEAT)
