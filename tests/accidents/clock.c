/* The kiosk's wrong clock, preloaded into the real process: CLOCK_REALTIME shows CLOCK_OFFSET's content in seconds more,
 * while that file is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    const char *name = getenv("CLOCK_OFFSET");
    FILE *file = clock == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    long long seconds = 0;
    if (!file) return result;
    if (fscanf(file, "%lld", &seconds) == 1) now->tv_sec += seconds;
    fclose(file);
    return result;
}
