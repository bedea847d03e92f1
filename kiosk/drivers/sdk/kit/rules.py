"""Every rule of contract 1 the kit tries, in the order of the contract; and how they are run."""

from __future__ import annotations

from collections.abc import Iterator

from kiosk.drivers.sdk.kit import (
    rules_card,
    rules_credit,
    rules_damage,
    rules_folder,
    rules_frame,
    rules_keypad,
    rules_meter,
    rules_open,
    rules_purchase,
    rules_reverse,
    rules_secret,
    rules_tear,
    rules_watch,
    rules_write,
)
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, Outcome, Rule, RuleBroken, Verdict

RULES: tuple[Rule, ...] = (
    Rule("§9", "The folder has what the kit needs, and the mark matches the blank card",
         "厂家目录齐全，标志单元与空白卡相符", rules_folder.rule_conformance_files),
    Rule("§6, §9", "The driver stands alone: standard or C library only",
         "驱动只依赖标准库或 C 库", rules_folder.rule_stands_alone),
    Rule("§2, §3", "DESCRIBE says who the driver is, without a card",
         "自述不需要卡，内容与清单一致", rules_card.rule_describe),
    Rule("§1", "Faults of the outer frame are answered with nothing",
         "外层帧有错时不应答", rules_frame.rule_frame_faults),
    Rule("§1", "Faults inside DATA are 01",
         "数据项有错时应答 01", rules_frame.rule_item_faults),
    Rule("§1", "Requests changed by chance are answered, or not, as they must be",
         "随机改动的请求：该答则答，该不答则不答，绝不崩溃", rules_frame.rule_any_request),
    Rule("§1, §2", "A missing item is 16",
         "缺少数据项时应答 16", rules_frame.rule_missing_items),
    Rule("§1, §4.9", "An unknown command is 02, before its items",
         "未知命令应答 02，先于数据项检查", rules_frame.rule_unknown_commands),
    Rule("§1", "Items in any order; unknown ones skipped, useless ones ignored",
         "数据项次序任意；未知项跳过，无用项忽略", rules_frame.rule_free_items),
    Rule("§4.1", "A blank card is kind 0 and knows nobody",
         "空白卡的卡类型为 0，户号表号未知", rules_card.rule_blank),
    Rule("§4.1", "READ gives its six items on any card of this vendor",
         "任何本厂卡读卡都给出六个数据项", rules_card.rule_six_items),
    Rule("§3", "An empty reader is 03",
         "无卡时应答 03", rules_card.rule_no_card),
    Rule("§4.9", "Another chip family is 04",
         "芯片类型不符时应答 04", rules_card.rule_wrong_family),
    Rule("§4.9", "Another vendor's mark is 05",
         "非本厂标志时应答 05", rules_card.rule_other_mark),
    Rule("§4.12, §5", "The mark stands on every card made, and looking for it changes nothing",
         "各种卡上标志单元都在，识别不改变卡", rules_card.rule_mark_leaves_card),
    Rule("§5", "A card full of FF or 00 is marked by OPEN, REISSUE, SET or CHECK, else 05",
         "全 FF 或全 00 的卡由开户等命令写入标志，否则应答 05", rules_card.rule_unmarked),
    Rule("§2, §4.5", "OPEN makes an opening card", "开户生成开户卡", rules_open.rule_open),
    Rule("§4.6", "OPEN's purchase has count 1, else 0D",
         "开户首次购电的购电次数为 1，否则应答 0D", rules_open.rule_open_count),
    Rule("§1, §2", "Digits are kept exactly, or refused with 0E",
         "数字串原样保存，放不下时应答 0E", rules_open.rule_digits_kept),
    Rule("§2", "Settings are kept, or refused with 0E",
         "参数原样保存，放不下时应答 0E", rules_open.rule_settings_kept),
    Rule("§4.5, §4.9", "OPEN, REISSUE, SET and CHECK of a card that is not blank are 0B",
         "对非空白卡开户、补卡等应答 0B", rules_open.rule_not_blank),
    Rule("§4.5", "OPEN, REISSUE, SET and CHECK may be repeated",
         "开户、补卡、设置、检测可重复执行", rules_open.rule_repeat),
    Rule("§4.5", "Once the meter has written back, OPEN and REISSUE repeated are 0B",
         "电表返写后重复开户、补卡应答 0B", rules_open.rule_repeat_after_meter),
    Rule("§4.6", "REISSUE with and without its purchase", "补卡：带购电与不带购电", rules_open.rule_reissue),
    Rule("§2, §4.3", "SET and CHECK make cards that cannot be bought on (0A)",
         "设置卡、检测卡不可购电（0A）", rules_open.rule_set_and_check),
    Rule("§4.3", "PURCHASE and REVERSE of a blank card are 0A",
         "空白卡购电、冲正应答 0A", rules_open.rule_blank_not_sold),
    Rule("§4.3", "PURCHASE of last + 1 is written and pending",
         "购电次数加一：写卡成功，待上表", rules_purchase.rule_purchase),
    Rule("§4.3", "The same count and value again: success, nothing written",
         "同次数同金额重复：成功且不写卡", rules_purchase.rule_same_count),
    Rule("§4.3", "The same count with another value is 0D",
         "同次数不同金额应答 0D", rules_purchase.rule_same_count_other_value),
    Rule("§4.3", "The same count after the meter took it", "上表后同次数重复", rules_purchase.rule_same_count_taken),
    Rule("§4.3", "Counts that jump are 0D", "购电次数跳变应答 0D", rules_purchase.rule_count_jumps),
    Rule("§4.3, §3", "A pending purchase under it is 0C, or adds up (0106 bit 0)",
         "卡内未上表时应答 0C，或累加（0106 位 0）", rules_purchase.rule_pending_under),
    Rule("§4.9", "Another customer or meter is 09", "户号或表号不符应答 09", rules_purchase.rule_other_customer),
    Rule("§4.10", "Another region is 08, only if the request names one",
         "区域码不符应答 08，仅当请求带区域码", rules_purchase.rule_other_region),
    Rule("§4.14", "A value of 0 is refused", "购电量为零被拒绝", rules_purchase.rule_value_zero),
    Rule("§4.14", "The hoard limit is kept (0E)", "囤积限量（0E）", rules_purchase.rule_hoard_limit),
    Rule("§4.3", "Settings in PURCHASE are written, or 0E where they differ",
         "购电中的参数写入卡，或不同时应答 0E", rules_purchase.rule_purchase_settings),
    Rule("§4.5", "REVERSE takes a pending purchase back", "冲正撤回未上表的购电", rules_reverse.rule_reverse),
    Rule("§4.5", "REVERSE of a count that is not there succeeds",
         "冲正不存在的次数：成功且不写卡", rules_reverse.rule_reverse_repeat),
    Rule("§4.5", "REVERSE: 17 when taken, 0D for another value",
         "冲正：已上表应答 17，金额不符应答 0D", rules_reverse.rule_reverse_refused),
    Rule("§4.5, §5", "CLEAR makes the card blank and keeps the mark",
         "清零回收变空白卡，保留标志", rules_reverse.rule_clear),
    Rule("§4.5", "A cleared card keeps nothing of its past", "清零后的卡不留旧内容",
         rules_reverse.rule_clear_leaves_nothing),
    Rule("§4.5", "CLEAR of a blank card succeeds", "空白卡清零：成功且不写卡", rules_reverse.rule_clear_blank),
    Rule("§4.5", "CLEAR: 09, 0D, 0C; 0505 lifts only 0C", "清零：09、0D、0C；0505 只解除 0C",
         rules_reverse.rule_clear_refused),
    Rule("§4.7", "PURCHASE torn at any byte", "购电写卡任意字节中断", rules_tear.rule_tear_purchase),
    Rule("§4.7", "OPEN torn at any byte", "开户写卡任意字节中断", rules_tear.rule_tear_open),
    Rule("§4.7", "REISSUE torn at any byte", "补卡写卡任意字节中断", rules_tear.rule_tear_reissue),
    Rule("§4.7", "REVERSE torn at any byte", "冲正写卡任意字节中断", rules_tear.rule_tear_reverse),
    Rule("§4.7", "CLEAR torn at any byte", "清零写卡任意字节中断", rules_tear.rule_tear_clear),
    Rule("§4.7", "SET and CHECK torn at any byte", "设置卡、检测卡写卡任意字节中断", rules_tear.rule_tear_set_check),
    Rule("§5", "Marking torn at any byte", "写标志任意字节中断", rules_tear.rule_tear_marking),
    Rule("§4.2, §4.7", "A torn purchase is in the meter once, neither lost nor doubled",
         "写卡中断的购电上表一次，不丢也不重复", rules_credit.rule_torn_credited_once),
    Rule("§4.5, §4.7", "A torn REVERSE takes back or does not, never both",
         "冲正中断：要么撤回，要么上表，不会两得", rules_credit.rule_torn_reverse),
    Rule("§3 0209, §4.2", "A card pulled out of the meter is credited once and healed by the next insertion",
         "返写中断的卡只上表一次，再插表即恢复", rules_credit.rule_torn_write_back),
    Rule("§4.8", "A failed write is 10 or 11, truthfully", "写失败如实应答 10 或 11", rules_write.rule_write_fails),
    Rule("§4.8", "A silently dropped write is 12", "写入被静默丢弃应答 12", rules_write.rule_write_dropped),
    Rule("§2", "Success answers carry READ's items", "成功应答带读卡的全部数据项",
         rules_write.rule_answer_is_read_back),
    Rule("§4.9", "A secret refused is 06 and costs one try", "密码错误应答 06，只耗一次",
         rules_secret.rule_secret_refused),
    Rule("§4.11", "One try left, or unreadable, is 07; no secret presented",
         "只剩一次或读不出次数应答 07，不送密码", rules_secret.rule_one_try_left),
    Rule("§6, §4.9", "A malformed password is 06 and costs no try",
         "密码格式错误应答 06，不耗次数", rules_secret.rule_malformed_password),
    Rule("§9", "The meter takes a purchase once, and READ shows it", "电表只上表一次，读卡可见",
         rules_meter.rule_meter_takes),
    Rule("§9", "A copy of the card is not credited twice", "卡的副本不会重复上表", rules_meter.rule_meter_copies),
    Rule("§9", "Less than three seconds in the meter: nothing", "插表不足三秒无任何变化",
         rules_meter.rule_meter_early),
    Rule("§9", "What is used lowers what remains", "用电减少剩余", rules_meter.rule_meter_use),
    Rule("§4.2", "Purchase after purchase is taken", "多次购电依次上表", rules_meter.rule_meter_following),
    Rule("§4.2", "last is the largest of card, record and meter", "最近次数取各处最大值",
         rules_meter.rule_last_is_largest),
    Rule("§3 0209", "A damaged write-back is 0209 = 3 and 0C, never 13",
         "返写损坏：0209 = 3，应答 0C，绝不是 13", rules_damage.rule_write_back_damaged),
    Rule("§4.13", "Any bytes on the card give an answer", "卡内任何内容都有应答", rules_damage.rule_any_bytes),
    Rule("§4.9, §4.5", "A damaged card is 13 first; CLEAR insisting frees it",
         "损坏的卡先应答 13；强制清零可恢复", rules_damage.rule_damaged),
    Rule("§4.5, §4.7", "Freeing a damaged card, torn at any byte, can be done again",
         "强制清零中断后可重新清零", rules_damage.rule_tear_freeing),
    Rule("§8", "A keypad meter's PURCHASE gives a token", "键盘表购电返回充值码", rules_keypad.rule_token),
    Rule("§8, §4.5", "The same purchase has the same token for ever, another purchase another one",
         "同一笔购电永远是同一充值码，另一笔购电则不同", rules_keypad.rule_token_stays),
    Rule("§8", "The meter takes a token once, and gives what was paid for", "电表对每个充值码只认一次，电量不少",
         rules_keypad.rule_token_taken_once),
    Rule("§8", "Digits mistyped or of another meter give nothing", "输错的充值码和别表的充值码无效",
         rules_keypad.rule_token_of_others),
    Rule("§8", "A keypad vendor answers 02 to the rest", "键盘表厂家其他命令应答 02",
         rules_keypad.rule_keypad_only_sells),
    Rule("§3", "Every answer's items had their width and form", "所有应答的数据项宽度和格式正确",
         rules_watch.rule_forms),
    Rule("§4.9, §4.13", "No write came before a refusal, READ never wrote", "拒绝前未写卡，读卡从不写卡",
         rules_watch.rule_no_unmeant_writes),
    Rule("§5", "Only the user's bytes changed", "只改用户区",
         rules_watch.rule_own_bytes_only),
    Rule("§6", "The card's secrets are as they were", "卡密码未被更改", rules_secret.rule_secrets_kept),
    Rule("§4.12", "READ presented no secret", "读卡未送密码", rules_watch.rule_read_presents_nothing),
    Rule("§6, §9", "Every call ended within its deadline", "每次调用都在时限内完成", rules_watch.rule_deadline),
)  # fmt: skip


def run(bench: Bench, rules: tuple[Rule, ...] = RULES) -> Iterator[Verdict]:
    """Tries one rule after the other; each verdict comes as soon as it is known."""
    for rule in rules:
        bench.trace.clear()
        bench.advice.clear()
        bench.card = bench.shown = None
        try:
            rule.check(bench)
        except RuleBroken as fault:
            why = f"{fault.what}: expected {fault.expected}, got {fault.got}"
            calls, card = tuple(bench.trace), tuple(bench.card_in_rows())
            parts = (fault.what, fault.expected, fault.got)
            yield Verdict(rule, Outcome.FAILED, why, fault.hint, calls, card, tuple(bench.advice), parts)
        except NotOffered as reason:
            yield Verdict(rule, Outcome.NOT_OFFERED, str(reason))
        except Blocked as reason:
            yield Verdict(rule, Outcome.BLOCKED, str(reason))
        else:
            yield Verdict(rule, Outcome.PASSED, advice=tuple(bench.advice))


def conforms(verdicts: list[Verdict]) -> bool:
    """Whether all rules that could apply hold."""
    return all(verdict.outcome in (Outcome.PASSED, Outcome.NOT_OFFERED) for verdict in verdicts)
