import itertools

import pytest
from sample_slips import KINDS, LANGUAGES, TEXTS, receipt

from kiosk.devices.printer.layout import KEYS, Amount, Code, Digits, Heading, Pair, Paragraph, Rule, slip


def said(blocks):
    lines = []
    for block in blocks:
        match block:
            case Heading(text) | Paragraph(text):
                lines.append(text)
            case Pair(label, value) | Amount(label, value):
                lines.append(f"{label}: {value}")
    return lines


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_keys_told_are_the_keys_of_the_file_and_all_are_filled(language):
    assert set(KEYS) == set(TEXTS[language])
    TEXTS[language].check(KEYS)


def test_a_purchase_reads_from_what_to_whom_to_ask():
    assert said(slip(receipt("purchase", "en"), TEXTS["en"])) == [
        "Jiangcheng Power Supply Services",
        "Electricity receipt",
        "On your card: ¥100.00",
        "Electricity: 161.29 kWh",
        "Customer no.: 0420 0012 3456",
        "Meter no.: 1100 2345 6789",
        "Meter made by: Holley Technology 1A2B",
        "Price: 0.6200 yuan/kWh",
        "Purchase count: 13",
        "Left in the meter: 35.20",
        "Put in: ¥50×1  ¥20×2  ¥10×1",
        "Cash received: ¥100.00",
        "Now put the card into your meter.",
        "Help: 400-800-9558",
        "Time: 2026-02-15 10:30:12",
        "Place: Riverside Estate, north gate",
        "Terminal · ledger no.: 0007 · 10234",
        "Sale no.: 8F3A 61C0 27D4",
        "Scan to check that this slip is genuine",
    ]


def test_owed_says_paid_written_still_owed_where_when_keep_and_phone():
    lines = said(slip(receipt("owed", "zh-CN"), TEXTS["zh-CN"]))
    assert lines[1:3] == ["欠款凭条", "本机欠您: ¥50.00"]
    assert {"实收现金: ¥100.00", "已写入电卡: ¥50.00", "购电量: 80.64 度", "本机仍欠您: ¥50.00"} <= set(lines)
    assert {"请保管好本凭条。", "服务电话: 400-800-9558", "代码: C-202"} <= set(lines)
    sentence = next(line for line in lines if line.startswith("¥50.00 已收到"))
    assert "下次在本机（终端 0007）插入这张卡" in sentence


def test_doubt_claims_neither_that_it_is_written_nor_that_it_is_owed():
    lines = said(slip(receipt("doubt", "zh-CN"), TEXTS["zh-CN"]))
    assert lines[1:3] == ["待核实凭条", "待核实: ¥70.00"]
    assert {"实收现金: ¥50.00", "上次欠您: ¥20.00", "确认已写入: ¥0.00", "待核实: ¥70.00"} <= set(lines)
    assert not any("本机仍欠" in line or line.startswith("已写入电卡") for line in lines)
    assert any("还不知道这 ¥70.00" in line and "终端 0007" in line for line in lines)


def test_unassigned_money_names_no_card():
    lines = said(slip(receipt("unassigned", "en"), TEXTS["en"]))
    assert lines[1:3] == ["Slip: unclaimed cash", "Cash received: ¥20.00"]
    assert not any(line.startswith(("Customer", "Meter", "Price", "Still owed")) for line in lines)
    assert "Please keep this slip." in lines


def test_a_voucher_has_a_title_of_its_own_its_number_and_no_sum_of_notes():
    lines = said(slip(receipt("voucher", "en"), TEXTS["en"]))
    assert lines[1:4] == ["Voucher", "Worth: ¥50.00", "Voucher no.: 0007-3f2a91c0de"]
    assert {"Electricity: 80.64 kWh", "Customer no.: 0420 0012 3456", "Help: 400-800-9558"} <= set(lines)
    assert any("redeems this voucher for ¥50.00, once" in line for line in lines)
    assert lines[-1] == "Our office scans this code"
    assert not any(line.startswith(("Put in", "Cash", "Still owed", "Sale no.", "Written")) for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voucher_for_a_meter_with_a_keypad_speaks_of_no_card(language):
    lines = said(slip(receipt("voucher", language, keypad=True), TEXTS[language]))
    assert not any("card" in line or "卡" in line for line in lines)


def test_no_other_slip_is_called_a_voucher():
    for language, word in (("zh-CN", "欠款凭证"), ("en", "Voucher")):
        titles = {kind: TEXTS[language].text(f"title.{kind}") for kind in KINDS}
        assert [kind for kind, title in titles.items() if word in title] == ["voucher"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_for_a_keypad_stand_large_in_groups_of_four(language):
    blocks = slip(receipt("purchase", language, keypad=True, token="23716100501183194197"), TEXTS[language])
    assert Digits(("2371", "6100", "5011", "8319", "4197")) in blocks
    lines = said(blocks)
    assert TEXTS[language].text("say.token") in lines and TEXTS[language].text("title.token") in lines
    assert not any("card" in line or "卡" in line for line in lines)


def test_a_debt_to_a_customer_without_a_card_speaks_of_no_card():
    lines = said(slip(receipt("owed", "zh-CN", keypad=True), TEXTS["zh-CN"]))
    assert any("输入户号时，会先补发充值码" in line for line in lines)
    assert not any("电卡" in line for line in lines)


def test_a_lost_note_is_told_with_its_value():
    lines = said(slip(receipt("purchase", "zh-CN", lost_fen=5000), TEXTS["zh-CN"]))
    assert "去向不明的纸币: ¥50.00" in lines
    assert "请保管好本凭条。" in lines
    assert any(line.startswith("有一张纸币去向不明") for line in lines)


def test_a_purchase_that_also_wrote_what_was_owed_adds_up_on_paper():
    lines = said(slip(receipt("purchase", "en", brought_fen=2000, written_fen=11000, kept_fen=1000), TEXTS["en"]))
    at = lines.index("Cash received: ¥100.00")
    assert lines[at + 1 : at + 4] == [
        "Owed from last time: ¥20.00",
        "Written to your card: ¥110.00",
        "Still owed to you: ¥10.00",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_only_slips_to_keep_have_the_black_title_and_no_rule_stands_alone(kind):
    blocks = slip(receipt(kind, "en"), TEXTS["en"])
    assert [block.inverse for block in blocks if isinstance(block, Heading)] == [kind != "purchase"]
    assert not any(isinstance(a, Rule) and isinstance(b, Rule) for a, b in itertools.pairwise(blocks))


def test_without_a_code_to_print_nobody_is_asked_to_scan():
    blocks = slip(receipt("owed", "en", qr=""), TEXTS["en"])
    assert not any(isinstance(block, Code) for block in blocks)
    assert not any("Scan" in line for line in said(blocks))


def test_a_slip_does_not_mix_languages():
    with pytest.raises(ValueError, match="in en cannot use texts in zh-CN"):
        slip(receipt("owed", "en"), TEXTS["zh-CN"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"kept_fen": 1}, "kept"), ({"notes": ()}, "add up"), ({"printed_at": "2026-02-15"}, "14 digits")],
)
def test_a_receipt_whose_figures_do_not_agree_is_not_made(changes, message):
    with pytest.raises(ValueError, match=message):
        receipt("purchase", "en", **changes)
