"""What our templates need beyond Django's own tags: icons, vendored files, sizes, ages, states."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from dashboard.states import TONES, status_words, task_words

register = template.Library()

VENDOR = {
    "tabler": "vendor/tabler/1.6.1",
    "tabler-icons": "vendor/tabler-icons/3.51.0",
    "htmx": "vendor/htmx/4.0.1",
    "novnc": "vendor/novnc/1.7.0",
    "xterm": "vendor/xterm/6.0.0",
    "xterm-addon-fit": "vendor/xterm-addon-fit/0.11.0",
}
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
KIB = 1024
NOTHING = "\N{EN DASH}"
NO_BREAK = "\N{NO-BREAK SPACE}"


@register.simple_tag
def vendor(package: str, file: str) -> str:
    """The address of a vendored file."""
    return static(f"{VENDOR[package]}/{file}")


@register.simple_tag
def icon(name: str, classes: str = "icon") -> SafeString:
    """An icon as inline SVG, hidden from screen readers: the words beside it say the same."""
    return format_html(
        '<svg class="{}" xmlns="http://www.w3.org/2000/svg" width="24" height="24" '
        'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>',
        classes,
        _drawing(name),
    )


@lru_cache(maxsize=256)
def _drawing(name: str) -> SafeString:
    path = Path(settings.BASE_DIR, "static", VENDOR["tabler-icons"], f"{name}.svg")
    shapes = re.findall(r"<(?:path|circle|rect|line)\b[^>]*/>", path.read_text())
    visible = [shape for shape in shapes if 'd="M0 0h24v24H0z"' not in shape]
    return mark_safe("".join(visible))  # noqa: S308 - our own file, nobody's input


@register.filter
def tone(status: str) -> str:
    """The colour that stands for a status."""
    return TONES.get(status, "secondary")


@register.filter
def status_label(status: str) -> str:
    """A status in words."""
    return status_words(status)


@register.filter
def task_label(task_state: str | None) -> str:
    """What is being done, in words; "" for nothing."""
    return task_words(task_state)


@register.filter
def as_words(name: str) -> str:
    """An identifier like `create_disks` as words, "Create disks"."""
    words = name.replace("__", " ").replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


@register.filter
def mib(amount: int) -> str:
    """An amount of MiB, in the unit that reads best."""
    if amount < 0:
        return "∞"
    if amount >= KIB and amount % 128 == 0:
        return f"{amount / KIB:g}{NO_BREAK}GiB"
    return f"{amount}{NO_BREAK}MiB"


@register.filter
def file_size(size_bytes: int | None) -> str:
    """A size in bytes, in the unit that reads best."""
    if size_bytes is None:
        return NOTHING
    size, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < KIB:
            break
        size, unit = size / KIB, larger
    return f"{size:.{0 if size >= 10 or unit == 'B' else 1}f}{NO_BREAK}{unit}"


@register.filter
def seconds(duration: timedelta | None) -> str:
    """A duration, as short as it is telling: 0.42 s, 12 s, 3 min."""
    return "" if duration is None else _span(duration.total_seconds())


@register.filter
def age(moment: datetime | None) -> SafeString | str:
    """How old something is, with the exact time to hover over."""
    return NOTHING if moment is None else _time(moment, "%s")


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago something was, with the exact time to hover over."""
    return NOTHING if moment is None else _time(moment, _("%s ago"))


def _time(moment: datetime, words: str) -> SafeString:
    past_s = float(int(max((timezone.now() - moment).total_seconds(), 0)))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        moment.strftime("%Y-%m-%d %H:%M:%S %Z"),
        words % _span(past_s) if past_s else _("just now"),
    )


def _span(total_s: float) -> str:
    if total_s < 10:
        return f"{total_s:.2g}{NO_BREAK}s" if total_s >= 0.01 else f"0{NO_BREAK}s"
    if total_s < MINUTE_S:
        return f"{total_s:.0f}{NO_BREAK}s"
    if total_s < HOUR_S:
        return f"{total_s // MINUTE_S:.0f}{NO_BREAK}min"
    if total_s < 2 * DAY_S:
        return f"{total_s // HOUR_S:.0f}{NO_BREAK}h"
    return f"{total_s // DAY_S:.0f}{NO_BREAK}d"
