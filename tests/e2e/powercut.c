/* Pulls the plug at the disk: the process that this is preloaded into is killed (SIGKILL, and its children with it) when it
 * syncs a file for the POWERCUT_AT-th time; before the sync (POWERCUT_WHEN=before) or when it is done, before the caller
 * knows. And fills the disk: while the file POWERCUT_FULL names is there, nothing more can be written. Counted and filled are the ledger's files only (POWERCUT_FILE: part of the path). The program under test knows nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int left = -1;
static int before;
static char wanted[256], full[1024];

__attribute__((constructor)) static void arm(void)
{
    if (!strcmp(program_invocation_short_name, "setpriv")) return; /* it only makes way for the kiosk */
    const char *at = getenv("POWERCUT_AT"), *when = getenv("POWERCUT_WHEN"), *file = getenv("POWERCUT_FILE");
    if (at) left = atoi(at);
    before = when && !strcmp(when, "before");
    snprintf(wanted, sizeof wanted, "%s", file ? file : "");
    snprintf(full, sizeof full, "%s", getenv("POWERCUT_FULL") ? getenv("POWERCUT_FULL") : "");
    unsetenv("LD_PRELOAD"); /* the children live on their own plug */
    unsetenv("POWERCUT_AT");
}

static int is_wanted(int fd)
{
    char link[64], path[1024];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, wanted) != NULL;
}

static int synced(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int cut = left > 0 && is_wanted(fd) && --left == 0;
    if (cut && before) kill(0, SIGKILL);
    int result = real(fd);
    if (cut) kill(0, SIGKILL);
    return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static int is_full(int fd) { return *full && access(full, F_OK) == 0 && is_wanted(fd); }

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (is_full(fd)) return errno = ENOSPC, -1;
    return real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }
