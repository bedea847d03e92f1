import pytest

from kiosk.model.clock import SystemClock
from kiosk.model.texts import load_texts
from kiosk.screens.samples import LANGUAGES
from kiosk.screens.window import ASSETS, prepare_window

prepare_window(1024, 600)


@pytest.fixture(scope="session")
def words():
    return {language: load_texts(ASSETS / "text", "screens", language) for language in LANGUAGES}


@pytest.fixture(scope="session")
def shown(words):
    """The real frame in a real window, drawn offscreen. Gives (frame, posted events, draw)."""
    from kivy.base import EventLoop
    from kivy.core.window import Window

    from kiosk.screens.app import Frame, load_furniture
    from kiosk.screens.page import Facts

    EventLoop.ensure_window()
    load_furniture()
    Window.size = (1024, 600)  # the desk's tests may have had the one window there is
    posted = []
    facts = Facts(
        {"zh-CN": "示范电力公司", "en": "Example Power"},
        {"zh-CN": "一号楼大厅", "en": "Building 1"},
        "95598",
        (500, 1000, 2000, 5000, 10_000),
        words,
        (50, 100),
    )
    frame = Frame(facts, posted.append, SystemClock())
    Window.add_widget(frame)
    EventLoop.start()

    def draw(view):
        posted.clear()
        frame.render(view)
        for _ in range(4):
            EventLoop.idle()

    yield frame, posted, draw
    Window.remove_widget(frame)
    EventLoop.stop()


@pytest.fixture
def tap():
    from kivy.base import EventLoop
    from kivy.tests.common import UnitTestTouch

    def at(widget):
        touch = UnitTestTouch(*widget.to_window(*widget.center))
        touch.touch_down()
        EventLoop.idle()
        touch.touch_up()
        EventLoop.idle()

    return at
