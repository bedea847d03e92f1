/* Breaks into the disk from outside, preloaded into the real process, which knows nothing of it. Meant are the files whose
 * path has POWERCUT_FILE in it: the ledger's.
 *
 * The plug: while the file POWERCUT_PLUG holds "3 after", the third durable write (fsync, fdatasync) from now on is the last
 * thing this process does: it and its children are killed (SIGKILL) when the disk has it and nobody knows; with "before",
 * just before the disk is asked. "20 during" counts the writes below them: half of the twentieth is written, and no more.
 * The disk: while the file POWERCUT_FULL is there, nothing more can be written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char wanted[256], plug[1024], full[1024];

static void take(char *to, size_t size, const char *name)
{
    const char *value = getenv(name);
    snprintf(to, size, "%s", value ? value : "");
}

__attribute__((constructor)) static void arm(void)
{
    if (!strcmp(program_invocation_short_name, "setpriv")) return; /* it only makes way for the kiosk */
    take(wanted, sizeof wanted, "POWERCUT_FILE");
    take(plug, sizeof plug, "POWERCUT_PLUG");
    take(full, sizeof full, "POWERCUT_FULL");
    unsetenv("LD_PRELOAD"); /* the children live on their own plug */
}

static int is_wanted(int fd)
{
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !*wanted) return 0;
    path[length] = 0;
    return strstr(path, wanted) != NULL;
}

/* Counts one durable write down, or one write below it: 1 the plug is pulled before it, 2 after it, 3 in it, 0 not at all. */
static int count_down(int below)
{
    char when[16] = "";
    int left = 0;
    FILE *file = fopen(plug, "r+"); /* held open: a plug that is taken away meanwhile does not come back */
    if (!file) return 0;
    int found = fscanf(file, "%d %15s", &left, when);
    if (found == 2 && !strcmp(when, "during") != below) found = 0; /* the other sort is counted */
    if (found == 2 && left >= 1) {
        rewind(file);
        fprintf(file, "%-6d %-8s", left - 1, when); /* longer than what stood there */
    }
    fclose(file);
    if (found != 2 || left < 1) return 0;
    return left > 1 ? 0 : below ? 3 : strcmp(when, "before") ? 2 : 1;
}

static int synced(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int cut = *plug && is_wanted(fd) ? count_down(0) : 0;
    if (cut == 1) kill(0, SIGKILL);
    int result = real(fd);
    if (cut == 2) kill(0, SIGKILL);
    return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

typedef ssize_t writer(int, const void *, size_t, off64_t);

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    writer *real = (writer *)dlsym(RTLD_NEXT, "pwrite64");
    if (*full && access(full, F_OK) == 0 && is_wanted(fd)) return errno = ENOSPC, -1;
    if (*plug && access(plug, F_OK) == 0 && is_wanted(fd) && count_down(1)) {
        real(fd, bytes, count / 2, at);
        kill(0, SIGKILL);
    }
    return real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }
