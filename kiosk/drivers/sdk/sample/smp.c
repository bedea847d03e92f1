/* SMP 样例, vendor code 00F0: the sample driver in C, from contract 1 alone. The sample in Python is the same.
 *
 * Copy the folder (python -m kiosk driver new), run the check, then change what is yours: first the part called "your
 * card", then what your meter does otherwise. The card is an SLE4442 that counts money:
 *
 *    32  mark             53 4D 50 01
 *    36  header           kind 1 · region 9 · customer 21 · meter 21 · base count 4 · hoard limit 4 · CRC 2 · seal 1
 *    99  purchase slot A  count 4 · fen 4 · 0.01 kWh 4 · sale id 16 · CRC 2 · seal 1;  130  slot B, the same
 *   161  write-back       count 4 · remaining 4 · total 8 · CRC 2 · seal 1; the meter's, and nobody else's
 *
 * Numbers are high byte first. A digit string is a byte that says how many digits there are, then ASCII, filled up with
 * FF. The base count is the count the card was issued with, less one where a purchase came with it.
 *
 * The laws of this file, all of them for the money's sake:
 *
 * 1. A record counts when its seal is A5 and its CRC holds. The seal is its last byte; it is taken off first and put on
 *    last. So a card pulled at any byte has the old record, or none, or the new one. A seal torn on its way to A5 has
 *    all the ones of A5 and some more: no seal, and no damage.
 * 2. A purchase goes into the slot that does not hold the newest one: until its seal is on, the card says what it said.
 * 3. A card whose header has no seal is blank, whatever stands behind it. OPEN writes all of that first, the header's
 *    seal last; CLEAR takes the header's seal off.
 * 4. Nobody but the meter writes the write-back. Before it credits a purchase it spoils the seal, after that it writes
 *    the record, its seal last. So a write-back that is neither whole nor empty means: nobody can tell whether the
 *    meter has the purchase. Then nothing is sold on this card or taken back (0209 = 3) until the meter has seen it.
 * 5. Everything is checked before anything is written, in the order of contract section 4.9, and read back before
 *    success is told. No byte of a card is trusted: CRC, then every length, before a value is used.
 */
#include <stdbool.h>
#include <string.h>

#include "icard.h"

/* ---- your card --------------------------------------------------------------------------------------------------- */

ICARD_EXPORT icard_call SMPIcard; /* the names are the vendor's: <abbr>Icard, <abbr>IcardBind */
ICARD_EXPORT icard_bind SMPIcardBind;

#define VENDOR_CODE "00F0"
enum { FAMILY = ICARD_TYPE_SLE4442, CARD_BYTES = 256, MARK_AT = 32, SECRET_BYTES = 3 };
enum { UNIT = ICARD_UNIT_MONEY, VALUE = ICARD_DI_AMOUNT }; /* what the card counts; ICARD_DI_ENERGY for energy */
static const uint8_t MARK[4] = {'S', 'M', 'P', 1};          /* as in vendor.toml */

typedef struct {
    uint16_t di; /* 0 ends the list */
    uint8_t width;
} Field;

typedef struct {
    uint8_t at, seal_at; /* the two bytes before the seal are the CRC */
    Field fields[7];
} Record;

enum { BASE = 1 }; /* not an item of the contract: the count the card was issued with */
static const Record HEADER = {36, 98, {{ICARD_DI_KIND, 1}, {ICARD_DI_REGION, 9}, {ICARD_DI_CUSTOMER, 21},
                                       {ICARD_DI_METER, 21}, {BASE, 4}, {ICARD_DI_HOARD_LIMIT, 4}}};
#define PURCHASE_FIELDS {{ICARD_DI_COUNT, 4}, {ICARD_DI_AMOUNT, 4}, {ICARD_DI_ENERGY, 4}, {ICARD_DI_SALE, 16}}
static const Record SLOTS[2] = {{99, 129, PURCHASE_FIELDS}, {130, 160, PURCHASE_FIELDS}};
static const Record BACK = {161, 179, {{ICARD_DI_METER_COUNT, 4}, {ICARD_DI_REMAINING, 4}, {ICARD_DI_TOTAL_BOUGHT, 8}}};

/* The 04xx this card can hold; any other is 0E. */
static bool is_ours(uint16_t setting) { return setting == ICARD_DI_HOARD_LIMIT; }

/* The password is the PSC, six hex digits. */
static bool secret_of(const char *password, uint8_t *secret)
{
    static const char HEX[] = "0123456789ABCDEF0123456789abcdef";
    if (!password || strlen(password) != 2 * SECRET_BYTES) return false;
    memset(secret, 0, SECRET_BYTES);
    for (uint32_t at = 0; at < 2 * SECRET_BYTES; at++) {
        const char *digit = strchr(HEX, password[at]);
        if (!digit) return false;
        secret[at / 2] = (uint8_t)(secret[at / 2] << 4 | (digit - HEX) % 16);
    }
    return true;
}

/* ---- numbers and values ------------------------------------------------------------------------------------------ */

enum { DONE = -1, OK = 0 }; /* DONE: success, and nothing is to be written; above 0: an error code */

typedef struct {
    const uint8_t *at; /* NULL: it is not there */
    uint32_t size;
} Value;

static uint32_t get(const uint8_t *from, uint32_t width)
{
    uint32_t value = 0;
    while (width--) value = value << 8 | *from++;
    return value;
}

static void put_number(uint8_t *to, uint32_t width, uint32_t value)
{
    while (width--) *to++ = (uint8_t)(value >> 8 * width);
}

/* A number of 4 bytes; 0 where there is none. */
static uint32_t number(Value value) { return value.at ? get(value.at, 4) : 0; }

static bool same(Value one, Value other)
{
    return one.at && other.at && one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static bool all_digits(const uint8_t *text, uint32_t size)
{
    while (size--)
        if (text[size] < '0' || text[size] > '9') return false;
    return true;
}

/* ---- requests: what may stand in them, what must (contract sections 1 to 3) -------------------------------------- */

typedef struct {
    uint8_t command;
    const uint8_t *data;
    uint32_t size;
} Request;

/* The item, once DATA is known to be whole. */
static Value item(const Request *request, uint16_t di)
{
    for (uint32_t at = 0, size; at < request->size; at += 4 + size) {
        size = get(request->data + at + 2, 2);
        if (get(request->data + at, 2) == di) return (Value){request->data + at + 4, size};
    }
    return (Value){0};
}

static bool has(const Request *request, uint16_t di) { return item(request, di).at; }

/* Rows unique by their first `key` bytes, or, where all of a row is its key, ascending. */
static bool rows_hold(const uint8_t *value, uint32_t size, uint32_t row, uint32_t key)
{
    for (uint32_t at = row; at < size; at += row)
        for (uint32_t other = 0; other < at; other += row) {
            int order = memcmp(value + at, value + other, key);
            if (order == 0 || (key == row && order < 0)) return false;
        }
    return size && size % row == 0;
}

static bool well_formed(uint16_t di, const uint8_t *value, uint32_t size)
{
    switch (di) {
    case ICARD_DI_REGION: return size >= 1 && size <= 8 && all_digits(value, size);
    case ICARD_DI_CUSTOMER:
    case ICARD_DI_METER: return size >= 1 && size <= 20 && all_digits(value, size);
    case ICARD_DI_WHEN:
    case ICARD_DI_WRITTEN_BACK_AT:
    case ICARD_DI_TARIFF_FROM: return size == 14 && all_digits(value, size);
    case ICARD_DI_TARIFF: return size % 8 == 0 && rows_hold(value, size, 8, 2);
    case ICARD_DI_LADDER: return size % 4 == 0 && rows_hold(value, size, 4, 4);
    case ICARD_DI_TOTAL_BOUGHT: return size == 8;
    case ICARD_DI_SALE: return size == 16;
    case ICARD_DI_KIND:
    case ICARD_DI_STATE:
    case ICARD_DI_INSIST:
    case ICARD_DI_UNIT:
    case ICARD_DI_ABILITIES: return size == 1;
    case ICARD_DI_COMMANDS:
    case ICARD_DI_CARD_TYPES:
    case ICARD_DI_SERIAL: return size >= 1;
    case ICARD_DI_VENDOR_CODE:
    case ICARD_DI_COUNT:
    case ICARD_DI_AMOUNT:
    case ICARD_DI_ENERGY:
    case ICARD_DI_PENDING_AMOUNT:
    case ICARD_DI_PENDING_ENERGY: return size == 4;
    default: break;
    }
    bool counts = (di > 0x0300 && di <= ICARD_DI_METER_STATUS) || (di > 0x0400 && di <= ICARD_DI_PT_RATIO);
    return !counts || size == 4; /* texts, and what nobody knows, may be anything */
}

/* 01: DATA that is not a run of well-formed items, each there once. */
static int check_items(const Request *request)
{
    for (uint32_t at = 0, size; at < request->size; at += 4 + size) {
        if (request->size - at < 4) return ICARD_E_ITEMS;
        uint16_t di = (uint16_t)get(request->data + at, 2);
        size = get(request->data + at + 2, 2);
        if (size > request->size - at - 4 || !well_formed(di, request->data + at + 4, size)) return ICARD_E_ITEMS;
        Request before = {request->command, request->data, at};
        if (has(&before, di)) return ICARD_E_ITEMS;
    }
    return OK;
}

/* Whether any 04xx is there; `foreign`: one this card cannot hold. */
static bool has_setting(const Request *request, bool foreign)
{
    for (uint16_t di = 0x0400; di < 0x0500; di++)
        if (has(request, di) && !(foreign && is_ours(di))) return true;
    return false;
}

static bool makes_customers(const Request *request)
{
    return request->command == ICARD_OPEN || request->command == ICARD_REISSUE;
}

static bool buys(const Request *request) { return makes_customers(request) && has(request, ICARD_DI_AMOUNT); }

/* 16: an item is missing. */
static int check_missing(const Request *request)
{
    static const uint16_t MUST[][9] = {
        [ICARD_OPEN] = {ICARD_DI_REGION, ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_WHEN, ICARD_DI_TERMINAL},
        [ICARD_PURCHASE] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_AMOUNT, ICARD_DI_ENERGY,
                            ICARD_DI_WHEN, ICARD_DI_TERMINAL, ICARD_DI_SALE},
        [ICARD_REISSUE] = {ICARD_DI_REGION, ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_WHEN,
                           ICARD_DI_TERMINAL},
        [ICARD_CLEAR] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_WHEN, ICARD_DI_TERMINAL},
        [ICARD_SET] = {ICARD_DI_REGION, ICARD_DI_WHEN, ICARD_DI_TERMINAL},
        [ICARD_CHECK] = {ICARD_DI_WHEN, ICARD_DI_TERMINAL},
        [ICARD_REVERSE] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_AMOUNT, ICARD_DI_ENERGY,
                           ICARD_DI_WHEN, ICARD_DI_TERMINAL},
    };
    for (const uint16_t *di = MUST[request->command]; *di; di++) /* none for DESCRIBE and READ */
        if (!has(request, *di)) return ICARD_E_MISSING;
    if (request->command == ICARD_SET && !has_setting(request, false)) return ICARD_E_MISSING;
    if (!makes_customers(request)) return OK;
    int parts = has(request, ICARD_DI_AMOUNT) + has(request, ICARD_DI_ENERGY) + has(request, ICARD_DI_SALE);
    bool counted = request->command == ICARD_REISSUE || has(request, ICARD_DI_COUNT) == (parts > 0);
    return (parts == 0 || parts == 3) && counted ? OK : ICARD_E_MISSING; /* all of a purchase or nothing */
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

enum { SEAL = 0xA5, NO_SEAL = 0xFF };
typedef enum { NONE, SOUND, BROKEN } Soundness;

static bool is_digits(uint16_t di) { return di == ICARD_DI_REGION || di == ICARD_DI_CUSTOMER || di == ICARD_DI_METER; }

/* CRC-16/CCITT-FALSE: polynomial 1021, begins with FFFF. */
static uint16_t crc16(const uint8_t *data, uint32_t size)
{
    uint16_t crc = 0xFFFF;
    while (size--) {
        crc ^= (uint16_t)(*data++ << 8);
        for (int bit = 0; bit < 8; bit++) crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

/* What stands in a field of a sound record. */
static Value field(const uint8_t *image, const Record *record, uint16_t di)
{
    const uint8_t *at = image + record->at;
    const Field *each = record->fields;
    while (each->di != di) at += each++->width;
    return is_digits(di) ? (Value){at + 1, at[0]} : (Value){at, each->width};
}

/* Laws 1 and 5. */
static Soundness soundness(const uint8_t *image, const Record *record)
{
    uint8_t seal = image[record->seal_at];
    const uint8_t *at = image + record->at, *check = image + record->seal_at - 2;
    if (seal == 0 || (seal != SEAL && (seal & SEAL) == SEAL)) return NONE;
    if (seal != SEAL || crc16(at, (uint32_t)(check - at)) != get(check, 2)) return BROKEN;
    for (const Field *each = record->fields; each->di; at += each++->width)
        if (is_digits(each->di) && (at[0] >= each->width || !all_digits(at + 1, at[0]))) return BROKEN;
    return SOUND;
}

/* ---- what the card says ------------------------------------------------------------------------------------------ */

typedef struct {
    const uint8_t *image;
    bool damaged;           /* then nothing else is known */
    uint8_t kind;           /* as written: an opened card stays that even when the meter has been there */
    bool bought_on, here;   /* there is a purchase; the last one is still on the card */
    uint8_t newest;         /* its slot */
    bool met, told;         /* the meter has begun to write; its write-back is whole */
    uint32_t last, taken;   /* section 4.2; the meter's count */
    uint8_t state;          /* item 0209 */
} Card;

static bool is_customers(const Card *card) { return card->kind == ICARD_KIND_OPEN || card->kind == ICARD_KIND_REISSUE; }

static Value on_card(const Card *card, uint16_t di) { return field(card->image, &HEADER, di); }

static Value last_purchase(const Card *card, uint16_t di)
{
    return card->here ? field(card->image, &SLOTS[card->newest], di) : (Value){0};
}

static void understand_customers(Card *card)
{
    uint32_t newest = 0;
    for (uint8_t slot = 0; slot < 2; slot++) {
        Soundness found = soundness(card->image, &SLOTS[slot]);
        uint32_t count = found == SOUND ? number(field(card->image, &SLOTS[slot], ICARD_DI_COUNT)) : 0;
        if (found == BROKEN) card->damaged = true;
        if (count > newest) card->newest = slot, newest = count;
    }
    for (uint32_t at = BACK.at; at <= BACK.seal_at; at++) card->met = card->met || card->image[at] != 0xFF;
    card->told = soundness(card->image, &BACK) == SOUND;
    card->taken = card->told ? number(field(card->image, &BACK, ICARD_DI_METER_COUNT)) : 0;
    card->last = number(on_card(card, BASE));
    if (newest > card->last) card->last = newest;
    if (card->taken > card->last) card->last = card->taken;
    card->bought_on = newest > 0;
    card->here = card->bought_on && newest == card->last;
    if (card->met && !card->told)
        card->state = ICARD_STATE_UNSURE; /* law 4 */
    else if (newest > card->taken)
        card->state = ICARD_STATE_PENDING;
    else
        card->state = card->last && card->last <= card->taken ? ICARD_STATE_TAKEN : ICARD_STATE_NONE;
}

/* `card` looks into `image` afterwards. */
static void understand(const uint8_t *image, Card *card)
{
    Soundness header = soundness(image, &HEADER);
    *card = (Card){.image = image, .damaged = header == BROKEN};
    if (header != SOUND) return; /* law 3 */
    card->kind = *on_card(card, ICARD_DI_KIND).at;
    if (is_customers(card))
        understand_customers(card);
    else
        card->damaged = card->kind != ICARD_KIND_SET && card->kind != ICARD_KIND_CHECK;
}

/* ---- what each command asks of the card, from the kind on, in the order of contract section 4.9 ------------------ */

/* 08 and 09: where request and card both have the number, and not the same. */
static int check_numbers(const Request *request, const Card *card)
{
    static const uint16_t NUMBERS[] = {ICARD_DI_REGION, ICARD_DI_CUSTOMER, ICARD_DI_METER};
    for (uint32_t which = 0; which < 3; which++) {
        Value given = item(request, NUMBERS[which]), there = on_card(card, NUMBERS[which]);
        if (!given.at || !there.size || same(given, there)) continue;
        return which == 0 ? ICARD_E_OTHER_REGION : ICARD_E_OTHER_CUSTOMER;
    }
    return OK;
}

/* 0E: a value of nothing, or more than the hoard limit leaves room for (section 4.14). */
static int check_value(const Request *request, const Card *card, uint32_t limit)
{
    uint32_t value = number(item(request, VALUE));
    int64_t remaining = card->told ? (int32_t)number(field(card->image, &BACK, ICARD_DI_REMAINING)) : 0;
    return value == 0 || (limit && remaining + value > limit) ? ICARD_E_OVER_LIMIT : OK;
}

/* Whether that purchase, with its values, is the last one and still on the card. */
static bool is_there(const Request *request, const Card *card)
{
    static const uint16_t PARTS[] = {ICARD_DI_COUNT, ICARD_DI_AMOUNT, ICARD_DI_ENERGY};
    for (uint32_t part = 0; part < 3; part++)
        if (!same(item(request, PARTS[part]), last_purchase(card, PARTS[part]))) return false;
    return true;
}

static int check_purchase(const Request *request, const Card *card)
{
    Value limit = item(request, ICARD_DI_HOARD_LIMIT), own = on_card(card, ICARD_DI_HOARD_LIMIT);
    if (is_there(request, card)) return DONE; /* the kiosk was unsure and asks again: nothing is written (section 4.3) */
    if (number(item(request, ICARD_DI_COUNT)) != (uint64_t)card->last + 1) return ICARD_E_COUNT;
    if (card->state == ICARD_STATE_PENDING || card->state == ICARD_STATE_UNSURE) return ICARD_E_NOT_TAKEN;
    /* settings would have to become valid by the same last byte; this layout cannot do that */
    if (has_setting(request, true) || (limit.at && !same(limit, own))) return ICARD_E_OVER_LIMIT;
    return check_value(request, card, number(own));
}

static int check_reverse(const Request *request, const Card *card)
{
    uint32_t count = number(item(request, ICARD_DI_COUNT));
    bool absent = count == (uint64_t)card->last + 1 && card->state != ICARD_STATE_PENDING;
    if (card->told && count <= card->taken) return ICARD_E_TAKEN;
    if (!absent && !is_there(request, card)) return ICARD_E_COUNT;
    if (card->state == ICARD_STATE_UNSURE) return ICARD_E_NOT_TAKEN; /* the meter may have it: it would be paid twice */
    return absent ? DONE : OK;
}

static bool insists(const Request *request)
{
    Value insist = item(request, ICARD_DI_INSIST);
    return insist.at && *insist.at == 1;
}

static int check_clear(const Request *request, const Card *card)
{
    if (card->damaged) return OK; /* only who insists comes here; nothing is compared */
    if (card->kind == ICARD_KIND_BLANK) return DONE;
    int code = check_numbers(request, card);
    if (code || !is_customers(card)) return code;
    if (number(item(request, ICARD_DI_COUNT)) != card->last) return ICARD_E_COUNT;
    bool open = card->state == ICARD_STATE_PENDING || card->state == ICARD_STATE_UNSURE;
    return open && !insists(request) ? ICARD_E_NOT_TAKEN : OK;
}

/* The header that OPEN, REISSUE, SET or CHECK gives a card. */
static uint32_t header_for(const Request *request, uint8_t *content)
{
    static const uint8_t KINDS[] = {[ICARD_OPEN] = ICARD_KIND_OPEN, [ICARD_REISSUE] = ICARD_KIND_REISSUE,
                                    [ICARD_SET] = ICARD_KIND_SET, [ICARD_CHECK] = ICARD_KIND_CHECK};
    uint8_t *to = content, command = request->command;
    for (const Field *each = HEADER.fields; each->di; to += each++->width) {
        bool kept = each->di == ICARD_DI_REGION || makes_customers(request) ||
                    (command == ICARD_SET && each->di != ICARD_DI_CUSTOMER);
        Value value = kept ? item(request, each->di) : (Value){0};
        memset(to, is_digits(each->di) ? 0xFF : 0, each->width);
        if (is_digits(each->di)) *to = (uint8_t)value.size;
        if (value.at) memcpy(to + is_digits(each->di), value.at, value.size);
        if (each->di == ICARD_DI_KIND) *to = KINDS[command];
        if (each->di == BASE && makes_customers(request))
            put_number(to, 4, number(item(request, ICARD_DI_COUNT)) - buys(request));
    }
    return (uint32_t)(to - content);
}

static int check_make(const Request *request, const Card *card)
{
    uint8_t header[CARD_BYTES];
    uint32_t size = header_for(request, header), count = number(item(request, ICARD_DI_COUNT));
    bool foreign = request->command != ICARD_CHECK && has_setting(request, true);
    if (card->kind == ICARD_KIND_CHECK && request->command == ICARD_CHECK) {
        int code = check_numbers(request, card);
        return code ? code : DONE;
    }
    if (card->kind) { /* the same command again, before the meter has seen the card, is success */
        bool made = memcmp(card->image + HEADER.at, header, size) == 0 && !card->met && !foreign;
        return made && (buys(request) ? is_there(request, card) : !card->bought_on) ? DONE : ICARD_E_NOT_BLANK;
    }
    if (buys(request) && (request->command == ICARD_OPEN ? count != 1 : count == 0)) return ICARD_E_COUNT;
    if (foreign) return ICARD_E_OVER_LIMIT;
    return buys(request) ? check_value(request, card, number(item(request, ICARD_DI_HOARD_LIMIT))) : OK;
}

static int check(const Request *request, const Card *card)
{
    bool sells = request->command == ICARD_PURCHASE || request->command == ICARD_REVERSE;
    if (request->command == ICARD_READ) return DONE;
    if (request->command == ICARD_CLEAR) return check_clear(request, card);
    if (!sells) return check_make(request, card);
    if (!is_customers(card)) return ICARD_E_NOT_OPENED;
    int code = check_numbers(request, card);
    if (code) return code;
    return request->command == ICARD_PURCHASE ? check_purchase(request, card) : check_reverse(request, card);
}

/* ---- the chip: reading, the secret, writing ---------------------------------------------------------------------- */

static icdev_api api; /* all zero until Bind */

typedef struct {
    int32_t icdev;
    uint8_t before[CARD_BYTES], now[CARD_BYTES]; /* as read; as it must be after what was written so far */
    bool failed;
} Chip;

static int read_chip(Chip *chip, uint8_t *image)
{
    int32_t type = api.card_type(chip->icdev);
    if (type == ICARD_TYPE_NONE || type == ICDEV_NO_CARD) return ICARD_E_NO_CARD;
    if (type != FAMILY) return type < 0 ? ICARD_E_READ_FAILED : ICARD_E_WRONG_TYPE;
    int32_t got = api.read(chip->icdev, 0, 0, image, CARD_BYTES);
    if (got == CARD_BYTES) return OK;
    return got == ICDEV_NO_CARD ? ICARD_E_NO_CARD : ICARD_E_READ_FAILED;
}

/* Presents the secret, but never risks the last try. */
static int unlock(const Chip *chip, const char *password)
{
    uint8_t secret[SECRET_BYTES];
    int32_t tries = api.tries_left(chip->icdev, 0);
    if (tries == ICDEV_NO_CARD) return ICARD_E_NO_CARD;
    if (tries < 2) return ICARD_E_LOCKED;
    if (!secret_of(password, secret)) return ICARD_E_SECRET;
    switch (api.verify(chip->icdev, 0, secret, SECRET_BYTES)) {
    case 0: return OK;
    case ICDEV_NO_CARD: return ICARD_E_NO_CARD;
    case ICDEV_DENIED: return ICARD_E_SECRET;
    default: return ICARD_E_LOCKED;
    }
}

/* Writes the bytes but for those at both ends that stand there already; nothing more after a failure. */
static void put(Chip *chip, uint32_t at, const uint8_t *bytes, uint32_t size)
{
    while (size && chip->now[at] == *bytes) at++, bytes++, size--;
    while (size && chip->now[at + size - 1] == bytes[size - 1]) size--;
    if (!size || chip->failed) return;
    memcpy(chip->now + at, bytes, size);
    chip->failed = api.write(chip->icdev, 0, at, bytes, size) != (int32_t)size;
}

static void fill(Chip *chip, uint32_t at, uint32_t size, uint8_t byte)
{
    uint8_t bytes[CARD_BYTES];
    memset(bytes, byte, size);
    put(chip, at, bytes, size);
}

/* The seal off, content and CRC, the seal on (law 1). `content` has room for the CRC. */
static void put_record(Chip *chip, const Record *record, uint8_t *content, uint32_t size)
{
    put_number(content + size, 2, crc16(content, size));
    fill(chip, record->seal_at, 1, NO_SEAL);
    put(chip, record->at, content, size + 2);
    fill(chip, record->seal_at, 1, SEAL);
}

static void put_purchase(Chip *chip, const Record *slot, const Request *request)
{
    uint8_t content[CARD_BYTES], *to = content;
    for (const Field *each = slot->fields; each->di; to += each++->width)
        memcpy(to, item(request, each->di).at, each->width);
    put_record(chip, slot, content, (uint32_t)(to - content));
}

static void make(Chip *chip, const Request *request)
{
    uint8_t header[CARD_BYTES];
    put(chip, MARK_AT, MARK, sizeof MARK);
    for (uint32_t slot = 0; slot < 2; slot++) fill(chip, SLOTS[slot].seal_at, 1, NO_SEAL);
    fill(chip, BACK.at, BACK.seal_at + 1u - BACK.at, 0xFF);
    if (buys(request)) put_purchase(chip, &SLOTS[0], request);
    put_record(chip, &HEADER, header, header_for(request, header)); /* law 3: last */
}

static void carry_out(Chip *chip, const Request *request, const Card *card)
{
    switch (request->command) {
    case ICARD_PURCHASE: put_purchase(chip, &SLOTS[card->bought_on ? !card->newest : 0], request); break; /* law 2 */
    case ICARD_REVERSE: fill(chip, SLOTS[card->newest].seal_at, 1, NO_SEAL); break;
    case ICARD_CLEAR: fill(chip, HEADER.seal_at, 1, NO_SEAL); break;
    default: make(chip, request);
    }
}

/* Reads back and tells the truth about the card (section 4.8). */
static int settle(Chip *chip)
{
    uint8_t after[CARD_BYTES];
    if (read_chip(chip, after) != OK) return ICARD_E_WRITE_INCOMPLETE;
    if (chip->failed)
        return memcmp(after, chip->before, CARD_BYTES) == 0 ? ICARD_E_WRITE_FAILED : ICARD_E_WRITE_INCOMPLETE;
    return memcmp(after, chip->now, CARD_BYTES) == 0 ? OK : ICARD_E_READ_BACK;
}

/* Whether nobody has used the card (contract section 5): all FF or 00, but for mark bytes that are there already. */
static bool is_unused(const uint8_t *image)
{
    for (uint32_t at = MARK_AT; at < CARD_BYTES; at++) {
        bool marked = at < MARK_AT + sizeof MARK && image[at] == MARK[at - MARK_AT];
        if (image[at] != 0xFF && image[at] != 0x00 && !marked) return false;
    }
    return true;
}

/* One command from card to card; `card` is what the answer tells of and looks into `chip`. */
static int perform(const Request *request, const char *password, Chip *chip, Card *card)
{
    uint8_t command = request->command;
    bool makes = makes_customers(request) || command == ICARD_SET || command == ICARD_CHECK;
    int code = read_chip(chip, chip->before);
    if (code) return code;
    bool marked = memcmp(chip->before + MARK_AT, MARK, sizeof MARK) == 0;
    if (!marked && !(makes && is_unused(chip->before))) return ICARD_E_NOT_MINE;
    memcpy(chip->now, chip->before, CARD_BYTES);
    understand(chip->before, card);
    if (card->damaged && !(command == ICARD_CLEAR && insists(request))) return ICARD_E_DAMAGED;
    code = check(request, card);
    if (code == DONE) return OK;
    if (code == OK) code = unlock(chip, password);
    if (code) return code;
    carry_out(chip, request, card);
    code = settle(chip);
    if (code == OK && (command != ICARD_CLEAR || card->damaged)) understand(chip->now, card); /* CLEAR tells what was */
    return code;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *frame;
    uint32_t size; /* of DATA so far; all that is said below is far shorter than 2048 bytes */
} Answer;

static void say(Answer *answer, uint16_t di, const void *value, uint32_t size)
{
    uint8_t *to = answer->frame + ICARD_HEAD_BYTES + answer->size;
    put_number(to, 2, di);
    put_number(to + 2, 2, size);
    if (size) memcpy(to + 4, value, size);
    answer->size += 4 + size;
}

static void say_number(Answer *answer, uint16_t di, uint32_t width, uint32_t value)
{
    uint8_t bytes[4];
    put_number(bytes, width, value);
    say(answer, di, bytes, width);
}

static void say_description(Answer *answer)
{
    static const uint8_t COMMANDS[] = {ICARD_DESCRIBE, ICARD_READ, ICARD_OPEN,  ICARD_PURCHASE, ICARD_REISSUE,
                                       ICARD_CLEAR,    ICARD_SET,  ICARD_CHECK, ICARD_REVERSE};
    say(answer, ICARD_DI_VENDOR_CODE, VENDOR_CODE, 4);
    say(answer, ICARD_DI_DRIVER_VERSION, "1.0", 3);
    say(answer, ICARD_DI_COMMANDS, COMMANDS, sizeof COMMANDS);
    say_number(answer, ICARD_DI_CARD_TYPES, 1, FAMILY);
    say_number(answer, ICARD_DI_UNIT, 1, UNIT);
    say_number(answer, ICARD_DI_ABILITIES, 1, 0);
}

static void say_fields(Answer *answer, const uint8_t *image, const Record *record)
{
    for (const Field *each = record->fields; each->di; each++) {
        Value value = field(image, record, each->di);
        if (each->di != ICARD_DI_KIND && each->di != BASE) say(answer, each->di, value.at, value.size);
    }
}

static void say_reading(Answer *answer, const Card *card)
{
    say_number(answer, ICARD_DI_KIND, 1, card->met ? ICARD_KIND_PURCHASE : card->kind);
    say_number(answer, ICARD_DI_STATE, 1, card->state);
    if (card->kind) {
        say_fields(answer, card->image, &HEADER);
    } else {
        say(answer, ICARD_DI_REGION, "", 0);
        say(answer, ICARD_DI_CUSTOMER, "", 0);
        say(answer, ICARD_DI_METER, "", 0);
    }
    if (card->here)
        say_fields(answer, card->image, &SLOTS[card->newest]); /* its count is the last one */
    else
        say_number(answer, ICARD_DI_COUNT, 4, card->last);
    if (card->told) say_fields(answer, card->image, &BACK);
}

static void say_error(Answer *answer, int code)
{
    static const char *const TEXTS[] = {
        [ICARD_E_ITEMS] = "malformed item",            [ICARD_E_NOT_SUPPORTED] = "no such command",
        [ICARD_E_NO_CARD] = "no card",                 [ICARD_E_WRONG_TYPE] = "wrong chip",
        [ICARD_E_NOT_MINE] = "not our card",           [ICARD_E_SECRET] = "secret refused or malformed",
        [ICARD_E_LOCKED] = "less than two tries left", [ICARD_E_OTHER_REGION] = "other region",
        [ICARD_E_OTHER_CUSTOMER] = "other customer or meter", [ICARD_E_NOT_OPENED] = "not a customer's card",
        [ICARD_E_NOT_BLANK] = "not blank",             [ICARD_E_NOT_TAKEN] = "not taken yet",
        [ICARD_E_COUNT] = "count or value is not the card's", [ICARD_E_OVER_LIMIT] = "over a limit, or no room for it",
        [ICARD_E_READ_FAILED] = "read failed",         [ICARD_E_WRITE_FAILED] = "write failed, card as before",
        [ICARD_E_WRITE_INCOMPLETE] = "write broke off", [ICARD_E_READ_BACK] = "read-back differs",
        [ICARD_E_DAMAGED] = "card damaged",            [ICARD_E_MISSING] = "item missing",
        [ICARD_E_TAKEN] = "the meter has it",
    };
    bool unknown = code == ICARD_E_WRITE_INCOMPLETE || code == ICARD_E_READ_BACK;
    say_number(answer, ICARD_DI_ERROR_CODE, 1, (uint32_t)code);
    say(answer, ICARD_DI_ERROR_TEXT, TEXTS[code], (uint32_t)strlen(TEXTS[code]));
    say_number(answer, ICARD_DI_CARD_AFTER, 1, unknown ? ICARD_CARD_UNKNOWN : ICARD_CARD_UNCHANGED);
}

/* ---- the two exports --------------------------------------------------------------------------------------------- */

int32_t SMPIcardBind(const icdev_api *host)
{
    if (!host || host->size < sizeof api) return ICARD_INTERNAL;
    api = *host;
    return 0;
}

static uint8_t sum_of(const uint8_t *frame, uint32_t end)
{
    uint8_t sum = 0;
    for (uint32_t at = 1; at < end; at++) sum = (uint8_t)(sum + frame[at]);
    return sum;
}

int32_t SMPIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    if (!sendstr || !recvstr) return ICARD_INTERNAL;
    uint32_t size = get(sendstr + 2, 2), end = ICARD_HEAD_BYTES + size;
    if (sendstr[0] != ICARD_START || sendstr[1] > ICARD_COMMAND_MAX || size > ICARD_DATA_MAX) return ICARD_BAD_FRAME;
    if (sendstr[end] != sum_of(sendstr, end) || sendstr[end + 1] != ICARD_END) return ICARD_BAD_FRAME;

    Request request = {sendstr[1], sendstr + ICARD_HEAD_BYTES, size};
    Answer answer = {.frame = recvstr};
    Chip chip = {.icdev = icdev};
    Card card = {0};
    bool known = request.command >= ICARD_DESCRIBE && request.command <= ICARD_REVERSE;
    int code = known ? check_items(&request) : ICARD_E_NOT_SUPPORTED;
    if (code == OK) code = check_missing(&request);
    if (code == OK && request.command != ICARD_DESCRIBE) {
        if (!api.card_type) return ICARD_INTERNAL; /* nobody called Bind */
        code = perform(&request, password, &chip, &card);
    }
    if (code)
        say_error(&answer, code);
    else if (request.command == ICARD_DESCRIBE)
        say_description(&answer);
    else
        say_reading(&answer, &card);
    end = ICARD_HEAD_BYTES + answer.size;
    recvstr[0] = ICARD_START;
    recvstr[1] = request.command | (code ? ICARD_ERROR : ICARD_SUCCESS);
    put_number(recvstr + 2, 2, answer.size);
    recvstr[end] = sum_of(recvstr, end);
    recvstr[end + 1] = ICARD_END;
    return ICARD_ANSWERED;
}
