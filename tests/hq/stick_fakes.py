"""Sticks as contract 2 §5 has them, written by none of our code: tiles, bundles, and the folder's name."""

import io
import zipfile

from fakes import leaf, root


def tile_name(index, width):
    name = f"{index:03d}" if index < 1000 else f"x{index // 1000:03d}/{index % 1000:03d}"
    return name if width == 256 else f"{name}.p/{width}"


def export(terminal, size=None, cosigned=None):
    """The files of an export, by path."""
    size = len(terminal.entries) if size is None else size
    entries = terminal.entries[:size]
    files = {"checkpoint": terminal.note(size).encode()}
    if cosigned:
        files["checkpoint.hq"] = cosigned.encode()
    for at in range(0, size, 256):
        here = entries[at : at + 256]
        name = tile_name(at // 256, len(here))
        files[f"tile/entries/{name}"] = b"".join(len(entry).to_bytes(2, "big") + entry for entry in here)
    level, hashes = 0, [leaf(entry) for entry in entries]
    while hashes:
        for at in range(0, len(hashes), 256):
            here = hashes[at : at + 256]
            files[f"tile/{level}/{tile_name(at // 256, len(here))}"] = b"".join(here)
        full = [hashes[at : at + 256] for at in range(0, len(hashes) - 255, 256)]
        hashes, level = [root(each) for each in full], level + 1
    return files


def place(terminal):
    return f"prepaid-kiosk/v1/{terminal.hash}"


def write(stick, terminal, size=None, cosigned=None, **changes):
    """Puts an export onto a stick; returns the terminal's folder."""
    own = stick / place(terminal)
    for name, content in (export(terminal, size, cosigned) | changes).items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return own


def zipped(files, packing=zipfile.ZIP_DEFLATED):
    """A zip of files by path, as a file manager makes it: with its folders."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", packing) as out:
        folders = sorted({name[: at + 1] for name in files for at, letter in enumerate(name) if letter == "/"})
        for folder in folders:
            out.writestr(folder, b"")
        for name, content in files.items():
            out.writestr(name, content)
    return packed.getvalue()


def zip_of(*terminals, above="", **changes):
    files = {}
    for terminal in terminals:
        files |= {f"{above}{place(terminal)}/{name}": content for name, content in (export(terminal) | changes).items()}
    return zipped(files)
