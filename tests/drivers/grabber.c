/* A driver that tries everything, natively (GRC): each request names one attempt and its argument; the answer says what
 * it got ("got …"), or "nothing: errno". System calls are made by number, past the C library. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef struct icdev_api {
    uint32_t size;
    int32_t (*card_type)(int32_t icdev);
    int32_t (*atr)(int32_t icdev, uint8_t *out, uint32_t cap);
    int32_t (*read)(int32_t icdev, uint32_t zone, uint32_t addr, uint8_t *out, uint32_t len);
    int32_t (*write)(int32_t icdev, uint32_t zone, uint32_t addr, const uint8_t *data, uint32_t len);
    int32_t (*verify)(int32_t icdev, uint32_t which, const uint8_t *secret, uint32_t len);
} icdev_api;

static const icdev_api *api;
static int32_t handle;
static volatile int32_t kept = 99;
static char text[1600];

int32_t GRCIcardBind(const icdev_api *given)
{
    api = given;
    return 0;
}

static long opened(const char *path, int flags)
{
    struct { uint64_t flags, mode, resolve; } how = {(uint64_t)flags, 0, 0};
    char bytes[8];
    long number = syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
    if (number < 0)
        number = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (number < 0)
        return -1;
    return flags & O_WRONLY ? write((int)number, "grabbed", 7) : read((int)number, bytes, 8) >= 0 ? 1 : -1;
}

static long sent(int way, const char *path)
{
    struct sockaddr_un there = {AF_UNIX, {0}};
    int pair[2], number = way == 'p' ? -1 : socket(AF_UNIX, way == 's' ? SOCK_STREAM : SOCK_DGRAM, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    strncpy(there.sun_path, path, sizeof there.sun_path - 1);
    if (there.sun_path[0] == '@')
        there.sun_path[0] = 0;
    if (way == 'p') {
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
            return -1;
        number = pair[0];
    }
    if (way == 's')
        return connect(number, (struct sockaddr *)&there, size) ? -1 : 1;
    return sendto(number, "grabbed", 7, 0, (struct sockaddr *)&there, size);
}

static long connected(int type, int port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int number = socket(AF_INET, type, 0);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return number < 0 || connect(number, (struct sockaddr *)&there, sizeof there) ? -1 : 1 + send(number, "grabbed", 7, 0);
}

static long peeked(int pid)
{
    char room[16];
    struct iovec near = {room, 16}, far = {(void *)0x400000, 16};
    return syscall(SYS_process_vm_readv, pid, &near, 1, &far, 1, 0) == -1 && errno == EPERM ? -1 : 1;
}

static long cloned(void)
{
    struct clone_args how;
    long process = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    memset(&how, 0, sizeof how);
    how.exit_signal = SIGCHLD;
    if (process < 0)
        process = syscall(SYS_clone3, &how, sizeof how);
    if (process == 0)
        _exit(0);
    return process;
}

static void *idle(void *nothing) { return nothing; }

static long threaded(void)
{
    pthread_t thread;
    return (errno = pthread_create(&thread, NULL, idle, NULL)) ? -1 : 1;
}

static long became(const char *program)
{
    char *words[] = {"sh", "-c", "sleep 60", NULL}, *none[] = {NULL};
    syscall(SYS_execve, program, words, none);
    return syscall(SYS_execveat, AT_FDCWD, program, words, none, 0);
}

static long unlimited(void)
{
    struct rlimit much = {1ul << 40, 1ul << 40};
    if (setrlimit(RLIMIT_NPROC, &much) && setrlimit(RLIMIT_AS, &much) && setrlimit(RLIMIT_FSIZE, &much))
        return -1;
    return 1;
}

static long memory(void)
{
    long taken = 0;
    while (taken < 2000 && mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        taken++;
    return taken < 2000 ? -1 : taken;
}

static void later(int number)
{
    uint8_t bytes[4];
    (void)number;
    kept = api->read(handle, 0, 0, bytes, 4);
}

static long keep(int32_t icdev, int ms)
{
    struct itimerspec soon = {{0, 0}, {ms / 1000, ms % 1000 * 1000000L}};
    timer_t timer; /* alarm() and setitimer() end with the call */
    handle = icdev;
    signal(SIGALRM, later);
    return timer_create(CLOCK_REALTIME, NULL, &timer) || timer_settime(timer, 0, &soon, NULL) ? -1 : 1;
}

static long attempt(const char *what, const char *given, int32_t icdev)
{
    int number = atoi(given);
#define IS(name) (!strcmp(what, name))
    return IS("read") ? opened(given, O_RDONLY)
        : IS("write") ? opened(given, O_WRONLY | O_CREAT)
        : IS("change") ? (chmod(given, 0777) && truncate(given, 0) && unlink(given) ? -1 : 1)
        : IS("local") ? sent('s', given)
        : IS("datagram") ? sent('d', given)
        : IS("letter") ? sent('p', given)
        : IS("tcp") ? connected(SOCK_STREAM, number)
        : IS("udp") ? connected(SOCK_DGRAM, number)
        : IS("raw") ? socket(AF_PACKET, SOCK_RAW, 0)
        : IS("clone") ? cloned()
        : IS("thread") ? threaded()
        : IS("shell") ? became("/bin/sh")
        : IS("signalled") ? (kill(number, SIGWINCH) && syscall(SYS_tgkill, number, number, SIGWINCH) ? -1 : 1)
        : IS("handle") ? syscall(SYS_pidfd_open, number, 0)
        : IS("traced") ? ptrace(PTRACE_ATTACH, number, 0, 0) == 0 ? 1 : ptrace(PTRACE_SEIZE, number, 0, 0)
        : IS("peeked") ? peeked(number)
        : IS("limits") ? unlimited()
        : IS("user") ? (geteuid() != 0 && setresuid(0, 0, 0) == 0 ? 1 : -1)
        : IS("memory") ? memory()
        : IS("shared_memory") ? shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600)
        : IS("namespace") ? syscall(SYS_unshare, CLONE_NEWUSER)
        : IS("ring") ? syscall(SYS_io_uring_setup, 8, given)
        : IS("keep") ? keep(icdev, number)
        : 0;
}

int32_t GRCIcard(int32_t icdev, const uint8_t *sendstr, uint8_t *recvstr, const char *password)
{
    char asked[300], *given;
    size_t at, length = (size_t)sendstr[6] << 8 | sendstr[7];
    unsigned sum = 0;
    long result;
    memcpy(asked, sendstr + 8, length < 299 ? length : 299);
    asked[length < 299 ? length : 299] = 0;
    given = strchr(asked, ' ');
    given = given ? (*given = 0, given + 1) : asked + strlen(asked);
    errno = 0;
    if (!strcmp(asked, "hello"))
        sprintf(text, "%s %d", password, icdev ? api->card_type(icdev) : 0);
    else if (!strcmp(asked, "present"))
        sprintf(text, "%d", api->verify(icdev, 0, (const uint8_t *)password, (uint32_t)strlen(password)));
    else if (!strcmp(asked, "kept"))
        sprintf(text, kept < 0 ? "nothing: %d" : kept == 99 ? "nothing yet" : "got %d", kept);
    else {
        result = attempt(asked, given, icdev);
        sprintf(text, result < 0 ? "nothing: %ld" : "got %ld", result < 0 ? (long)errno : result);
    }
    length = strlen(text);
    memcpy(recvstr, "\x68\x00\x00\x00\x01\x02", 6);
    recvstr[1] = sendstr[1] | 0x80;
    recvstr[2] = (uint8_t)((length + 4) >> 8);
    recvstr[3] = (uint8_t)(length + 4);
    recvstr[6] = (uint8_t)(length >> 8);
    recvstr[7] = (uint8_t)length;
    memcpy(recvstr + 8, text, length);
    for (at = 1; at < length + 8; at++)
        sum += recvstr[at];
    recvstr[length + 8] = (uint8_t)sum;
    recvstr[length + 9] = 0x16;
    return 0;
}
