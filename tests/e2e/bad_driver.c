/* A driver that describes itself well and then, asked to READ, does what BEHAVIOUR says: 1 crash, 2 hang, 3 nonsense. */
#include <stdlib.h>
#include <string.h>

#include "icard.h"

static const icdev_api *card;

ICARD_EXPORT int32_t BADIcardBind(const icdev_api *api) { return card = api, 0; }

static int32_t answer(uint8_t *out, uint8_t command, const uint8_t *data, uint32_t size)
{
    uint8_t sum = 0;
    out[0] = 0x68, out[1] = command, out[2] = (uint8_t)(size >> 8), out[3] = (uint8_t)size;
    memcpy(out + 4, data, size);
    for (uint32_t at = 1; at < size + 4; at++) sum = (uint8_t)(sum + out[at]);
    out[size + 4] = sum, out[size + 5] = 0x16;
    return 0;
}

ICARD_EXPORT int32_t BADIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    static const uint8_t about[] = {
        1, 1, 0, 4, '0', '0', 'B', CODE, 1, 2, 0, 1, '1', 1, 3, 0, 3, 0x10, 0x11, 0x13, 1, 4, 0, 1, 31, 1, 5, 0, 1, 1,
    };
    uint8_t byte;
    (void)password;
    if (sendstr[1] == 0x10) return answer(recvstr, 0x90, about, sizeof about);
    card->read(icdev, 0, 0, &byte, 1);
#if BEHAVIOUR == 1
    abort();
#elif BEHAVIOUR == 2
    for (volatile uint64_t n = 0;; n++) {}
#else
    return answer(recvstr, 0x91, (const uint8_t *)"\x02\x01\x00\x01\x02 and what else?", 20);
#endif
}
