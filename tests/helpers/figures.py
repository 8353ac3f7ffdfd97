"""What every figure has to be: told, and readable at half the width."""

from matplotlib.figure import Figure
from matplotlib.text import Text

from m4jax.report import style


def foot_of(figure: Figure) -> str:
    """Returns what is written below a figure, in one line; "" where nothing is."""
    written = [text.get_text() for text in figure.texts if text.get_gid() == style.FOOT]
    return " ".join(" ".join(written).split())


def check(figure: Figure, name: str) -> None:
    """Asserts that a figure says its n, its bars and what would make it wrong; that its text is
    large enough, and that none of what stands outside its panels is cut off or covers another."""
    told = foot_of(figure)
    assert told.startswith("n: ") and " Bars: " in told and " Wrong if " in told, (name, told)
    assert "?" not in told and ".." not in told and told.endswith("."), (name, told)
    assert figure.get_suptitle(), name
    figure.draw_without_rendering()
    texts = [x for x in figure.findobj(Text) if x.get_visible() and x.get_text().strip()]
    for text in texts:
        assert text.get_fontsize() >= style.SMALL, (name, text.get_text(), text.get_fontsize())
    page = figure.bbox
    apart = [x.get_window_extent() for x in figure.texts if x.get_gid() == style.FOOT]
    apart += [x.get_window_extent() for x in figure.legends]
    apart += [ax.get_tightbbox() for ax in figure.axes]
    for box in apart:
        assert box.x0 >= page.x0 - 2 and box.x1 <= page.x1 + 2, (name, box)
        assert box.y0 >= page.y0 - 2 and box.y1 <= page.y1 + 2, (name, box)
    below, panels = apart[: -len(figure.axes)], apart[-len(figure.axes) :]
    for i, box in enumerate(below):
        for other in [*below[i + 1 :], *panels]:
            assert min(box.y1, other.y1) - max(box.y0, other.y0) <= 2, (name, box, other)
