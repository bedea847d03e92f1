/* HLD 恒利达, vendor code 0003: an AT24C04 card that counts money and has no secret. A sample driver, as small as
 * contract 1 lets it be; the name is made up, layout and codes are our own (docs/sample-vendors/hld.md).
 *
 * The card: 512 bytes in pages of 16. A frame is 68 · command · L · data · CS · 16; L is one byte, packed BCD, and CS
 * the sum of command, L and data. Numbers are high byte first; digit strings are packed BCD behind a byte that says
 * how many digits there are.
 *
 *    0  mark              48 4C 44 01
 *   16  header            68 01 57 · kind 1 · region 1+4 · customer 1+10 · meter 1+10 · base count 4 · settings 25 · …
 *   80  its seal
 *   96  purchase, slot A  68 02 35 · count 4 · fen 4 · 0.01 kWh 4 · time 7 · sale id 16 · CS 16
 *  144  its seal
 *  160  purchase, slot B  the same, its seal at 208
 *  224  write-back        68 11 35 · count 4 · remaining 4 · total 8 · overdraft 4 · illegal 4 · time 7 · status 4 · …
 *  272  its seal
 *  288  announcement      68 12 04 · count 4 · CS 16          224 to 303 belong to the meter, 304 to 511 to nobody
 *
 * The laws of this file:
 *
 * 1. When the card is pulled, the page being written may hold anything. So no page is shared by two records, and a seal
 *    has a page of its own: what is torn is only ever what was being written.
 * 2. A record counts when its seal is A5 and its frame is whole. To write one: seal FF, frame, seal A5. A seal torn on
 *    either way has all ones of A5 and more, or is FF: it is no seal, and no damage.
 * 3. A purchase goes into the slot that does not hold the newest one. A header without a seal is a blank card, whatever
 *    stands behind it.
 * 4. Before a meter takes a purchase it announces the count it is going to have; after that it writes its record. Where
 *    the two do not agree nobody can tell what the meter took, and until it has seen the card again nothing is sold on
 *    it or taken back (state 3, error 0C).
 * 5. Everything is checked first, in the order of contract section 4.9, and written last. A page costs 5 ms however few
 *    of its bytes change, so a record is written in one piece.
 * 6. Card bytes are never trusted. And they prove nothing: who can write an AT24C04 can write a purchase.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "icard.h"

ICARD_EXPORT icard_call HLDIcard;
ICARD_EXPORT icard_bind HLDIcardBind;

enum { CARD_BYTES = 512, SALE_BYTES = 16, TIME_DIGITS = 14, SETTINGS = 6, CONTENT_MAX = 57 };
enum { DONE = -1, OK = 0 }; /* DONE: success, and nothing is to be written; above 0: an error code */

static icdev_api api; /* all zero until Bind */

/* ---- numbers and digits ------------------------------------------------------------------------------------------ */

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

static uint8_t sum_of(const uint8_t *data, uint32_t size)
{
    uint8_t sum = 0;
    while (size--) sum = (uint8_t)(sum + *data++);
    return sum;
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

/* ---- the request: items (contract sections 1, 2, 3) -------------------------------------------------------------- */

typedef enum { BYTES, DIGITS, TARIFF_ROWS, LADDER_ROWS } Shape;

typedef struct {
    uint16_t di;
    uint8_t shape;
    uint16_t min, max; /* bytes */
} Form;

static const Form FORMS[] = {
    {ICARD_DI_VENDOR_CODE, BYTES, 4, 4},               {ICARD_DI_DRIVER_VERSION, BYTES, 0, 2048},
    {ICARD_DI_COMMANDS, BYTES, 1, 2048},               {ICARD_DI_CARD_TYPES, BYTES, 1, 2048},
    {ICARD_DI_UNIT, BYTES, 1, 1},                      {ICARD_DI_ABILITIES, BYTES, 1, 1},
    {ICARD_DI_KIND, BYTES, 1, 1},                      {ICARD_DI_REGION, DIGITS, 1, 8},
    {ICARD_DI_CUSTOMER, DIGITS, 1, 20},                {ICARD_DI_METER, DIGITS, 1, 20},
    {ICARD_DI_SERIAL, BYTES, 1, 2048},                 {ICARD_DI_COUNT, BYTES, 4, 4},
    {ICARD_DI_AMOUNT, BYTES, 4, 4},                    {ICARD_DI_ENERGY, BYTES, 4, 4},
    {ICARD_DI_STATE, BYTES, 1, 1},                     {ICARD_DI_PENDING_AMOUNT, BYTES, 4, 4},
    {ICARD_DI_PENDING_ENERGY, BYTES, 4, 4},            {ICARD_DI_REMAINING, BYTES, 4, 4},
    {ICARD_DI_METER_COUNT, BYTES, 4, 4},               {ICARD_DI_TOTAL_BOUGHT, BYTES, 8, 8},
    {ICARD_DI_OVERDRAFT, BYTES, 4, 4},                 {ICARD_DI_ILLEGAL_INSERTIONS, BYTES, 4, 4},
    {ICARD_DI_WRITTEN_BACK_AT, DIGITS, 14, 14},        {ICARD_DI_METER_STATUS, BYTES, 4, 4},
    {ICARD_DI_HOARD_LIMIT, BYTES, 4, 4},               {ICARD_DI_ALARM_1, BYTES, 4, 4},
    {ICARD_DI_ALARM_2, BYTES, 4, 4},                   {ICARD_DI_OVERDRAFT_LIMIT, BYTES, 4, 4},
    {ICARD_DI_CT_RATIO, BYTES, 4, 4},                  {ICARD_DI_PT_RATIO, BYTES, 4, 4},
    {ICARD_DI_TARIFF, TARIFF_ROWS, 8, 2048},           {ICARD_DI_LADDER, LADDER_ROWS, 4, 2048},
    {ICARD_DI_TARIFF_FROM, DIGITS, 14, 14},            {ICARD_DI_WHEN, DIGITS, 14, 14},
    {ICARD_DI_TERMINAL, BYTES, 0, 2048},               {ICARD_DI_OPERATOR, BYTES, 0, 2048},
    {ICARD_DI_SALE, BYTES, 16, 16},                    {ICARD_DI_INSIST, BYTES, 1, 1},
    {ICARD_DI_TOKEN, DIGITS, 1, 2048},                 {ICARD_DI_ERROR_CODE, BYTES, 1, 1},
    {ICARD_DI_ERROR_TEXT, BYTES, 0, 2048},             {ICARD_DI_CARD_AFTER, BYTES, 1, 1},
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
    return true;
}

static bool rows_unique(const uint8_t *value, uint32_t size)
{
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
    case TARIFF_ROWS: return size % 8 == 0 && rows_unique(value, size);
    case LADDER_ROWS: return size % 4 == 0 && rows_ascend(value, size);
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

static bool makes_customers(const Request *request)
{
    return request->command == ICARD_OPEN || request->command == ICARD_REISSUE;
}

/* The purchase on a card being made: all of it or nothing (REISSUE has its 0206 in any case). */
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
    static const uint16_t MUST[][7] = { /* beside 0501 and 0502 */
        [ICARD_OPEN] = {ICARD_DI_REGION, ICARD_DI_CUSTOMER, ICARD_DI_METER},
        [ICARD_PURCHASE] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_AMOUNT, ICARD_DI_ENERGY,
                            ICARD_DI_SALE},
        [ICARD_REISSUE] = {ICARD_DI_REGION, ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT},
        [ICARD_CLEAR] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT},
        [ICARD_SET] = {ICARD_DI_REGION},
        [ICARD_REVERSE] = {ICARD_DI_CUSTOMER, ICARD_DI_METER, ICARD_DI_COUNT, ICARD_DI_AMOUNT, ICARD_DI_ENERGY},
    };
    if (request->command <= ICARD_READ) return OK;
    if (!has(request, ICARD_DI_WHEN) || !has(request, ICARD_DI_TERMINAL)) return ICARD_E_MISSING;
    for (const uint16_t *di = MUST[request->command]; *di; di++)
        if (!has(request, *di)) return ICARD_E_MISSING;
    if (makes_customers(request) && half_a_purchase(request)) return ICARD_E_MISSING;
    bool sets = request->foreign_setting;
    for (uint16_t di = ICARD_DI_HOARD_LIMIT; holdable_setting(di); di++) sets = sets || has(request, di);
    return sets || request->command != ICARD_SET ? OK : ICARD_E_MISSING;
}

/* ---- what the card's bytes mean ---------------------------------------------------------------------------------- */

typedef struct {
    uint16_t at;
    uint8_t command, size; /* of the frame; bytes of its data */
    uint16_t seal;
} Record;

enum { SEAL = 0xA5, NO_SEAL = 0xFF, HEAD = 3, TAIL = 2 };
enum { MARK_BYTES = 4, PAGE = 16, BACK_AT = 224, USED_END = 304 };
static const uint8_t THE_MARK[MARK_BYTES] = {0x48, 0x4C, 0x44, 0x01};
static const Record HEADER = {16, 0x01, 57, 80}, SLOTS[2] = {{96, 0x02, 35, 144}, {160, 0x02, 35, 208}};
static const Record WRITE_BACK = {BACK_AT, 0x11, 35, 272}, ANNOUNCED = {288, 0x12, 4, 0};

/* Places within the data of header, purchase and write-back. */
enum { H_KIND = 0, H_REGION = 1, H_CUSTOMER = 6, H_METER = 17, H_BASE = 28, H_MASK = 32, H_SETTINGS = 33 };
enum { S_COUNT = 0, S_AMOUNT = 4, S_ENERGY = 8, S_WHEN = 12, S_SALE = 19 };
enum { B_COUNT = 0, B_REMAINING = 4, B_TOTAL = 8, B_OVERDRAFT = 16, B_ILLEGAL = 20, B_TIME = 24, B_STATUS = 31 };

typedef enum { UNSEALED, SOUND, BROKEN } Soundness;

typedef struct {
    uint8_t text[20];
    uint32_t size;
} Digits;

typedef struct {
    bool damaged;          /* then nothing else is known */
    uint8_t kind;          /* as written: ICARD_KIND_OPEN stays that even when the meter has been there */
    Digits region, customer, meter;
    uint32_t base;         /* the count the card was issued with, less one where a purchase came with it */
    uint8_t settings_mask; /* bit 0: 0401 is set … bit 5: 0406 */
    const uint8_t *header; /* data of the header; NULL on a blank card */
    const uint8_t *newest; /* data of the newest purchase; NULL if there is none */
    uint8_t newest_slot;
    bool met;              /* the meter has written something */
    const uint8_t *back;   /* data of the write-back; NULL if there is none or it cannot be trusted */
    uint32_t last;
    uint8_t state;         /* item 0209 */
} Card;

static uint8_t bcd(uint8_t number) { return (uint8_t)(number / 10 << 4 | number % 10); }

static const uint8_t *data_of(const uint8_t *image, Record record) { return image + record.at + HEAD; }

/* 68, the command, L in one byte of BCD, the sum of all from the command on, 16. */
static bool whole(const uint8_t *image, Record record)
{
    const uint8_t *frame = image + record.at, *tail = frame + HEAD + record.size;
    return frame[0] == 0x68 && frame[1] == record.command && frame[2] == bcd(record.size) &&
           tail[0] == sum_of(frame + 1, record.size + 2u) && tail[1] == 0x16;
}

static Soundness soundness(const uint8_t *image, Record record)
{
    uint8_t seal = image[record.seal];
    if (seal != SEAL) return (seal & SEAL) == SEAL ? UNSEALED : BROKEN; /* law 2 */
    return whole(image, record) ? SOUND : BROKEN;
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
        const uint8_t *data = data_of(image, SLOTS[slot]);
        uint8_t when[TIME_DIGITS];
        Soundness found = soundness(image, SLOTS[slot]);
        if (found == UNSEALED) continue;
        if (found == BROKEN || !unpack_digits(when, TIME_DIGITS, data + S_WHEN)) return false;
        if (get_number(data + S_COUNT, 4) <= card->base) return false; /* nobody writes such a count */
        if (card->newest && get_number(data + S_COUNT, 4) <= get_number(card->newest + S_COUNT, 4)) continue;
        card->newest = data;
        card->newest_slot = slot;
    }
    return true;
}

static uint32_t larger(uint32_t one, uint32_t other) { return one > other ? one : other; }

/* The write-back, and what follows from it: `last` and `state` (law 4). A damaged one is never a reason for "damaged",
 * and `last` does not fall by it, since record and announcement each keep the meter's count. */
static void understand_write_back(const uint8_t *image, Card *card)
{
    const uint8_t *record = data_of(image, WRITE_BACK);
    bool recorded = soundness(image, WRITE_BACK) == SOUND, told = whole(image, ANNOUNCED);
    uint32_t taken = recorded ? get_number(record + B_COUNT, 4) : 0;
    uint32_t taking = told ? get_number(data_of(image, ANNOUNCED), 4) : 0;
    uint32_t newest = card->newest ? get_number(card->newest + S_COUNT, 4) : 0;

    for (uint32_t at = BACK_AT; at < USED_END; at++) card->met = card->met || image[at] != 0xFF;
    if (recorded && told && taken == taking) card->back = record;
    card->last = larger(larger(card->base, newest), larger(taken, taking));
    if (card->met && !card->back)
        card->state = ICARD_STATE_UNSURE;
    else if (card->back && taken == card->last && taken)
        card->state = ICARD_STATE_TAKEN;
    else
        card->state = card->newest ? ICARD_STATE_PENDING : ICARD_STATE_NONE;
}

static bool untouched(uint8_t byte) { return byte == 0xFF || byte == 0x00; }

/* Whether there is nothing but FF and 00 behind the first page; the header's seal does not matter, it may be torn. */
static bool nothing_behind(const uint8_t *image)
{
    for (uint32_t at = PAGE; at < CARD_BYTES; at++)
        if (!untouched(image[at]) && at != HEADER.seal) return false;
    return true;
}

/* Whether nobody has used this card: all FF or 00, as it comes from its maker; mark bytes may be the mark's, or torn on
 * the way from FF to it. */
static bool is_unused(const uint8_t *image)
{
    for (uint32_t at = 0; at < PAGE; at++) {
        bool marked = at < MARK_BYTES && (image[at] & THE_MARK[at]) == THE_MARK[at];
        if (!untouched(image[at]) && !marked) return false;
    }
    return nothing_behind(image) && untouched(image[HEADER.seal]);
}

/* `card` points into `image` afterwards. */
static void understand(const uint8_t *image, Card *card)
{
    memset(card, 0, sizeof *card);
    Soundness header = soundness(image, HEADER);
    if (header == UNSEALED || nothing_behind(image)) return; /* blank */
    bool sound = header == SOUND && understand_header(data_of(image, HEADER), card);
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
static int check_value(const Request *request, uint32_t limit, const Card *card)
{
    uint32_t value = number(request, ICARD_DI_AMOUNT);
    int64_t remaining = card->back ? (int32_t)get_number(card->back + B_REMAINING, 4) : 0;
    return value == 0 || (limit && remaining + (int64_t)value > (int64_t)limit) ? ICARD_E_OVER_LIMIT : OK;
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
    static const uint8_t KINDS[] = {[ICARD_OPEN] = ICARD_KIND_OPEN, [ICARD_REISSUE] = ICARD_KIND_REISSUE,
                                    [ICARD_SET] = ICARD_KIND_SET, [ICARD_CHECK] = ICARD_KIND_CHECK};
    uint8_t command = request->command;
    uint32_t numbers = command == ICARD_CHECK ? 1 : command == ICARD_SET ? 2 : 3; /* a setting card has no customer */
    memset(header, 0, HEADER.size);
    header[H_KIND] = KINDS[command];
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
    return makes_customers(request) && carries_purchase(request) ? same_purchase(request, card) : card->newest == NULL;
}

static int check_make(const Request *request, const Card *card)
{
    bool buys = carries_purchase(request) && makes_customers(request);
    uint32_t count = number(request, ICARD_DI_COUNT);
    if (card->kind == ICARD_KIND_CHECK && request->command == ICARD_CHECK) {
        int code = check_whose(request, card);
        return code ? code : DONE;
    }
    if (card->kind) return made_already(request, card) ? DONE : ICARD_E_NOT_BLANK;
    if (buys && (request->command == ICARD_OPEN ? count != 1 : count == 0)) return ICARD_E_COUNT;
    if (request->foreign_setting && request->command != ICARD_CHECK) return ICARD_E_OVER_LIMIT;
    return buys ? check_value(request, number(request, ICARD_DI_HOARD_LIMIT), card) : OK;
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
    return check_value(request, card->settings_mask & 1 ? get_number(card->header + H_SETTINGS, 4) : 0, card);
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

/* ---- the chip: reading, writing ---------------------------------------------------------------------------------- */

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
    if (type != ICARD_TYPE_AT24C04) return ICARD_E_WRONG_TYPE;
    int code = read_chip(chip->icdev, chip->before);
    memcpy(chip->now, chip->before, CARD_BYTES);
    return code;
}

/* Writes up to the last byte that is not there yet (law 5); nothing more after a failure. */
static void put(Chip *chip, uint32_t at, const uint8_t *bytes, uint32_t size)
{
    while (size && chip->now[at + size - 1] == bytes[size - 1]) size--;
    if (!size || chip->failed) return;
    chip->failed = api.write(chip->icdev, 0, at, bytes, size) != (int32_t)size;
    memcpy(chip->now + at, bytes, size);
}

static void put_byte(Chip *chip, uint32_t at, uint8_t byte) { put(chip, at, &byte, 1); }

static void erase(Chip *chip, uint32_t from, uint32_t to)
{
    uint8_t blank[CARD_BYTES];
    memset(blank, 0xFF, sizeof blank);
    put(chip, from, blank, to - from);
}

/* Law 2. */
static void put_record(Chip *chip, Record record, const uint8_t *data)
{
    uint8_t frame[HEAD + CONTENT_MAX + TAIL] = {0x68, record.command, bcd(record.size)};
    uint8_t *tail = frame + HEAD + record.size;
    memcpy(frame + HEAD, data, record.size);
    tail[0] = sum_of(frame + 1, record.size + 2u);
    tail[1] = 0x16;
    put_byte(chip, record.seal, NO_SEAL);
    put(chip, record.at, frame, HEAD + record.size + TAIL);
    put_byte(chip, record.seal, SEAL);
}

static void put_purchase(Chip *chip, uint8_t slot, const Request *request)
{
    uint8_t data[CONTENT_MAX];
    put_number(data + S_COUNT, 4, number(request, ICARD_DI_COUNT));
    put_number(data + S_AMOUNT, 4, number(request, ICARD_DI_AMOUNT));
    put_number(data + S_ENERGY, 4, number(request, ICARD_DI_ENERGY));
    pack_digits(data + S_WHEN, TIME_DIGITS / 2, item(request, ICARD_DI_WHEN)->value, TIME_DIGITS);
    memcpy(data + S_SALE, item(request, ICARD_DI_SALE)->value, SALE_BYTES);
    put_record(chip, SLOTS[slot], data);
}

/* The mark first, so that a card torn from here on is ours and blank; then no seal, all that is behind the header, the
 * header. */
static void make(Chip *chip, const Request *request)
{
    uint8_t header[CONTENT_MAX];
    put(chip, 0, THE_MARK, MARK_BYTES);
    put_byte(chip, HEADER.seal, NO_SEAL);
    erase(chip, SLOTS[0].at, USED_END);
    if (makes_customers(request) && carries_purchase(request)) put_purchase(chip, 0, request);
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
        put_byte(chip, SLOTS[card->newest_slot].seal, NO_SEAL);
        break;
    case ICARD_CLEAR:
        put_byte(chip, HEADER.seal, NO_SEAL); /* blank from here on; the rest is tidying up */
        erase(chip, HEADER.at, USED_END);
        break;
    default:
        make(chip, request);
    }
}

/* Reads back and says what became of the card (contract section 4.8). */
static int settle(const Chip *chip)
{
    uint8_t after[CARD_BYTES];
    if (read_chip(chip->icdev, after) != OK) return ICARD_E_WRITE_INCOMPLETE;
    if (chip->failed)
        return memcmp(after, chip->before, CARD_BYTES) == 0 ? ICARD_E_WRITE_FAILED : ICARD_E_WRITE_INCOMPLETE;
    return memcmp(after, chip->now, CARD_BYTES) == 0 ? OK : ICARD_E_READ_BACK;
}

/* One command from card to card. `card` is what the answer tells of and points into `chip`. */
static int perform(const Request *request, Chip *chip, Card *card)
{
    int code = take_card(chip);
    if (code) return code;
    bool makes = makes_customers(request) || request->command == ICARD_SET || request->command == ICARD_CHECK;
    bool marked = memcmp(chip->before, THE_MARK, MARK_BYTES) == 0;
    if (!marked && !(makes && is_unused(chip->before))) return ICARD_E_NOT_MINE;
    understand(chip->before, card);
    if (card->damaged && !(request->command == ICARD_CLEAR && insists(request))) return ICARD_E_DAMAGED;
    code = check_request(request, card);
    if (code == DONE) return OK;
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
    say(answer, ICARD_DI_VENDOR_CODE, "0003", 4);
    say(answer, ICARD_DI_DRIVER_VERSION, "1.0", 3);
    say(answer, ICARD_DI_COMMANDS, COMMANDS, sizeof COMMANDS);
    say_number(answer, ICARD_DI_CARD_TYPES, 1, ICARD_TYPE_AT24C04);
    say_number(answer, ICARD_DI_UNIT, 1, ICARD_UNIT_MONEY);
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
        [ICARD_E_WRONG_TYPE] = "not an AT24C04",
        [ICARD_E_NOT_MINE] = "no HLD mark on the card",
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
    uint8_t *end = answer->frame + ICARD_HEAD_BYTES + answer->size;
    answer->frame[0] = ICARD_START;
    answer->frame[1] = command;
    put_number(answer->frame + 2, 2, answer->size);
    end[0] = sum_of(answer->frame + 1, answer->size + 3);
    end[1] = ICARD_END;
}

/* ---- the two exports --------------------------------------------------------------------------------------------- */

int32_t HLDIcardBind(const icdev_api *host)
{
    /* this driver uses the fields up to write; a host that is older than verify will do */
    if (!host || host->size < offsetof(icdev_api, verify)) return ICARD_INTERNAL;
    if (!host->card_type || !host->read || !host->write) return ICARD_INTERNAL;
    memcpy(&api, host, offsetof(icdev_api, verify));
    return 0;
}

/* The length of DATA, or -1 for a frame that gets no answer. */
static int32_t data_size(const uint8_t *frame)
{
    uint32_t size = get_number(frame + 2, 2);
    if (frame[0] != ICARD_START || frame[1] > ICARD_COMMAND_MAX || size > ICARD_DATA_MAX) return -1;
    const uint8_t *end = frame + ICARD_HEAD_BYTES + size;
    return end[0] == sum_of(frame + 1, size + 3) && end[1] == ICARD_END ? (int32_t)size : -1;
}

int32_t HLDIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    (void)password; /* there is no secret on an AT24C04 */
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
        if (code == OK) code = perform(&request, &chip, &card);
        if (code == OK)
            say_reading(&answer, &card);
        else
            say_error(&answer, code);
    }
    close_frame(&answer, request.command | (code == OK ? ICARD_SUCCESS : ICARD_ERROR));
    return ICARD_ANSWERED;
}
