/* icard.h - the uniform driver call, for vendors who write their driver in C (C11; any compiler, no other header of ours).
 *
 * A driver is one shared library per vendor. For a vendor with the abbreviation ABC it exports
 *
 *     int32_t ABCIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password);
 *     int32_t ABCIcardBind(const icdev_api *api);
 *
 * with ICARD_EXPORT in front of each, so that -fvisibility=hidden may hide all the rest, and loads nothing but the C library.
 * This header restates contract 1 (the uniform driver call) for the compiler; where the two differ, the contract holds. The
 * codes are the kiosk project's own. The sample in C (python -m kiosk driver new --c) is a complete driver to copy from.
 *
 * The frame, in both directions:
 *
 *     68 | C (1) | L (2, high first) | DATA (L, 0 .. 2048) | CS (1) | 16
 *
 * CS is the sum mod 256 of all bytes from C to the last DATA byte. DATA is a run of items DI (2) N (2) value (N), numbers
 * binary and high byte first, digit strings ASCII, texts UTF-8, times 14 ASCII digits YYYYMMDDhhmmss.
 */
#ifndef ICARD_H
#define ICARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ICARD_EXPORT __attribute__((visibility("default")))
#else
#define ICARD_EXPORT
#endif

/* ---- the frame ------------------------------------------------------------------------------------------------------- */

enum {
    ICARD_START = 0x68,
    ICARD_END = 0x16,
    ICARD_HEAD_BYTES = 4,      /* 68 C L L */
    ICARD_TAIL_BYTES = 2,      /* CS 16 */
    ICARD_DATA_MAX = 2048,
    ICARD_SEND_BYTES = 2054,   /* sendstr is readable for so many bytes, whatever L says */
    ICARD_RECV_BYTES = 4096,   /* recvstr has room for so many */
    ICARD_COMMAND_MAX = 0x3F,  /* a C above it is a fault of the frame */
    ICARD_SUCCESS = 0x80,      /* the answer's C is the request's, with one of these */
    ICARD_ERROR = 0xC0
};

/* What ABCIcard returns: 0 when recvstr holds one answer frame, be it an error answer; else recvstr is undefined. */
enum { ICARD_ANSWERED = 0, ICARD_BAD_ICDEV = -1, ICARD_BAD_FRAME = -2, ICARD_INTERNAL = -3 };

/* ---- commands (contract section 2) ----------------------------------------------------------------------------------- */

enum {
    ICARD_DESCRIBE = 0x10,  /* who the driver is; touches no card */
    ICARD_READ = 0x11,      /* everything the card says; changes nothing */
    ICARD_OPEN = 0x12,      /* a blank card becomes an opening card */
    ICARD_PURCHASE = 0x13,  /* write one purchase */
    ICARD_REISSUE = 0x14,   /* a blank card replaces a lost one */
    ICARD_CLEAR = 0x15,     /* make the card blank */
    ICARD_SET = 0x16,       /* a blank card becomes a setting card */
    ICARD_CHECK = 0x17,     /* a blank card becomes a check card; a check card is read */
    ICARD_REVERSE = 0x18    /* take back a purchase the meter has not taken */
};

/* ---- items (contract section 3): DI, and the value's width in bytes ---------------------------------------------------- */

enum {
    ICARD_DI_VENDOR_CODE = 0x0101,     /* 4 ASCII hex digits */
    ICARD_DI_DRIVER_VERSION = 0x0102,  /* text */
    ICARD_DI_COMMANDS = 0x0103,        /* n x 1 */
    ICARD_DI_CARD_TYPES = 0x0104,      /* n x 1, codes below */
    ICARD_DI_UNIT = 0x0105,            /* 1: what the card counts */
    ICARD_DI_ABILITIES = 0x0106,       /* 1: bit 0 = may add a purchase to one the meter has not taken yet */

    ICARD_DI_KIND = 0x0201,            /* 1: card kind, codes below */
    ICARD_DI_REGION = 0x0202,          /* 1-8 digits */
    ICARD_DI_CUSTOMER = 0x0203,        /* 1-20 digits */
    ICARD_DI_METER = 0x0204,           /* 1-20 digits */
    ICARD_DI_SERIAL = 0x0205,          /* bytes */
    ICARD_DI_COUNT = 0x0206,           /* 4: purchase count */
    ICARD_DI_AMOUNT = 0x0207,          /* 4: fen */
    ICARD_DI_ENERGY = 0x0208,          /* 4: 0.01 kWh */
    ICARD_DI_STATE = 0x0209,           /* 1: state of the last purchase, codes below */
    ICARD_DI_PENDING_AMOUNT = 0x020A,  /* 4 */
    ICARD_DI_PENDING_ENERGY = 0x020B,  /* 4 */

    ICARD_DI_REMAINING = 0x0301,           /* 4, signed, in the unit */
    ICARD_DI_METER_COUNT = 0x0302,         /* 4 */
    ICARD_DI_TOTAL_BOUGHT = 0x0303,        /* 8, in the unit */
    ICARD_DI_OVERDRAFT = 0x0304,           /* 4, in the unit */
    ICARD_DI_ILLEGAL_INSERTIONS = 0x0305,  /* 4 */
    ICARD_DI_WRITTEN_BACK_AT = 0x0306,     /* time */
    ICARD_DI_METER_STATUS = 0x0307,        /* 4 */

    ICARD_DI_HOARD_LIMIT = 0x0401,      /* 4, in the unit; 0 = none */
    ICARD_DI_ALARM_1 = 0x0402,          /* 4, in the unit */
    ICARD_DI_ALARM_2 = 0x0403,          /* 4, in the unit */
    ICARD_DI_OVERDRAFT_LIMIT = 0x0404,  /* 4, in the unit */
    ICARD_DI_CT_RATIO = 0x0405,         /* 4 */
    ICARD_DI_PT_RATIO = 0x0406,         /* 4 */
    ICARD_DI_TARIFF = 0x0410,           /* n x 8: period 1, step 1, zero 2, price 4 (0.0001 yuan per kWh) */
    ICARD_DI_LADDER = 0x0411,           /* n x 4: upper bounds, 0.01 kWh, ascending */
    ICARD_DI_TARIFF_FROM = 0x0412,      /* time */

    ICARD_DI_WHEN = 0x0501,      /* time */
    ICARD_DI_TERMINAL = 0x0502,  /* text */
    ICARD_DI_OPERATOR = 0x0503,  /* text */
    ICARD_DI_SALE = 0x0504,      /* 16 */
    ICARD_DI_INSIST = 0x0505,    /* 1: 1 = the operator insists (CLEAR only) */
    ICARD_DI_TOKEN = 0x0507,     /* digits */

    ICARD_DI_ERROR_CODE = 0xFF01,  /* 1, codes below */
    ICARD_DI_ERROR_TEXT = 0xFF02,  /* text, English, for the log */
    ICARD_DI_CARD_AFTER = 0xFF03   /* 1: the card after an error, codes below */
};

enum { ICARD_UNIT_MONEY = 1, ICARD_UNIT_ENERGY = 2 }; /* fen; 0.01 kWh */

enum {
    ICARD_KIND_BLANK = 0,
    ICARD_KIND_OPEN = 1,      /* stays until the meter's first write-back, then 2 */
    ICARD_KIND_PURCHASE = 2,
    ICARD_KIND_REISSUE = 3,   /* stays until the meter's first write-back, then 2 */
    ICARD_KIND_SET = 5,
    ICARD_KIND_CHECK = 6
};

enum {
    ICARD_STATE_NONE = 0,
    ICARD_STATE_PENDING = 1,  /* the meter has not taken the last purchase */
    ICARD_STATE_TAKEN = 2,
    ICARD_STATE_UNSURE = 3    /* the write-back is damaged: it cannot be told */
};

enum { ICARD_CARD_UNCHANGED = 0, ICARD_CARD_UNKNOWN = 2 };

enum {
    ICARD_E_ITEMS = 0x01,
    ICARD_E_NOT_SUPPORTED = 0x02,
    ICARD_E_NO_CARD = 0x03,           /* no card, or card removed */
    ICARD_E_WRONG_TYPE = 0x04,        /* another chip family */
    ICARD_E_NOT_MINE = 0x05,          /* not this vendor's card */
    ICARD_E_SECRET = 0x06,            /* secret refused or malformed */
    ICARD_E_LOCKED = 0x07,            /* card locked, or one try left and not risked */
    ICARD_E_OTHER_REGION = 0x08,
    ICARD_E_OTHER_CUSTOMER = 0x09,    /* or another meter */
    ICARD_E_NOT_OPENED = 0x0A,
    ICARD_E_NOT_BLANK = 0x0B,
    ICARD_E_NOT_TAKEN = 0x0C,         /* the meter has not taken the last purchase yet */
    ICARD_E_COUNT = 0x0D,             /* count mismatch */
    ICARD_E_OVER_LIMIT = 0x0E,        /* over a limit, or more than this card can hold */
    ICARD_E_READ_FAILED = 0x0F,
    ICARD_E_WRITE_FAILED = 0x10,      /* card unchanged */
    ICARD_E_WRITE_INCOMPLETE = 0x11,  /* card unknown */
    ICARD_E_READ_BACK = 0x12,         /* read-back differs */
    ICARD_E_DAMAGED = 0x13,           /* card content damaged */
    ICARD_E_NO_KEY_CARD = 0x14,       /* needs a key card or HSM that is not here */
    ICARD_E_INTERNAL = 0x15,
    ICARD_E_MISSING = 0x16,           /* item missing */
    ICARD_E_TAKEN = 0x17              /* the meter has taken it already */
};

/* ---- card types (contract section 7) ---------------------------------------------------------------------------------- */

enum {
    ICARD_TYPE_NONE = 0,
    ICARD_TYPE_AT24C01 = 1,
    ICARD_TYPE_AT24C02 = 2,
    ICARD_TYPE_AT24C04 = 3,
    ICARD_TYPE_AT24C08 = 4,
    ICARD_TYPE_AT24C16 = 5,
    ICARD_TYPE_SLE4442 = 21,
    ICARD_TYPE_SLE4428 = 31,
    ICARD_TYPE_AT88SC102 = 51,
    ICARD_TYPE_AT88SC1604 = 52,
    ICARD_TYPE_AT88SC153 = 53,
    ICARD_TYPE_AT88SC1608 = 54,
    ICARD_TYPE_CPU = 60,      /* ISO 7816-4 */
    ICARD_TYPE_MIFARE1K = 70  /* MIFARE Classic 1K */
};

/* ---- the card (contract section 6) ------------------------------------------------------------------------------------ */

/* What a call of the table returns instead of bytes or a value. */
enum { ICDEV_NO_CARD = -1, ICDEV_IO = -2, ICDEV_DENIED = -3, ICDEV_BAD_ARGUMENT = -4, ICDEV_LOCKED = -5 };

/* How the library reaches the card. `icdev` is what ABCIcard was given, an opaque handle.
 *
 * `zone` is 0 for main memory, 1 for the protection bits of SLE44xx, the zone's number on AT88SC, the sector on MIFARE.
 * `which` is 0 for the card's security code; AT88SC1604 1-4; AT88SC153/1608 the password's index; MIFARE 2 x sector + (0 key
 * A, 1 key B). CPU cards take secrets as APDUs: there `verify` and `tries_left` give -4. */
typedef struct icdev_api {
    uint32_t size; /* sizeof(icdev_api) of the host: use only fields within it */

    /* ICARD_TYPE_..., 0 = no card */
    int32_t (*card_type)(int32_t icdev);

    /* the answer to reset; its length */
    int32_t (*atr)(int32_t icdev, uint8_t *out, uint32_t cap);

    /* exactly `len` bytes; `len`, or an error */
    int32_t (*read)(int32_t icdev, uint32_t zone, uint32_t addr, uint8_t *out, uint32_t len);

    /* `len`; after any other result any prefix may be written (-3 and -4: nothing). Families drop locked bytes silently:
     * read back */
    int32_t (*write)(int32_t icdev, uint32_t zone, uint32_t addr, const uint8_t *data, uint32_t len);

    /* presents a secret, doing the whole counter procedure; 0, or -3 wrong (a try is burnt), -5 locked */
    int32_t (*verify)(int32_t icdev, uint32_t which, const uint8_t *secret, uint32_t len);

    /* tries left for a secret; changes nothing */
    int32_t (*tries_left)(int32_t icdev, uint32_t which);

    /* a short APDU; the answer has SW1 SW2 at its end, 61xx and 6Cxx are followed already; its length */
    int32_t (*transmit)(int32_t icdev, const uint8_t *apdu, uint32_t len, uint8_t *out, uint32_t cap);
} icdev_api;

/* The types of the two exports. Bind is called once after loading: 0, or < 0 = the library refuses to work. DESCRIBE may be
 * called before it. A library without Bind is of the old kind, which talks to the reader itself: `icdev` is then the file
 * descriptor of the reader's open serial port. */
typedef int32_t icard_call(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password);
typedef int32_t icard_bind(const icdev_api *api);

#ifdef __cplusplus
}
#endif

#endif
