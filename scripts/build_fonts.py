"""Takes the Simplified Chinese faces out of Debian's Noto Sans CJK collections into build/fonts/.

Kivy opens face 0 of a collection, which is the Japanese one; Chinese customers would read Japanese glyph shapes.
"""

import pathlib
import sys

from fontTools.ttLib import TTFont

SOURCE = pathlib.Path("/usr/share/fonts/opentype/noto")
TARGET = pathlib.Path(__file__).resolve().parent.parent / "build" / "fonts"
FACES = {"NotoSansCJK-Regular.ttc": "NotoSansSC-Regular.otf", "NotoSansCJK-Bold.ttc": "NotoSansSC-Bold.otf"}
SIMPLIFIED_CHINESE_FACE = 2


def main() -> int:
    TARGET.mkdir(parents=True, exist_ok=True)
    for collection, name in FACES.items():
        target = TARGET / name
        if target.exists():
            continue
        print(f"· building {target.relative_to(TARGET.parent.parent)}")
        part = target.with_suffix(".part")
        font = TTFont(SOURCE / collection, fontNumber=SIMPLIFIED_CHINESE_FACE)
        assert "SC" in font["name"].getDebugName(1), f"face {SIMPLIFIED_CHINESE_FACE} of {collection} is not the SC one"
        font.save(part)
        part.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
