"""A report on paper: the numbers of the page with their definitions, its curve and tables, as a PDF on A4.

Made by reportlab. Chinese is written in a font that PDF readers bring (Adobe's MSung-Light, not embedded),
all else in Helvetica.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from campaigns.reports import sheet
from campaigns.reports.definitions import BALANCE
from campaigns.reports.experiments import Compared
from campaigns.reports.report import Report
from campaigns.reports.trials import Trial
from common.percents import cut, in_words, sure

CHINESE = "MSung-Light"
CHARACTERS = "UniCNS-UCS2-H"
BEYOND = re.compile(r"[^\u0000-\u00ff\u2013\u2014\u2018-\u201d\u2022\u2026]+")
WIDTH = A4[0] - 36 * mm
INK, MUTED, LINE, PEOPLE, MACHINES = "#172126", "#57646a", "#d5dcdf", "#0f6674", "#b5bfc4"
TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12.5, textColor=HexColor(INK))
SMALL = ParagraphStyle("small", parent=TEXT, fontSize=7.5, leading=10, textColor=HexColor(MUTED))
TITLE = ParagraphStyle("title", parent=TEXT, fontName="Helvetica-Bold", fontSize=17, leading=22)
HEAD = ParagraphStyle("head", parent=TEXT, fontName="Helvetica-Bold", fontSize=11, leading=15, spaceBefore=12)
HEAD_AND_ROWS = 28 * mm  # no title stands alone at a page's end, nor takes its table to the next
RIGHT = ParagraphStyle("right", parent=TEXT, alignment=2)
SMALL_RIGHT = ParagraphStyle("small right", parent=SMALL, alignment=2)
MOST_LINKS, CURVE_HEIGHT = 40, 130


def pdf(report: Report, *, now: datetime) -> bytes:
    """In the language and time zone that are active."""
    pdfmetrics.registerFont(_chinese())
    buffer = io.BytesIO()
    name = report.campaign.name
    paper = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        title=name,
        author="Carillon",
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
    )
    paper.build(list(_parts(report, now)), onFirstPage=_numbered, onLaterPages=_numbered)
    return buffer.getvalue()


def _chinese() -> UnicodeCIDFont:
    """reportlab gives this font, of Adobe's collection CNS1, the table of another collection (GB1): readers
    would show other characters, or none. Adobe's own for the same two bytes a character is this one.
    """
    font = UnicodeCIDFont(CHINESE)
    font.encodingName = CHARACTERS
    return font


def written(text: object, style: ParagraphStyle = TEXT) -> Paragraph:
    """Any text, nothing of it taken for markup; what Helvetica has no letters for in the Chinese font."""
    plain = "".join(one for one in str(text) if one.isprintable())
    return Paragraph(BEYOND.sub(rf'<font name="{CHINESE}">\g<0></font>', escape(plain)), style)


def _headed(title: str, room: float = HEAD_AND_ROWS) -> list[Flowable]:
    """A title, on the next page where so much does not fit below it any more."""
    return [CondPageBreak(room), written(title, HEAD)]


def _numbered(canvas: Any, paper: Any) -> None:
    canvas.setFont("Helvetica", 7.5)
    canvas.setFillColor(HexColor(MUTED))
    canvas.drawRightString(A4[0] - 18 * mm, 9 * mm, str(paper.page))


def _parts(report: Report, now: datetime) -> Iterator[Flowable]:
    yield written(report.campaign.name, TITLE)
    if report.run:
        yield written(_("Report of %(when)s") % {"when": _moment(report.run.due_at)})
    since = f" · {_('since %(at)s') % {'at': _moment(report.since)}}" if report.since else ""
    yield written(_("Figures up to %(now)s") % {"now": _moment(now)} + since, SMALL)
    yield Spacer(0, 6)
    rows = [
        [written(one.label), _number(one.value), _percent(one.rate), written(one.definition, SMALL)]
        for one in report.numbers.values()
    ]
    yield _table([pgettext("figure", "Number"), "", "", _("Definition")], rows, (0.22, 0.11, 0.1, 0.57))
    if not report.since:
        yield Spacer(0, 4)
        yield written(_balance(report), SMALL)
    if report.curve:
        yield from _headed(
            _("Opens and clicks by people, and by machines above them"), CURVE_HEIGHT + 12 * mm
        )
        yield _curve(report)
    if report.trial:
        yield from _trial(report.trial)
    yield from _tables(report)


def _trial(trial: Trial) -> Iterator[Flowable]:
    """What the page says of an experiment."""
    yield from _headed(f"{_('Experiment')} · {trial.metric_label}")
    for told in (trial.parts, trial.sentence if trial.compared else "", trial.decided):
        if told:
            yield written(told)
    head = [_("People"), trial.metric_label, _("Rate"), _("Lift"), _("Interval"), _("Confidence")]
    for title, found, told in (
        (_("Treatment"), trial.compared, ""),
        (_("Group"), trial.groups, trial.holdout_sentence),
    ):
        if told:
            yield written(told)
        if found:
            yield _table(
                [title, *head], [_arm(one) for one in found], (0.26, 0.1, 0.11, 0.1, 0.11, 0.2, 0.12)
            )


def _arm(one: Compared) -> list[Flowable]:
    arm = one.arm
    told = [written(arm.label), _number(arm.people), _number(arm.converted), _percent(arm.rate)]
    if one.is_first or one.low is None:
        return [*told, *(written("", RIGHT) for _cell in range(3))]
    high = "∞" if one.high is None else in_words(cut(one.high, 1, "up"), 1)
    interval = f"{in_words(cut(one.low, 1, 'down'), 1)} … {high}"
    sure_of = in_words(sure(one.confidence, 1), 1)
    return [*told, _percent(one.lift), written(interval, RIGHT), written(sure_of, RIGHT)]


def _balance(report: Report) -> str:
    parts = [report.numbers[code] for code in BALANCE if code in report.numbers]
    told = " + ".join(f"{one.label} {formats.number_format(one.value, force_grouping=True)}" for one in parts)
    targeted = formats.number_format(report.outcomes.book.targeted, force_grouping=True)
    return f"{report.numbers['targeted'].label} {targeted} = {told}"


def _curve(report: Report) -> Drawing:
    drawing, chart = Drawing(WIDTH, CURVE_HEIGHT), VerticalBarChart()
    points = report.curve
    chart.x, chart.y, chart.width, chart.height = 34, 24, WIDTH - 40, 98
    chart.data = [
        [one.opens + one.clicks for one in points],
        [one.machine_opens + one.machine_clicks for one in points],
    ]
    chart.categoryAxis.style = "stacked"
    chart.bars[0].fillColor, chart.bars[1].fillColor = HexColor(PEOPLE), HexColor(MACHINES)
    chart.bars.strokeColor, chart.barSpacing, chart.groupSpacing = None, 0, 1
    every = max(len(points) // 8, 1)
    how = "H:i" if report.step == "hour" else "n/j"
    chart.categoryAxis.categoryNames = [
        formats.date_format(timezone.localtime(one.at), how) if number % every == 0 else ""
        for number, one in enumerate(points)
    ]
    for axis in (chart.categoryAxis, chart.valueAxis):
        axis.labels.fontName, axis.labels.fontSize, axis.strokeColor = "Helvetica", 6.5, HexColor(LINE)
        axis.labels.fillColor = HexColor(MUTED)
    chart.valueAxis.valueMin, chart.valueAxis.labelTextFormat = 0, "%d"
    drawing.add(chart)
    return drawing


def _tables(report: Report) -> Iterator[Flowable]:
    for title, parts in sheet.tables(report):
        names = sheet.columns(report, parts)
        columns = [report.numbers[code].label for code in names if code in report.numbers]
        if parts:
            yield from _headed(title)
            rows = [[written(one.label), *(_number(getattr(one, name)) for name in names)] for one in parts]
            yield _table(["", *columns], rows, (1 - 0.11 * len(names), *(0.11,) * len(names)))
    if report.links:
        yield from _headed(_("Links"))
        rows = [
            [written(one.label or one.url[:300]), *map(_number, (one.people, one.clicks, one.machine_clicks))]
            for one in report.links[:MOST_LINKS]
        ]
        head = [_("Address"), _("People"), pgettext("number", "Clicks"), _("Clicks by machines")]
        yield _table(head, rows, (0.58, 0.12, 0.12, 0.18))
    for title, reasons in (
        (_("Excluded, by reason"), report.excluded),
        (_("Failed, by reason"), report.failed),
        (_("Bounced, by reason"), report.bounced),
    ):
        if reasons:
            yield from _headed(title)
            rows = [[written(label), written(code, SMALL), _number(count)] for code, label, count in reasons]
            yield _table([_("Reason"), pgettext("reason", "Code"), ""], rows, (0.66, 0.2, 0.14))
    if report.rules:
        yield from _headed(_("Machines"))
        yield _table(
            ["", ""], [[written(one.label), _number(one.events)] for one in report.rules], (0.86, 0.14)
        )


def _table(head: Sequence[str], rows: list[list[Flowable]], parts: Sequence[float]) -> Table:
    made = Table(
        [[written(one, _above(rows, place)) for place, one in enumerate(head)], *rows],
        colWidths=[part * WIDTH for part in parts],
        repeatRows=1,
        hAlign="LEFT",
    )
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor(LINE)),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ]
        )
    )
    return made


def _above(rows: list[list[Flowable]], place: int) -> ParagraphStyle:
    """The title of a column of figures stands at the right, as they do."""
    below = rows[-1][place] if rows else None
    return SMALL_RIGHT if isinstance(below, Paragraph) and below.style is RIGHT else SMALL


def _number(value: int) -> Paragraph:
    return written(formats.number_format(value, force_grouping=True), RIGHT)


def _percent(rate: float | None) -> Paragraph:
    return written("" if rate is None else in_words(cut(rate, 1), 1), RIGHT)


def _moment(moment: datetime) -> str:
    return formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
