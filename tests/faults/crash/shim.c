/* Counts the calls that change files below one folder, over all threads, and at a chosen one ends the process or makes
   the call fail. Preloaded by server.py; does nothing until it is armed. Linux only. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, RENAME = 8, MKDIR = 16, UNLINK = 32, TRUNCATE = 64, LOCK = 128, CHMOD = 256 };
enum { WATCH, KILL, TEAR, FAIL, FAIL_ON, SHORT };
static const char *const NAMES[] = {"open", "write", "sync", "rename", "mkdir", "unlink", "truncate", "lock", "chmod"};

static char root[PATH_MAX];
static int armed, kinds, action, fault, trace = -1;
static long at, count;

void crash_arm(const char *folder, int of_kinds, long point, int act, int error, const char *trace_path)
{
    strncpy(root, folder, sizeof root - 1);
    kinds = of_kinds, at = point, action = act, fault = error, count = 0;
    trace = (int)syscall(SYS_openat, AT_FDCWD, trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    armed = 1;
}

static const char *full(int folder, const char *path, char *place)
{
    char link[64];
    ssize_t size;
    if (path && path[0] == '/')
        return path;
    if (folder == AT_FDCWD)
        strcpy(link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    size = syscall(SYS_readlinkat, AT_FDCWD, link, place, PATH_MAX - 1);
    if (size < 0)
        return "";
    place[size] = 0;
    if (path)
        snprintf(place + size, PATH_MAX - size, "/%s", path);
    return place;
}

static int is_below(const char *path)
{
    size_t size = strlen(root);
    return strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == 0);
}

/* Returns whether the chosen fault is due; a kill does not return, unless a write is to be torn first. */
static int due(int kind, const char *path)
{
    long number;
    if (!armed || !(kinds & kind) || !is_below(path))
        return 0;
    number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (at == 0 || number < at || (number > at && action != FAIL_ON))
        return 0;
    if (action == KILL || (action == TEAR && kind != WRITE))
        for (;;)
            syscall(SYS_kill, getpid(), SIGKILL);
    if (action == FAIL || action == FAIL_ON)
        errno = fault;
    return action != WATCH;
}

static long told(int kind, const char *path, const char *other, long result)
{
    char line[2 * PATH_MAX + 64];
    int size, bit = 0, saved = errno;
    if (armed && is_below(path)) {
        while (1 << bit != kind)
            bit++;
        size = snprintf(line, sizeof line, "%s\t%ld\t%s\t%s\n", NAMES[bit], result, path, other);
        syscall(SYS_write, trace, line, (size_t)size);
    }
    errno = saved;
    return result;
}

#define PLACES char place[PATH_MAX], place2[PATH_MAX]; (void)place, (void)place2

static int opened(int folder, const char *path, int flags, mode_t mode)
{
    PLACES;
    int writes = armed && (flags & O_ACCMODE || flags & (O_CREAT | O_TRUNC));
    const char *name = writes ? full(folder, path, place) : "";
    if (writes && due(OPEN, name))
        return (int)told(OPEN, name, "", -1);
    long fd = syscall(SYS_openat, folder, path, flags, mode);
    return (int)(writes ? told(OPEN, name, "", fd) : fd);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }

ssize_t write(int fd, const void *data, size_t size)
{
    PLACES;
    const char *name = armed ? full(fd, NULL, place) : "";
    if (armed && due(WRITE, name)) {
        if (action == FAIL || action == FAIL_ON)
            return told(WRITE, name, "", -1);
        size = size > 1 ? size / 2 : size;
        if (action == TEAR) {
            syscall(SYS_write, fd, data, size);
            for (;;)
                syscall(SYS_kill, getpid(), SIGKILL);
        }
    }
    return told(WRITE, name, "", syscall(SYS_write, fd, data, size));
}

#define ON_FD(kind, fd, call) \
    PLACES; \
    const char *name = armed ? full(fd, NULL, place) : ""; \
    if (armed && due(kind, name)) \
        return (int)told(kind, name, "", -1); \
    return (int)told(kind, name, "", call);

/* Python writes through write() alone; anything that comes through these is seen, and whole or not at all. */
ssize_t writev(int fd, const struct iovec *parts, int n) { ON_FD(WRITE, fd, syscall(SYS_writev, fd, parts, n)) }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    ON_FD(WRITE, fd, syscall(SYS_pwrite64, fd, data, size, offset))
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }
int fsync(int fd) { ON_FD(SYNC, fd, syscall(SYS_fsync, fd)) }
int fdatasync(int fd) { ON_FD(SYNC, fd, syscall(SYS_fdatasync, fd)) }
int ftruncate(int fd, off_t size) { ON_FD(TRUNCATE, fd, syscall(SYS_ftruncate, fd, size)) }
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
int flock(int fd, int how) { ON_FD(LOCK, fd, syscall(SYS_flock, fd, how)) }
int fchmod(int fd, mode_t mode) { ON_FD(CHMOD, fd, syscall(SYS_fchmod, fd, mode)) }

#define ON_PATH(kind, folder, path, call) \
    PLACES; \
    const char *name = armed ? full(folder, path, place) : ""; \
    if (armed && due(kind, name)) \
        return (int)told(kind, name, "", -1); \
    return (int)told(kind, name, "", call);

int mkdirat(int folder, const char *path, mode_t mode)
{
    ON_PATH(MKDIR, folder, path, syscall(SYS_mkdirat, folder, path, mode))
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int unlinkat(int folder, const char *path, int flags)
{
    ON_PATH(UNLINK, folder, path, syscall(SYS_unlinkat, folder, path, flags))
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int fchmodat(int folder, const char *path, mode_t mode, int flags)
{
    ON_PATH(CHMOD, folder, path, syscall(SYS_fchmodat, folder, path, mode, flags))
}
int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

static int renamed(int from, const char *old, int to, const char *new, unsigned flags)
{
    PLACES;
    const char *name = armed ? full(to, new, place) : "", *before = armed ? full(from, old, place2) : "";
    if (armed && due(RENAME, name))
        return (int)told(RENAME, name, before, -1);
    return (int)told(RENAME, name, before, syscall(SYS_renameat2, from, old, to, new, flags));
}
int renameat(int from, const char *old, int to, const char *new) { return renamed(from, old, to, new, 0); }
int rename(const char *old, const char *new) { return renamed(AT_FDCWD, old, AT_FDCWD, new, 0); }
