import pytest
from played_world import PlayedWorld, settle

from kiosk.screens.window import prepare_window

prepare_window(760, 900)


@pytest.fixture(scope="module")
def window():
    """The one window there is, in the desk's size as long as these tests last."""
    from kivy.base import EventLoop
    from kivy.core.window import Window

    from kiosk.desk.window import load_furniture

    EventLoop.ensure_window()
    load_furniture()
    size, ground = Window.size, Window.clearcolor
    Window.size = (760, 900)
    EventLoop.start()
    yield Window
    EventLoop.stop()
    Window.size, Window.clearcolor = size, ground


@pytest.fixture
def world():
    return PlayedWorld()


@pytest.fixture
def desk(window, world):
    """The real desk in a real window, drawn offscreen; nothing of it is left over for the next test."""
    from kiosk.desk.window import Desk

    desk = Desk(world)
    window.add_widget(desk)
    settle(desk)
    yield desk
    desk.close()
    for child in window.children[:]:
        window.remove_widget(child)
