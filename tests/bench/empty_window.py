"""An empty Kivy window of the kiosk's size: what any program of this kind costs. Says "frame" when it is drawn."""

from kiosk.screens.window import prepare_window

prepare_window(1024, 600)

from kivy.app import App  # noqa: E402
from kivy.clock import Clock  # noqa: E402
from kivy.uix.label import Label  # noqa: E402


class Empty(App):
    def build(self):
        Clock.schedule_once(lambda _dt: print("frame", flush=True), 0)
        return Label(text="empty")


Empty().run()
