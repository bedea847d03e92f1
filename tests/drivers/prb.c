/* A native driver that does what its password says. Written from contract 1 alone: nothing of the project is included.
 * NO_BIND: a library of the old kind. REFUSE: Bind returns that. AT_LOAD: what its constructor does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

typedef struct icdev_api {
    uint32_t size;
    int32_t (*card_type)(int32_t icdev);
    int32_t (*atr)(int32_t icdev, uint8_t *out, uint32_t cap);
    int32_t (*read)(int32_t icdev, uint32_t zone, uint32_t addr, uint8_t *out, uint32_t len);
    int32_t (*write)(int32_t icdev, uint32_t zone, uint32_t addr, const uint8_t *data, uint32_t len);
    int32_t (*verify)(int32_t icdev, uint32_t which, const uint8_t *secret, uint32_t len);
    int32_t (*tries_left)(int32_t icdev, uint32_t which);
    int32_t (*transmit)(int32_t icdev, const uint8_t *apdu, uint32_t len, uint8_t *out, uint32_t cap);
} icdev_api;

static const icdev_api *api;
static int binds, calls, result;
static int32_t type_at_bind = 99;
static char text[2000];
static uint8_t bytes[8192];

#ifdef AT_LOAD
__attribute__((constructor)) static void at_load(void) { AT_LOAD; }
#endif

#ifndef NO_BIND
int32_t PRBIcardBind(const icdev_api *given)
{
    api = given;
    binds++;
    type_at_bind = api->card_type(1);
#ifdef REFUSE
    return REFUSE;
#else
    return 0;
#endif
}
#endif

static void frame(uint8_t *out, uint8_t command, const char *words)
{
    size_t at, length = strlen(words);
    unsigned sum = 0;
    out[0] = 0x68;
    out[1] = command;
    out[2] = (uint8_t)((length + 4) >> 8);
    out[3] = (uint8_t)(length + 4);
    out[4] = 0x01;
    out[5] = 0x02;
    out[6] = (uint8_t)(length >> 8);
    out[7] = (uint8_t)length;
    memcpy(out + 8, words, length);
    for (at = 1; at < length + 8; at++)
        sum += out[at];
    out[length + 8] = (uint8_t)sum;
    out[length + 9] = 0x16;
}

static void tell_bytes(int32_t number)
{
    int at, wrote = sprintf(text, "%d", number);
    for (at = 0; at < number && at < 900; at++)
        wrote += sprintf(text + wrote, "%s%02x", at ? "" : " ", bytes[at]);
}

static void tell(long value) { sprintf(text, "%ld %d", value, value < 0 ? errno : 0); }

/* what the process may not do: each tells the result and errno */
static int forbidden(const char *what)
{
    char path[64];
    void *room;
    if (!strcmp(what, "fork"))
        tell(fork());
    else if (!strcmp(what, "exec"))
        tell(execl("/bin/true", "true", (char *)0));
    else if (!strcmp(what, "socket"))
        tell(socket(AF_INET, SOCK_STREAM, 0));
    else if (!strcmp(what, "passwd"))
        tell(open("/etc/passwd", O_RDONLY));
    else if (!strcmp(what, "parent")) {
        sprintf(path, "/proc/%d/environ", (int)getppid());
        tell(open(path, O_RDONLY));
    } else if (!strcmp(what, "file"))
        tell(open("/tmp/prb-was-here", O_CREAT | O_WRONLY, 0600));
    else if (!strcmp(what, "kill"))
        tell(kill(getppid(), SIGTERM));
    else if (!strcmp(what, "gigabyte")) {
        room = malloc((size_t)1 << 30);
        if (room)
            memset(room, 1, (size_t)1 << 30);
        tell(room ? 0 : -1);
    } else
        return 0;
    return 1;
}

/* the table of callbacks */
static int with_card(const char *what, int32_t icdev)
{
    uint8_t secret[3] = {0xff, 0xff, 0xff};
    if (!strcmp(what, "size"))
        sprintf(text, "%u %zu %zu", api->size, sizeof(icdev_api), offsetof(icdev_api, transmit));
    else if (!strcmp(what, "type"))
        sprintf(text, "%d", api->card_type(icdev));
    else if (!strcmp(what, "atr"))
        tell_bytes(api->atr(icdev, bytes, 33));
    else if (!strcmp(what, "atr-short"))
        tell_bytes(api->atr(icdev, bytes, 3));
    else if (!strcmp(what, "read"))
        tell_bytes(api->read(icdev, 0, 32, bytes, 4));
    else if (!strcmp(what, "read-zone"))
        tell_bytes(api->read(icdev, 0x80000000u, 0, bytes, 4));
    else if (!strcmp(what, "read-null"))
        tell_bytes(api->read(icdev, 0, 32, NULL, 4));
    else if (!strcmp(what, "read-much"))
        tell_bytes(api->read(icdev, 0, 0, bytes, 5000));
    else if (!strcmp(what, "read-huge"))
        tell_bytes(api->read(icdev, 0, 0, bytes, 0xffffffffu));
    else if (!strcmp(what, "read-other"))
        tell_bytes(api->read(icdev + 1, 0, 32, bytes, 4));
    else if (!strcmp(what, "write"))
        tell_bytes(-1000 + api->write(icdev, 0, 40, (const uint8_t *)"abc", 3));
    else if (!strcmp(what, "write-null"))
        tell_bytes(api->write(icdev, 0, 40, NULL, 3));
    else if (!strcmp(what, "write-huge"))
        tell_bytes(api->write(icdev, 0, 40, bytes, 0xffffffffu));
    else if (!strcmp(what, "verify"))
        tell_bytes(api->verify(icdev, 0, secret, 3));
    else if (!strcmp(what, "verify-wrong"))
        tell_bytes(api->verify(icdev, 0, secret, 2));
    else if (!strcmp(what, "tries"))
        sprintf(text, "%d", api->tries_left(icdev, 0));
    else if (!strcmp(what, "transmit"))
        tell_bytes(api->transmit(icdev, (const uint8_t *)"\x00\xa4\x00\x00", 4, bytes, 258));
    else if (!strcmp(what, "transmit-short"))
        tell_bytes(api->transmit(icdev, (const uint8_t *)"\x00\xa4\x00\x00", 4, bytes, 5));
    else if (!strcmp(what, "write-and-crash")) {
        api->write(icdev, 0, 40, (const uint8_t *)"abc", 3);
        *(volatile int *)8 = 1;
    } else if (!strcmp(what, "read-for-ever"))
        for (;;)
            api->read(icdev, 0, 0, bytes, 1);
    else
        return 0;
    return 1;
}

/* ways to end, or to answer nonsense; the return value of the call is `result` */
static int rude(const char *what, uint8_t *out)
{
    if (!strcmp(what, "crash"))
        *(volatile int *)8 = 1;
    else if (!strcmp(what, "abort"))
        abort();
    else if (!strcmp(what, "exit"))
        exit(3);
    else if (!strcmp(what, "hang"))
        for (;;)
            pause();
    else if (!strcmp(what, "spin"))
        for (;;)
            calls++;
    else if (!strcmp(what, "behind"))
        ((volatile uint8_t *)out)[4096] = 0;
    else if (!strcmp(what, "to-the-brim"))
        memset(out, 0x5a, 4096);
    else if (!strcmp(what, "nothing"))
        result = 0;
    else if (!strcmp(what, "positive"))
        result = 1;
    else if (!strcmp(what, "minus"))
        result = -2;
    else if (!strcmp(what, "long")) {
        memset(out, 0, 4096);
        memcpy(out, "\x68\x90\x08\x01", 4);
    } else
        return 0;
    return 1;
}

int32_t PRBIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    int at, sum = 0;
    char **each;
    calls++;
    result = 0;
    text[0] = 0;
    if (rude(password, recvstr)) {
        if (result)
            frame(recvstr, sendstr[1] | 0x80, "not to be looked at");
        return result;
    }
    if (forbidden(password))
        ;
    else if (api && with_card(password, icdev))
        ;
    else if (!strcmp(password, "handle"))
        sprintf(text, "%d", icdev);
    else if (!strcmp(password, "binds"))
        sprintf(text, "%d %d %d", binds, type_at_bind, calls);
    else if (!strcmp(password, "stdout")) {
        printf("printed\n");
        fflush(stdout);
        sprintf(text, "%d", (int)write(2, "to stderr\n", 10));
    } else if (!strcmp(password, "environment"))
        for (each = environ; each && *each; each++)
            strcat(strcat(text, *each), " ");
    else if (!strcmp(password, "send")) {
        for (at = 0; at < 2054; at++)
            sum += sendstr[at];
        sprintf(text, "%d", sum);
    } else if (!strcmp(password, "serial"))
        sprintf(text, "%d", (int)write(icdev, "to the reader", 13));
    else
        sprintf(text, "%zu %.900s", strlen(password), password);
    frame(recvstr, sendstr[1] | 0x80, text);
    return 0;
}
