"""The stage of an accident, seen by two: what the customer reads on the screen, and what the attendant's list says.

The screen is the real program's: the picture it drew, and the words that stood on it. The list is the command that the
attendant runs. Both are kept in build/accidents/ with the story, for people to look at (``album``).
"""

import json
import shutil
import subprocess
import sys

from stage import Customer, Eyes, entries, nothing_is_lost, sums

from kiosk.devices.acceptor.validator import Phase

LANGUAGES = ("zh-CN", "en")
SWITCH = (0.931, 0.873)  # the button with the other language's name, at the right of the foot
SWITCH_COUNTING = (0.716, 0.873)  # the count-down stands to the right of it
COUNTING = ("再等一会", "More time")
PATIENCE_S = 40
SWITCH_S = 3
NOTE_FEN = 2000


class Scene:
    """One accident. Keeps what is seen, in its order; ``story.json`` is there only if all was as expected."""

    def __init__(self, kept, story, part, world, power):
        self.kept, self.world, self.power = kept, world, power
        self.eyes = Eyes(world)
        self._told = {"story": story, "part": part, "steps": []}
        self._slips = 0
        kept.mkdir(parents=True)
        self._write("unfinished.json")

    def __exit__(self, *_):
        """The stage is cleared; a test that failed leaves ``unfinished.json`` only."""

    def _write(self, name):
        (self.kept / name).write_text(json.dumps(self._told, ensure_ascii=False, indent=1), encoding="utf-8")

    def _keep(self, **step):
        self._told["steps"].append(step)
        self._write("unfinished.json")

    def customer(self, *notes_fen, card=0):
        """Somebody with one of the cards of this world, and these notes."""
        return Customer(self.world, self.world.cards[card], notes_fen or (NOTE_FEN,))

    def comes_back(self, card=0):
        """Somebody who pays nothing, and wants what is owed; or wants to see what is on the card."""
        return Customer(self.world, self.world.cards[card], ())

    def happens(self, words):
        """A line of the story between two looks: (Chinese, English)."""
        self._keep(what="happens", zh=words[0], en=words[1])

    def wait(self, condition, what, seconds=PATIENCE_S):
        self.world.wait_until(condition, seconds, what)

    def free(self):
        """Nobody is served."""
        self.wait(lambda: self.eyes.page.startswith("attract"), "the first page")

    # ---- the customer

    def sees(self, page, zh, en):
        """The customer's view: the page so named comes up and says each of these, in both languages."""
        wanted = {"zh-CN": zh, "en": en}
        first = self._shown(page, wanted)
        other = LANGUAGES[1 - LANGUAGES.index(first)]
        self._switch_to(other)
        self._shown(page, wanted)
        pictures = {}
        for language in LANGUAGES:
            newest = self._newest(page, language)
            name = f"{len(self._told['steps']):02d}-{newest.stem.partition('-')[2]}"
            shutil.copy(newest, self.kept / f"{name}.png")
            shutil.copy(newest.with_suffix(".txt"), self.kept / f"{name}.txt")
            pictures[language] = f"{name}.png"
        self._keep(what="customer", page=page, pictures=pictures, says=wanted)

    def _shown(self, page, wanted):
        """Waits for the page with its words; the language it is in."""
        seen = {}

        def there():
            picture = self.eyes.picture
            if picture is None or not self.eyes.page.startswith(page):
                return False
            seen["language"] = next(language for language in LANGUAGES if picture.stem.endswith(language))
            seen["words"] = picture.with_suffix(".txt").read_text(encoding="utf-8")
            return all(each in seen["words"] for each in wanted[seen["language"]])

        try:
            self.wait(there, f"the page {page}")
        except TimeoutError:
            raise AssertionError(f"wanted {page} {wanted}; {self.eyes.page} says {seen.get('words')}") from None
        return seen["language"]

    def _switch_to(self, language):
        for _ in range(3):
            words = self.eyes.picture.with_suffix(".txt").read_text(encoding="utf-8")
            counting = any(each in words for each in COUNTING)
            self.world.finger.tap(*(SWITCH_COUNTING if counting else SWITCH))
            try:
                return self.wait(lambda: self.eyes.page.endswith(language), f"the page in {language}", SWITCH_S)
            except TimeoutError:
                continue
        raise AssertionError(f"{self.eyes.page} does not become {language}")

    def _newest(self, page, language):
        folder = self.world.town.shots
        named = [p for p in sorted(folder.glob("[0-9]*.png")) if p.stem.partition("-")[2].startswith(page)]
        return next(picture for picture in reversed(named) if picture.stem.endswith(language))

    def code(self, code):
        """What the attendant reads off the screen."""
        words = self.eyes.picture.with_suffix(".txt").read_text(encoding="utf-8")
        assert code in words, words

    # ---- the attendant

    def attends(self, zh=(), en=()):
        """The attendant's list holds one matter for each of these, and no other; "" for its words alone."""
        kept = {}
        for language, wanted in zip(LANGUAGES, (zh, en), strict=True):
            ledger = self.world.town.kiosk / "ledger.db"
            command = [sys.executable, "-m", "kiosk", "matters", ledger, "--language", language]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            assert asked.returncode == (1 if wanted else 0), asked.stderr
            matters = [part for part in asked.stdout.split("\n\n")[1:] if part]
            assert len(matters) == len(wanted), asked.stdout
            for matter, fragments in zip(matters, wanted, strict=True):
                for fragment in (fragments,) if isinstance(fragments, str) else fragments:
                    assert fragment in matter, asked.stdout
            name = f"{len(self._told['steps']):02d}-attendant-{language}.txt"
            (self.kept / name).write_text(asked.stdout, encoding="utf-8")
            kept[language] = asked.stdout
        self._keep(what="attendant", lists=kept)

    # ---- paper and money

    def slip(self, expected=1):
        """So many slips came out since the last look; each is kept."""
        self.wait(lambda: len(self.world.papers()) - self._slips >= expected, "the slip", 20)
        new = self.world.papers()[self._slips :]
        assert len(new) == expected
        self._slips += expected
        names = [f"{len(self._told['steps']):02d}-{paper.name}" for paper in new]
        for paper, name in zip(new, names, strict=True):
            shutil.copy(paper, self.kept / name)
        self._keep(what="slip", pictures=names)

    def money(self, card=0, owed=0, taken_fen=0, unassigned=0):
        """The money agrees: notes counted by hand, ledger, card and meter. Ends the story unless it goes on."""
        assert nothing_is_lost(self.world, self.world.cards[card], taken_fen) == owed
        balances = sums(self.world)["balances"]
        assert -balances.get("unassigned", 0) == unassigned
        sold = -sum(fen for account, fen in balances.items() if account.startswith("sold:"))
        box = self.world.box_fen() + taken_fen
        self._keep(
            what="money", counted=box, ledger=balances.get("cash:box", 0), sold=sold, owed=owed, nobody=unassigned
        )
        self._write("story.json")

    def no_note_is_lost(self):
        assert not [entry for entry in entries(self.world) if entry.kind in ("note.lost", "note.unknown")]

    def entries(self):
        return entries(self.world)

    def kinds(self):
        return [entry.kind for entry in entries(self.world)]


__all__ = ["NOTE_FEN", "Phase", "Scene", "entries"]
