"""Style is a test: sizes, imports, words that do not belong, pages that must name every code."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from kiosk.model.codes import CODES

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted((ROOT / "kiosk").rglob("*.py"))
LONG_FILES = {"kiosk/drivers/vendors/sgc/driver.py"}  # one file by contract: State Grid's five files, and SM4 in it
BANNED_WORDS = re.compile(r"(^|_)(util|utils|common|helper|helpers|manager|misc|data|info)(_|$|\.)")


def name(path):
    return str(path.relative_to(ROOT))


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(node):
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1


def test_files_and_functions_are_short_enough_to_hold_in_the_head():
    long = [name(p) for p in CODE if p.read_text(encoding="utf-8").count("\n") > 400 and name(p) not in LONG_FILES]
    long += [name(p) for p in (ROOT / "kiosk").rglob("*.kv") if p.read_text(encoding="utf-8").count("\n") > 80]
    long += [f"{name(p)}:{f.lineno} {f.name}" for p in CODE for f in functions(p) if body_lines(f) > 50]
    assert long == []


def test_no_name_says_nothing():
    assert [name(p) for p in CODE if BANNED_WORDS.search(p.stem)] == []


def test_init_files_hold_a_docstring_only():
    filled = []
    for path in (ROOT / "kiosk").rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if len(tree.body) != 1 and name(path) != "kiosk/drivers/sdk/__init__.py":
            filled.append(name(path))
    assert filled == []


def test_no_float_touches_money_or_energy():
    rooms = ("kiosk/billing", "kiosk/ledger", "kiosk/model/money.py", "kiosk/model/energy.py")
    found = [
        f"{name(p)}:{node.lineno}"
        for p in CODE
        if name(p).startswith(rooms)
        for node in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and "Path" not in ast.unparse(node)
            and not isinstance(node.right, ast.Constant | ast.JoinedStr | ast.Name | ast.Call)
        )
    ]
    assert found == []


def test_nobody_takes_a_nap_in_the_tests():
    naps = [
        name(p)
        for p in (ROOT / "tests").rglob("*.py")
        if re.search(r"\btime\.sleep\(|mark\.(skip|xfail)", p.read_text())
    ]
    assert [n for n in naps if n != "tests/test_house_rules.py"] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_stands_in_the_page_for_staff(code):
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {code} \|", page, re.M), f"{code} is missing in docs/errors.md"


def test_imports_go_one_way():
    done = subprocess.run([ROOT / ".venv/bin/lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
