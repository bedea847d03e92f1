/* RDK 阿迪克, vendor code 0001: an SLE4442 card that counts energy. A sample driver, from contract 1 alone; copy it.
 *
 * The card (docs/sample-vendors/rdk.md has the same as a table; layout and codes are our own). Numbers are high byte first,
 * digit strings are packed BCD filled up with F behind a byte that says how many digits there are.
 *
 *   32  mark             52 44 4B 01
 *   36  header           kind 1 · region 1+4 · customer 1+10 · meter 1+10 · base count 4 · settings 1+24 · CRC 2 · seal
 *   96  purchase, slot A count 4 · fen 4 · 0.01 kWh 4 · time 7 · sale id 16 · CRC 2 · seal
 *  134  purchase, slot B the same
 *  172  write-back       count 4 · remaining 4 · total 8 · overdraft 4 · illegal 4 · time 7 · status 4 · CRC 2 · seal
 *  210  announcement     count 4 · CRC 2          172 to 215 belong to the meter, 216 to 255 to nobody
 *
 * The laws of this file:
 *
 * 1. A record counts when its seal is A5 and its CRC holds. The seal is its last byte and is written last, after being
 *    made FF first. A seal torn between FF and A5 has all ones of A5 and more: it is no seal, and no damage either.
 * 2. A purchase goes into the slot that does not hold the newest one, so the newest stays readable while it is written.
 * 3. A card whose header has no seal is blank, whatever stands behind it. OPEN writes all of that before it seals the
 *    header.
 * 4. Before a meter takes a purchase it announces the count it is going to have; after that it writes its record. Where
 *    the two do not agree nobody can tell what the meter took, and until it has seen the card again nothing is sold on
 *    it or taken back (state 3, error 0C).
 * 5. Everything is checked first, in the order of contract section 4.9, and written last; what is there is not written
 *    again, since each byte costs 5 ms.
 * 6. Card bytes are never trusted: every length is held against its bounds before it is used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "icard.h"

ICARD_EXPORT icard_call RDKIcard;
ICARD_EXPORT icard_bind RDKIcardBind;

enum { CARD_BYTES = 256, SECRET_BYTES = 3, SALE_BYTES = 16, TIME_DIGITS = 14, SETTINGS = 6 };
enum { DONE = -1, OK = 0 }; /* DONE: success, and nothing is to be written; above 0: an error code */

static icdev_api api; /* all zero until Bind */

/* ---- numbers, digits, check -------------------------------------------------------------------------------------- */

static uint32_t get_number(const uint8_t *from, uint32_t width)
{
    uint32_t value = 0;
    while (width--) value = value << 8 | *from++;
    return value;
}

static void put_number(uint8_t *to, uint32_t width, uint32_t value)
{
    while (width--) *to++ = (uint8_t)(value >> 8 * width);
}

static bool all_digits(const uint8_t *text, uint32_t size)
{
    for (uint32_t at = 0; at < size; at++)
        if (text[at] < '0' || text[at] > '9') return false;
    return true;
}

/* `size` ASCII digits as packed BCD; the rest of the `width` bytes is filled with F. */
static void pack_digits(uint8_t *to, uint32_t width, const uint8_t *text, uint32_t size)
{
    memset(to, 0xFF, width);
    for (uint32_t at = 0; at < size; at++) {
        uint8_t digit = text[at] - '0';
        to[at / 2] = at % 2 ? (uint8_t)((to[at / 2] & 0xF0) | digit) : (uint8_t)(digit << 4 | 0x0F);
    }
}

/* The other way; false if there is anything but digits. */
static bool unpack_digits(uint8_t *text, uint32_t size, const uint8_t *from)
{
    for (uint32_t at = 0; at < size; at++) text[at] = '0' + (at % 2 ? from[at / 2] & 0x0F : from[at / 2] >> 4);
    return all_digits(text, size);
}

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

/* ---- the request: items (contract sections 1, 2, 3) -------------------------------------------------------------- */

typedef enum { BYTES, TEXT, DIGITS, TARIFF_ROWS, LADDER_ROWS } Shape;

typedef struct {
    uint16_t di;
    uint8_t shape;
    uint16_t min, max; /* bytes */
} Form;

static const Form FORMS[] = {
    {ICARD_DI_VENDOR_CODE, BYTES, 4, 4},      {ICARD_DI_DRIVER_VERSION, TEXT, 0, 2048},
    {ICARD_DI_COMMANDS, BYTES, 1, 2048},      {ICARD_DI_CARD_TYPES, BYTES, 1, 2048},
    {ICARD_DI_UNIT, BYTES, 1, 1},             {ICARD_DI_ABILITIES, BYTES, 1, 1},
    {ICARD_DI_KIND, BYTES, 1, 1},             {ICARD_DI_REGION, DIGITS, 1, 8},
    {ICARD_DI_CUSTOMER, DIGITS, 1, 20},       {ICARD_DI_METER, DIGITS, 1, 20},
    {ICARD_DI_SERIAL, BYTES, 1, 2048},        {ICARD_DI_COUNT, BYTES, 4, 4},
    {ICARD_DI_AMOUNT, BYTES, 4, 4},           {ICARD_DI_ENERGY, BYTES, 4, 4},
    {ICARD_DI_STATE, BYTES, 1, 1},            {ICARD_DI_PENDING_AMOUNT, BYTES, 4, 4},
    {ICARD_DI_PENDING_ENERGY, BYTES, 4, 4},   {ICARD_DI_REMAINING, BYTES, 4, 4},
    {ICARD_DI_METER_COUNT, BYTES, 4, 4},      {ICARD_DI_TOTAL_BOUGHT, BYTES, 8, 8},
    {ICARD_DI_OVERDRAFT, BYTES, 4, 4},        {ICARD_DI_ILLEGAL_INSERTIONS, BYTES, 4, 4},
    {ICARD_DI_WRITTEN_BACK_AT, DIGITS, 14, 14}, {ICARD_DI_METER_STATUS, BYTES, 4, 4},
    {ICARD_DI_HOARD_LIMIT, BYTES, 4, 4},      {ICARD_DI_ALARM_1, BYTES, 4, 4},
    {ICARD_DI_ALARM_2, BYTES, 4, 4},          {ICARD_DI_OVERDRAFT_LIMIT, BYTES, 4, 4},
    {ICARD_DI_CT_RATIO, BYTES, 4, 4},         {ICARD_DI_PT_RATIO, BYTES, 4, 4},
    {ICARD_DI_TARIFF, TARIFF_ROWS, 8, 2048},  {ICARD_DI_LADDER, LADDER_ROWS, 4, 2048},
    {ICARD_DI_TARIFF_FROM, DIGITS, 14, 14},   {ICARD_DI_WHEN, DIGITS, 14, 14},
    {ICARD_DI_TERMINAL, TEXT, 0, 2048},       {ICARD_DI_OPERATOR, TEXT, 0, 2048},
    {ICARD_DI_SALE, BYTES, 16, 16},           {ICARD_DI_INSIST, BYTES, 1, 1},
    {ICARD_DI_TOKEN, DIGITS, 1, 2048},        {ICARD_DI_ERROR_CODE, BYTES, 1, 1},
    {ICARD_DI_ERROR_TEXT, TEXT, 0, 2048},     {ICARD_DI_CARD_AFTER, BYTES, 1, 1},
};
enum { FORM_COUNT = sizeof FORMS / sizeof FORMS[0] };

typedef struct {
    const uint8_t *value; /* NULL: the item is not there */
    uint32_t size;
} Item;

typedef struct {
    uint8_t command;
    Item items[FORM_COUNT]; /* in the order of FORMS */
    bool foreign_setting;   /* an 04xx that this card cannot hold */
} Request;

/* The place of an item in FORMS; FORM_COUNT for an unknown one. */
static uint32_t form_of(uint16_t di)
{
    uint32_t at = 0;
    while (at < FORM_COUNT && FORMS[at].di != di) at++;
    return at;
}

static const Item *item(const Request *request, uint16_t di) { return &request->items[form_of(di)]; }

static bool has(const Request *request, uint16_t di) { return item(request, di)->value != NULL; }

static uint32_t number(const Request *request, uint16_t di)
{
    return has(request, di) ? get_number(item(request, di)->value, 4) : 0;
}

static bool holdable_setting(uint16_t di) { return di >= ICARD_DI_HOARD_LIMIT && di < ICARD_DI_HOARD_LIMIT + SETTINGS; }

static bool rows_ascend(const uint8_t *value, uint32_t size)
{
    for (uint32_t at = 4; at < size; at += 4)
        if (get_number(value + at, 4) <= get_number(value + at - 4, 4)) return false;
    return size % 4 == 0;
}

static bool rows_unique(const uint8_t *value, uint32_t size)
{
    if (size % 8) return false;
    for (uint32_t at = 0; at < size; at += 8)
        for (uint32_t other = 0; other < at; other += 8)
            if (memcmp(value + at, value + other, 2) == 0) return false; /* period and step */
    return true;
}

static bool well_formed(const Form *form, const uint8_t *value, uint32_t size)
{
    if (size < form->min || size > form->max) return false;
    switch (form->shape) {
    case DIGITS: return all_digits(value, size);
    case TARIFF_ROWS: return rows_unique(value, size);
    case LADDER_ROWS: return rows_ascend(value, size);
    default: return true;
    }
}

/* Whether the item at `here` stands in DATA a second time. */
static bool stood_before(const uint8_t *data, uint32_t here)
{
    for (uint32_t at = 0; at < here; at += 4 + get_number(data + at + 2, 2))
        if (memcmp(data + at, data + here, 2) == 0) return true;
    return false;
}

/* Takes DATA apart; the request points into it. */
static int take_items(Request *request, const uint8_t *data, uint32_t size)
{
    for (uint32_t at = 0, length; at < size; at += 4 + length) {
        if (size - at < 4) return ICARD_E_ITEMS;
        uint16_t di = (uint16_t)get_number(data + at, 2);
        length = get_number(data + at + 2, 2);
        if (length > size - at - 4 || stood_before(data, at)) return ICARD_E_ITEMS;
        if (di >> 8 == 0x04 && !holdable_setting(di)) request->foreign_setting = true;
        uint32_t form = form_of(di);
        if (form == FORM_COUNT) continue; /* an unknown item is skipped */
        if (!well_formed(&FORMS[form], data + at + 4, length)) return ICARD_E_ITEMS;
        request->items[form] = (Item){data + at + 4, length};
    }
    return OK;
}

/* The first purchase on a card being made: all of it or nothing (REISSUE has its 0206 in any case). */
static bool carries_purchase(const Request *request)
{
    return has(request, ICARD_DI_AMOUNT) && has(request, ICARD_DI_ENERGY) && has(request, ICARD_DI_SALE);
}

static bool half_a_purchase(const Request *request)
{
    bool any = has(request, ICARD_DI_AMOUNT) || has(request, ICARD_DI_ENERGY) || has(request, ICARD_DI_SALE);
    if (request->command == ICARD_OPEN && has(request, ICARD_DI_COUNT) != any) return true;
    return any && !carries_purchase(request);
}

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
    bool makes_customers = request->command == ICARD_OPEN || request->command == ICARD_REISSUE;
    if (makes_customers && half_a_purchase(request)) return ICARD_E_MISSING;
    if (request->command != ICARD_SET) return OK;
    bool sets = request->foreign_setting;
    for (uint16_t di = ICARD_DI_HOARD_LIMIT; holdable_setting(di); di++) sets = sets || has(request, di);
    return sets ? OK : ICARD_E_MISSING;
}

/* ---- what the card's bytes mean ---------------------------------------------------------------------------------- */

/* A record: `size` bytes of content at `at`, then CRC 2, then the seal. */
typedef struct {
    uint8_t at, size;
} Record;

enum { SEAL = 0xA5, NO_SEAL = 0xFF };
enum { MARK = 32, MARK_BYTES = 4, BODY = 36, ANNOUNCED = 210, METER_END = 216 };
static const uint8_t THE_MARK[MARK_BYTES] = {0x52, 0x44, 0x4B, 0x01};
static const Record HEADER = {36, 57}, SLOTS[2] = {{96, 35}, {134, 35}}, WRITE_BACK = {172, 35};

/* Places within the header, a slot and the write-back. */
enum { H_KIND = 0, H_REGION = 1, H_CUSTOMER = 6, H_METER = 17, H_BASE = 28, H_MASK = 32, H_SETTINGS = 33 };
enum { S_COUNT = 0, S_AMOUNT = 4, S_ENERGY = 8, S_WHEN = 12, S_SALE = 19 };
enum { B_COUNT = 0, B_REMAINING = 4, B_TOTAL = 8, B_OVERDRAFT = 16, B_ILLEGAL = 20, B_TIME = 24, B_STATUS = 31 };
enum { CONTENT_MAX = 57 };

typedef enum { UNSEALED, SOUND, BROKEN } Soundness;

typedef struct {
    uint8_t text[20];
    uint32_t size;
} Digits;

typedef struct {
    bool damaged;            /* then nothing else is known */
    uint8_t kind;            /* as written: ICARD_KIND_OPEN stays that even when the meter has been there */
    Digits region, customer, meter;
    uint32_t base;
    uint8_t settings_mask;   /* bit 0: 0401 is set … bit 5: 0406 */
    const uint8_t *header;   /* content of the header; NULL on a blank card */
    const uint8_t *newest;   /* content of the newest purchase; NULL if there is none */
    uint8_t newest_slot;
    bool met;                /* the meter has written something */
    const uint8_t *back;     /* content of the write-back; NULL if there is none or it cannot be trusted */
    uint32_t last;
    uint8_t state;           /* item 0209 */
} Card;

static uint32_t seal_of(Record record) { return record.at + record.size + 2u; }

static Soundness soundness(const uint8_t *image, Record record)
{
    uint8_t seal = image[seal_of(record)];
    if (seal != SEAL) return (seal & SEAL) == SEAL ? UNSEALED : BROKEN; /* law 1 */
    return crc16(image + record.at, record.size) == get_number(image + record.at + record.size, 2) ? SOUND : BROKEN;
}

static bool is_customers(const Card *card) { return card->kind == ICARD_KIND_OPEN || card->kind == ICARD_KIND_REISSUE; }

static bool read_digits(Digits *digits, const uint8_t *from, uint32_t max)
{
    digits->size = from[0];
    return digits->size <= max && unpack_digits(digits->text, digits->size, from + 1);
}

static bool understand_header(const uint8_t *header, Card *card)
{
    card->header = header;
    card->kind = header[H_KIND];
    card->base = get_number(header + H_BASE, 4);
    card->settings_mask = header[H_MASK];
    bool sound = read_digits(&card->region, header + H_REGION, 8) &&
                 read_digits(&card->customer, header + H_CUSTOMER, 20) &&
                 read_digits(&card->meter, header + H_METER, 20) && card->settings_mask >> SETTINGS == 0;
    if (is_customers(card)) return sound && card->region.size && card->customer.size && card->meter.size;
    return sound && (card->kind == ICARD_KIND_SET || card->kind == ICARD_KIND_CHECK);
}

static bool understand_purchases(const uint8_t *image, Card *card)
{
    for (uint8_t slot = 0; slot < 2; slot++) {
        const uint8_t *content = image + SLOTS[slot].at;
        uint8_t when[TIME_DIGITS];
        Soundness found = soundness(image, SLOTS[slot]);
        if (found == UNSEALED) continue;
        if (found == BROKEN || !unpack_digits(when, TIME_DIGITS, content + S_WHEN)) return false;
        if (get_number(content + S_COUNT, 4) <= card->base) return false; /* nobody writes such a count */
        if (card->newest && get_number(content + S_COUNT, 4) <= get_number(card->newest + S_COUNT, 4)) continue;
        card->newest = content;
        card->newest_slot = slot;
    }
    return true;
}

static uint32_t larger(uint32_t one, uint32_t other) { return one > other ? one : other; }

/* The write-back, and what follows from it: `last` and `state` (law 4). A damaged one is never a reason for "damaged",
 * and `last` does not fall by it, since record and announcement each keep the meter's count. */
static void understand_write_back(const uint8_t *image, Card *card)
{
    const uint8_t *record = image + WRITE_BACK.at, *announced = image + ANNOUNCED;
    bool recorded = soundness(image, WRITE_BACK) == SOUND;
    bool told = crc16(announced, 4) == get_number(announced + 4, 2);
    uint32_t newest = card->newest ? get_number(card->newest + S_COUNT, 4) : 0;
    uint32_t taken = recorded ? get_number(record + B_COUNT, 4) : 0, taking = told ? get_number(announced, 4) : 0;

    for (uint32_t at = WRITE_BACK.at; at < METER_END; at++) card->met = card->met || image[at] != 0xFF;
    if (recorded && told && taken == taking) card->back = record;
    card->last = larger(larger(card->base, newest), larger(taken, taking));
    if (card->met && !card->back)
        card->state = ICARD_STATE_UNSURE;
    else if (card->back && taken == card->last && taken)
        card->state = ICARD_STATE_TAKEN;
    else
        card->state = card->newest ? ICARD_STATE_PENDING : ICARD_STATE_NONE;
}

/* Whether nobody has used this card: every byte of the user's FF or 00, as it comes from its maker; mark bytes may
 * already be the mark's. */
static bool is_unused(const uint8_t *image)
{
    for (uint32_t at = MARK; at < CARD_BYTES; at++) {
        bool marked = at < BODY && image[at] == THE_MARK[at - MARK];
        if (image[at] != 0xFF && image[at] != 0x00 && !marked) return false;
    }
    return true;
}

/* `card` points into `image` afterwards. */
static void understand(const uint8_t *image, Card *card)
{
    memset(card, 0, sizeof *card);
    Soundness header = soundness(image, HEADER);
    if (header == UNSEALED || is_unused(image)) return; /* blank */
    bool sound = header == SOUND && understand_header(image + HEADER.at, card);
    if (sound && is_customers(card)) {
        sound = understand_purchases(image, card);
        understand_write_back(image, card);
    }
    if (sound) return;
    memset(card, 0, sizeof *card);
    card->damaged = true;
}

/* ---- what each command asks of the card, in the order of contract section 4.9 ------------------------------------ */

/* Whether request and card both have these digits, and not the same. */
static bool differs(const Request *request, uint16_t di, const Digits *there)
{
    const Item *given = item(request, di);
    if (!given->value || !there->size) return false;
    return given->size != there->size || memcmp(given->value, there->text, there->size) != 0;
}

/* 08 and 09: compares what the request carries with what the card holds. */
static int check_whose(const Request *request, const Card *card)
{
    if (differs(request, ICARD_DI_REGION, &card->region)) return ICARD_E_OTHER_REGION;
    if (request->command == ICARD_CHECK) return OK;
    bool other = differs(request, ICARD_DI_CUSTOMER, &card->customer) || differs(request, ICARD_DI_METER, &card->meter);
    return other ? ICARD_E_OTHER_CUSTOMER : OK;
}

/* 0E: a value of nothing, or more than the hoard limit leaves room for. */
static int check_value(const Request *request, bool limited, uint32_t limit, const Card *card)
{
    uint32_t value = number(request, ICARD_DI_ENERGY);
    int64_t remaining = card->back ? (int32_t)get_number(card->back + B_REMAINING, 4) : 0;
    if (value == 0 || (limited && limit && remaining + (int64_t)value > (int64_t)limit)) return ICARD_E_OVER_LIMIT;
    return OK;
}

static bool same_purchase(const Request *request, const Card *card)
{
    return card->newest && number(request, ICARD_DI_COUNT) == get_number(card->newest + S_COUNT, 4) &&
           number(request, ICARD_DI_AMOUNT) == get_number(card->newest + S_AMOUNT, 4) &&
           number(request, ICARD_DI_ENERGY) == get_number(card->newest + S_ENERGY, 4);
}

/* The header that OPEN, REISSUE, SET or CHECK gives a card. */
static void header_for(const Request *request, uint8_t *header)
{
    static const struct { uint16_t di; uint8_t at, width; } NUMBERS[] = {
        {ICARD_DI_REGION, H_REGION, 4}, {ICARD_DI_METER, H_METER, 10}, {ICARD_DI_CUSTOMER, H_CUSTOMER, 10}};
    uint8_t command = request->command;
    uint32_t numbers = command == ICARD_CHECK ? 1 : command == ICARD_SET ? 2 : 3; /* a setting card has no customer */
    memset(header, 0, HEADER.size);
    header[H_KIND] = command == ICARD_OPEN      ? ICARD_KIND_OPEN
                     : command == ICARD_REISSUE ? ICARD_KIND_REISSUE
                     : command == ICARD_SET     ? ICARD_KIND_SET
                                                : ICARD_KIND_CHECK;
    for (uint32_t which = 0; which < 3; which++) {
        const Item *given = item(request, NUMBERS[which].di);
        uint32_t size = which < numbers ? given->size : 0;
        header[NUMBERS[which].at] = (uint8_t)size;
        pack_digits(header + NUMBERS[which].at + 1, NUMBERS[which].width, given->value, size);
    }
    if (command == ICARD_REISSUE)
        put_number(header + H_BASE, 4, number(request, ICARD_DI_COUNT) - (carries_purchase(request) ? 1 : 0));
    for (uint16_t bit = 0; bit < SETTINGS && command != ICARD_CHECK; bit++) {
        if (!has(request, ICARD_DI_HOARD_LIMIT + bit)) continue;
        header[H_MASK] |= (uint8_t)(1 << bit);
        put_number(header + H_SETTINGS + 4 * bit, 4, number(request, ICARD_DI_HOARD_LIMIT + bit));
    }
}

/* Whether the card is what this command would make of a blank one, and no meter has seen it. */
static bool made_already(const Request *request, const Card *card)
{
    uint8_t header[CONTENT_MAX];
    header_for(request, header);
    if (card->met || request->foreign_setting || memcmp(header, card->header, HEADER.size) != 0) return false;
    bool customers = request->command == ICARD_OPEN || request->command == ICARD_REISSUE;
    return customers && carries_purchase(request) ? same_purchase(request, card) : card->newest == NULL;
}

static int check_make(const Request *request, const Card *card)
{
    uint8_t command = request->command;
    bool buys = carries_purchase(request) && (command == ICARD_OPEN || command == ICARD_REISSUE);
    uint32_t count = number(request, ICARD_DI_COUNT);
    if (card->kind == ICARD_KIND_CHECK && command == ICARD_CHECK) {
        int code = check_whose(request, card);
        return code ? code : DONE;
    }
    if (card->kind) return made_already(request, card) ? DONE : ICARD_E_NOT_BLANK;
    if (buys && (command == ICARD_OPEN ? count != 1 : count == 0)) return ICARD_E_COUNT;
    if (request->foreign_setting && command != ICARD_CHECK) return ICARD_E_OVER_LIMIT;
    if (!buys) return OK;
    return check_value(request, has(request, ICARD_DI_HOARD_LIMIT), number(request, ICARD_DI_HOARD_LIMIT), card);
}

/* Settings in a PURCHASE must be the card's own: this layout cannot change them by a purchase's last byte. */
static bool same_settings(const Request *request, const Card *card)
{
    for (uint16_t bit = 0; bit < SETTINGS; bit++) {
        const Item *given = item(request, ICARD_DI_HOARD_LIMIT + bit);
        if (!given->value) continue;
        bool set = card->settings_mask >> bit & 1;
        if (!set || memcmp(given->value, card->header + H_SETTINGS + 4 * bit, 4) != 0) return false;
    }
    return !request->foreign_setting;
}

static int check_purchase(const Request *request, const Card *card)
{
    uint32_t count = number(request, ICARD_DI_COUNT);
    if (!is_customers(card)) return ICARD_E_NOT_OPENED;
    int code = check_whose(request, card);
    if (code) return code;
    if (count == card->last && same_purchase(request, card)) return DONE;
    if (card->last == UINT32_MAX || count != card->last + 1) return ICARD_E_COUNT;
    if (card->state == ICARD_STATE_PENDING || card->state == ICARD_STATE_UNSURE) return ICARD_E_NOT_TAKEN;
    if (!same_settings(request, card)) return ICARD_E_OVER_LIMIT;
    return check_value(request, card->settings_mask & 1, get_number(card->header + H_SETTINGS, 4), card);
}

static int check_reverse(const Request *request, const Card *card)
{
    uint32_t count = number(request, ICARD_DI_COUNT);
    if (!is_customers(card)) return ICARD_E_NOT_OPENED;
    int code = check_whose(request, card);
    if (code) return code;
    if (card->last != UINT32_MAX && count == card->last + 1) {
        if (card->state == ICARD_STATE_UNSURE) return ICARD_E_NOT_TAKEN;
        return card->state == ICARD_STATE_PENDING ? ICARD_E_COUNT : DONE; /* it is not there: nothing to take back */
    }
    if (card->back && count <= get_number(card->back + B_COUNT, 4)) return ICARD_E_TAKEN;
    if (count != card->last || !same_purchase(request, card)) return ICARD_E_COUNT;
    return card->state == ICARD_STATE_UNSURE ? ICARD_E_NOT_TAKEN : OK;
}

static bool insists(const Request *request)
{
    return has(request, ICARD_DI_INSIST) && item(request, ICARD_DI_INSIST)->value[0] == 1;
}

static int check_clear(const Request *request, const Card *card)
{
    if (card->damaged) return OK; /* only who insists comes here */
    if (card->kind == ICARD_KIND_BLANK) return DONE;
    int code = check_whose(request, card);
    if (code || !is_customers(card)) return code;
    if (number(request, ICARD_DI_COUNT) != card->last) return ICARD_E_COUNT;
    bool open_purchase = card->state == ICARD_STATE_PENDING || card->state == ICARD_STATE_UNSURE;
    return open_purchase && !insists(request) ? ICARD_E_NOT_TAKEN : OK;
}

static int check_request(const Request *request, const Card *card)
{
    switch (request->command) {
    case ICARD_READ: return DONE;
    case ICARD_PURCHASE: return check_purchase(request, card);
    case ICARD_REVERSE: return check_reverse(request, card);
    case ICARD_CLEAR: return check_clear(request, card);
    default: return check_make(request, card);
    }
}

/* ---- the chip: reading, the secret, writing ---------------------------------------------------------------------- */

typedef struct {
    int32_t icdev;
    uint8_t before[CARD_BYTES], now[CARD_BYTES]; /* as read; as it must be after what was written so far */
    bool failed;
} Chip;

static int read_chip(int32_t icdev, uint8_t *image)
{
    int32_t got = api.read(icdev, 0, 0, image, CARD_BYTES);
    if (got == CARD_BYTES) return OK;
    return got == ICDEV_NO_CARD ? ICARD_E_NO_CARD : ICARD_E_READ_FAILED;
}

static int take_card(Chip *chip)
{
    int32_t type = api.card_type(chip->icdev);
    if (type == ICARD_TYPE_NONE || type == ICDEV_NO_CARD) return ICARD_E_NO_CARD;
    if (type < 0) return ICARD_E_READ_FAILED;
    if (type != ICARD_TYPE_SLE4442) return ICARD_E_WRONG_TYPE;
    int code = read_chip(chip->icdev, chip->before);
    memcpy(chip->now, chip->before, CARD_BYTES);
    return code;
}

/* The password's form is "psc=" and six hex digits. */
static bool secret_of(const char *password, uint8_t *secret)
{
    if (!password || strncmp(password, "psc=", 4) != 0 || strlen(password) != 4 + 2 * SECRET_BYTES) return false;
    memset(secret, 0, SECRET_BYTES);
    for (uint32_t at = 0; at < 2 * SECRET_BYTES; at++) {
        static const char HEX[] = "0123456789ABCDEF0123456789abcdef";
        const char *digit = strchr(HEX, password[4 + at]);
        if (!digit) return false;
        secret[at / 2] = (uint8_t)(secret[at / 2] << 4 | (digit - HEX) % 16);
    }
    return true;
}

/* Presents the secret, if more than one try is left. */
static int open_chip(const Chip *chip, const char *password)
{
    uint8_t secret[SECRET_BYTES];
    int32_t tries = api.tries_left(chip->icdev, 0);
    if (tries == ICDEV_NO_CARD) return ICARD_E_NO_CARD;
    if (tries < 2) return ICARD_E_LOCKED;
    if (!secret_of(password, secret)) return ICARD_E_SECRET;
    switch (api.verify(chip->icdev, 0, secret, SECRET_BYTES)) {
    case 0: return OK;
    case ICDEV_NO_CARD: return ICARD_E_NO_CARD;
    case ICDEV_IO: return ICARD_E_READ_FAILED; /* nothing was written yet */
    case ICDEV_LOCKED: return ICARD_E_LOCKED;
    default: return ICARD_E_SECRET;
    }
}

/* Writes those of the bytes that are not there yet, in the order of their addresses; nothing more after a failure. */
static void put(Chip *chip, uint32_t at, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t from = 0, to; from < size && !chip->failed; from = to) {
        to = from + 1;
        if (chip->now[at + from] == bytes[from]) continue;
        while (to < size && chip->now[at + to] != bytes[to]) to++;
        chip->failed = api.write(chip->icdev, 0, at + from, bytes + from, to - from) != (int32_t)(to - from);
        memcpy(chip->now + at + from, bytes + from, to - from);
    }
}

static void put_byte(Chip *chip, uint32_t at, uint8_t byte) { put(chip, at, &byte, 1); }

static void erase(Chip *chip, uint32_t from, uint32_t to)
{
    uint8_t blank[CARD_BYTES];
    memset(blank, 0xFF, sizeof blank);
    put(chip, from, blank, to - from);
}

/* Writes a record whose seal is gone already: content, CRC, and the seal last. */
static void put_record(Chip *chip, Record record, const uint8_t *content)
{
    uint8_t check[2];
    put_number(check, 2, crc16(content, record.size));
    put(chip, record.at, content, record.size);
    put(chip, record.at + record.size, check, 2);
    put_byte(chip, seal_of(record), SEAL);
}

static void put_purchase(Chip *chip, uint8_t slot, const Request *request)
{
    uint8_t content[CONTENT_MAX];
    put_number(content + S_COUNT, 4, number(request, ICARD_DI_COUNT));
    put_number(content + S_AMOUNT, 4, number(request, ICARD_DI_AMOUNT));
    put_number(content + S_ENERGY, 4, number(request, ICARD_DI_ENERGY));
    pack_digits(content + S_WHEN, TIME_DIGITS / 2, item(request, ICARD_DI_WHEN)->value, TIME_DIGITS);
    memcpy(content + S_SALE, item(request, ICARD_DI_SALE)->value, SALE_BYTES);
    put_byte(chip, seal_of(SLOTS[slot]), NO_SEAL);
    put_record(chip, SLOTS[slot], content);
}

/* Laws 1 to 3: no seal (00, as on a card full of 00, would be a broken one once there is more on it), the mark,
 * everything behind the header, the header, its seal. */
static void make(Chip *chip, const Request *request)
{
    uint8_t header[CONTENT_MAX];
    bool customers = request->command == ICARD_OPEN || request->command == ICARD_REISSUE;
    put_byte(chip, seal_of(HEADER), NO_SEAL);
    put(chip, MARK, THE_MARK, MARK_BYTES);
    erase(chip, seal_of(HEADER) + 1, CARD_BYTES);
    if (customers && carries_purchase(request)) put_purchase(chip, 0, request);
    header_for(request, header);
    put_record(chip, HEADER, header);
}

static void carry_out(Chip *chip, const Request *request, const Card *card)
{
    switch (request->command) {
    case ICARD_PURCHASE:
        put_purchase(chip, card->newest && card->newest_slot == 0 ? 1 : 0, request);
        break;
    case ICARD_REVERSE:
        put_byte(chip, seal_of(SLOTS[card->newest_slot]), NO_SEAL);
        break;
    case ICARD_CLEAR:
        put_byte(chip, seal_of(HEADER), NO_SEAL); /* blank from here on; the rest is tidying up */
        erase(chip, BODY, CARD_BYTES);
        break;
    default:
        make(chip, request);
    }
}

/* Reads back and says what became of the card (contract section 4.8). */
static int settle(const Chip *chip)
{
    uint8_t after[CARD_BYTES];
    bool readable = read_chip(chip->icdev, after) == OK;
    if (!readable) return ICARD_E_WRITE_INCOMPLETE;
    if (chip->failed)
        return memcmp(after, chip->before, CARD_BYTES) == 0 ? ICARD_E_WRITE_FAILED : ICARD_E_WRITE_INCOMPLETE;
    return memcmp(after, chip->now, CARD_BYTES) == 0 ? OK : ICARD_E_READ_BACK;
}

/* One command from card to card. `card` is what the answer tells of and points into `chip`. */
static int perform(const Request *request, const char *password, Chip *chip, Card *card)
{
    int code = take_card(chip);
    if (code) return code;
    bool makes = request->command != ICARD_READ && request->command != ICARD_PURCHASE &&
                 request->command != ICARD_CLEAR && request->command != ICARD_REVERSE;
    bool marked = memcmp(chip->before + MARK, THE_MARK, MARK_BYTES) == 0;
    if (!marked && !(makes && is_unused(chip->before))) return ICARD_E_NOT_MINE;
    understand(chip->before, card);
    if (card->damaged && !(request->command == ICARD_CLEAR && insists(request))) return ICARD_E_DAMAGED;
    code = check_request(request, card);
    if (code == DONE) return OK;
    if (code == OK) code = open_chip(chip, password);
    if (code) return code;
    carry_out(chip, request, card);
    code = settle(chip);
    if (code == OK && request->command != ICARD_CLEAR) understand(chip->now, card); /* CLEAR tells what was there */
    return code;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Everything said below is far shorter than 2048 bytes: a reading with all its items takes less than 400. */
typedef struct {
    uint8_t *frame;
    uint32_t size; /* of DATA so far */
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

/* A time kept as BCD; left out if it is none. */
static void say_time(Answer *answer, uint16_t di, const uint8_t *from)
{
    uint8_t time[TIME_DIGITS];
    if (unpack_digits(time, TIME_DIGITS, from)) say(answer, di, time, TIME_DIGITS);
}

static void say_description(Answer *answer)
{
    static const uint8_t COMMANDS[] = {ICARD_DESCRIBE, ICARD_READ, ICARD_OPEN,  ICARD_PURCHASE, ICARD_REISSUE,
                                       ICARD_CLEAR,    ICARD_SET,  ICARD_CHECK, ICARD_REVERSE};
    say(answer, ICARD_DI_VENDOR_CODE, "0001", 4);
    say(answer, ICARD_DI_DRIVER_VERSION, "1.0", 3);
    say(answer, ICARD_DI_COMMANDS, COMMANDS, sizeof COMMANDS);
    say_number(answer, ICARD_DI_CARD_TYPES, 1, ICARD_TYPE_SLE4442);
    say_number(answer, ICARD_DI_UNIT, 1, ICARD_UNIT_ENERGY);
    say_number(answer, ICARD_DI_ABILITIES, 1, 0);
}

static void say_reading(Answer *answer, const Card *card)
{
    say_number(answer, ICARD_DI_KIND, 1, card->met ? ICARD_KIND_PURCHASE : card->kind);
    say(answer, ICARD_DI_REGION, card->region.text, card->region.size);
    say(answer, ICARD_DI_CUSTOMER, card->customer.text, card->customer.size);
    say(answer, ICARD_DI_METER, card->meter.text, card->meter.size);
    say_number(answer, ICARD_DI_COUNT, 4, card->last);
    say_number(answer, ICARD_DI_STATE, 1, card->state);
    if (card->newest && get_number(card->newest + S_COUNT, 4) == card->last) {
        say(answer, ICARD_DI_AMOUNT, card->newest + S_AMOUNT, 4);
        say(answer, ICARD_DI_ENERGY, card->newest + S_ENERGY, 4);
        say_time(answer, ICARD_DI_WHEN, card->newest + S_WHEN);
        say(answer, ICARD_DI_SALE, card->newest + S_SALE, SALE_BYTES);
    }
    if (card->back) {
        say(answer, ICARD_DI_REMAINING, card->back + B_REMAINING, 4);
        say(answer, ICARD_DI_METER_COUNT, card->back + B_COUNT, 4);
        say(answer, ICARD_DI_TOTAL_BOUGHT, card->back + B_TOTAL, 8);
        say(answer, ICARD_DI_OVERDRAFT, card->back + B_OVERDRAFT, 4);
        say(answer, ICARD_DI_ILLEGAL_INSERTIONS, card->back + B_ILLEGAL, 4);
        say_time(answer, ICARD_DI_WRITTEN_BACK_AT, card->back + B_TIME); /* FF while the meter's clock is unset */
        say(answer, ICARD_DI_METER_STATUS, card->back + B_STATUS, 4);
    }
    for (uint16_t bit = 0; bit < SETTINGS; bit++)
        if (card->settings_mask >> bit & 1)
            say(answer, ICARD_DI_HOARD_LIMIT + bit, card->header + H_SETTINGS + 4 * bit, 4);
}

static void say_error(Answer *answer, int code)
{
    static const char *const TEXTS[] = {
        [ICARD_E_ITEMS] = "an item is there twice, cut short or of another form",
        [ICARD_E_NOT_SUPPORTED] = "command not supported",
        [ICARD_E_NO_CARD] = "no card",
        [ICARD_E_WRONG_TYPE] = "not an SLE4442",
        [ICARD_E_NOT_MINE] = "no RDK mark on the card",
        [ICARD_E_SECRET] = "PSC refused, or the password is not psc= and six hex digits",
        [ICARD_E_LOCKED] = "the PSC has less than two tries left, or they cannot be read",
        [ICARD_E_OTHER_REGION] = "the card is of another region",
        [ICARD_E_OTHER_CUSTOMER] = "the card is another customer's or meter's",
        [ICARD_E_NOT_OPENED] = "the card is not a customer's",
        [ICARD_E_NOT_BLANK] = "the card is not blank",
        [ICARD_E_NOT_TAKEN] = "the meter has not taken the last purchase, or that cannot be told",
        [ICARD_E_COUNT] = "the count does not fit the card, or the value does not fit the count",
        [ICARD_E_OVER_LIMIT] = "a value of 0, above the hoard limit, or a setting the card cannot hold or change",
        [ICARD_E_READ_FAILED] = "reading the card failed",
        [ICARD_E_WRITE_FAILED] = "writing failed, the card is as before",
        [ICARD_E_WRITE_INCOMPLETE] = "writing or reading back failed, the card is unknown",
        [ICARD_E_READ_BACK] = "the card does not hold what was written",
        [ICARD_E_DAMAGED] = "a record on the card is damaged",
        [ICARD_E_MISSING] = "an item is missing",
        [ICARD_E_TAKEN] = "the meter has taken this purchase",
    };
    bool unknown = code == ICARD_E_WRITE_INCOMPLETE || code == ICARD_E_READ_BACK;
    say_number(answer, ICARD_DI_ERROR_CODE, 1, (uint32_t)code);
    say(answer, ICARD_DI_ERROR_TEXT, TEXTS[code], (uint32_t)strlen(TEXTS[code]));
    say_number(answer, ICARD_DI_CARD_AFTER, 1, unknown ? ICARD_CARD_UNKNOWN : ICARD_CARD_UNCHANGED);
}

static void close_frame(Answer *answer, uint8_t command)
{
    uint32_t end = ICARD_HEAD_BYTES + answer->size;
    uint8_t sum = 0;
    answer->frame[0] = ICARD_START;
    answer->frame[1] = command;
    put_number(answer->frame + 2, 2, answer->size);
    for (uint32_t at = 1; at < end; at++) sum = (uint8_t)(sum + answer->frame[at]);
    answer->frame[end] = sum;
    answer->frame[end + 1] = ICARD_END;
}

/* ---- the two exports --------------------------------------------------------------------------------------------- */

int32_t RDKIcardBind(const icdev_api *host)
{
    /* this driver uses the fields up to tries_left; a host that is older than transmit will do */
    if (!host || host->size < offsetof(icdev_api, transmit)) return ICARD_INTERNAL;
    if (!host->card_type || !host->read || !host->write || !host->verify || !host->tries_left) return ICARD_INTERNAL;
    memcpy(&api, host, offsetof(icdev_api, transmit));
    return 0;
}

/* The length of DATA, or -1 for a frame that gets no answer. */
static int32_t data_size(const uint8_t *frame)
{
    uint32_t size = get_number(frame + 2, 2), end = ICARD_HEAD_BYTES + size;
    uint8_t sum = 0;
    if (frame[0] != ICARD_START || frame[1] > ICARD_COMMAND_MAX || size > ICARD_DATA_MAX) return -1;
    for (uint32_t at = 1; at < end; at++) sum = (uint8_t)(sum + frame[at]);
    return frame[end] == sum && frame[end + 1] == ICARD_END ? (int32_t)size : -1;
}

int32_t RDKIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    if (!sendstr || !recvstr) return ICARD_INTERNAL;
    int32_t size = data_size(sendstr);
    if (size < 0) return ICARD_BAD_FRAME;

    Request request = {.command = sendstr[1]};
    Answer answer = {.frame = recvstr};
    Chip chip = {.icdev = icdev};
    Card card = {0};
    bool known = request.command >= ICARD_DESCRIBE && request.command <= ICARD_REVERSE;
    int code = known ? take_items(&request, sendstr + ICARD_HEAD_BYTES, (uint32_t)size) : ICARD_E_NOT_SUPPORTED;
    if (code == OK) code = check_missing(&request);
    if (code == OK && request.command == ICARD_DESCRIBE) {
        say_description(&answer);
    } else {
        if (code == OK && !api.card_type) return ICARD_INTERNAL; /* nobody called Bind */
        if (code == OK) code = perform(&request, password, &chip, &card);
        if (code == OK)
            say_reading(&answer, &card);
        else
            say_error(&answer, code);
    }
    close_frame(&answer, request.command | (code == OK ? ICARD_SUCCESS : ICARD_ERROR));
    return ICARD_ANSWERED;
}
