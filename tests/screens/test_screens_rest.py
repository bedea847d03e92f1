"""What an idle screen costs: the ground is filled once a frame, and less than a pixel's movement draws no frame."""

from kivy.base import EventLoop
from kivy.core.window import Window
from PIL import Image

from kiosk.sale.view import SaleView, Screen
from kiosk.screens.app import PAPER


def test_the_ground_of_a_page_is_the_windows_own_colour(shown, tmp_path):
    _frame, _posted, draw = shown
    draw(SaleView(Screen.ATTRACT, "en"))
    picture = Window.screenshot(name=str(tmp_path / "page.png"))
    with Image.open(picture) as page:
        assert page.convert("RGB").getpixel((8, 300)) == tuple(round(255 * part) for part in PAPER[:3])


def test_a_card_is_drawn_again_only_when_it_has_moved_by_a_pixel(shown):
    frame, _posted, draw = shown
    draw(SaleView(Screen.ATTRACT, "en"))
    page = frame._page
    page.leave()  # no sliding by itself
    icon = page.ids.icon

    def drawn(slide):
        before = icon.canvas.children[0]
        icon.slide = slide
        EventLoop.idle()
        EventLoop.idle()
        return icon.canvas.children[0] is not before

    from kivy.animation import Animation

    Animation.cancel_all(icon)
    drawn(0.5)
    assert not drawn(0.5001)
    assert drawn(0.6)
    assert drawn(0.0)
