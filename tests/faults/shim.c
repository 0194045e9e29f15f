// Preloaded, it counts the calls that change files below one folder and makes one of them fail.
//
// FAULTS_ROOT: the folder. FAULTS_STATE: a file of 16 bytes that all processes share: the number of
// calls so far, which call fails (0: none) and its errno. FAULTS_LOG: gets a line for each call.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct {
  atomic_uint calls;
  uint32_t failing;
  int32_t error;
  uint32_t logs;
} state_t;

static state_t *state;
static int log_fd = -1;
static const char *root;

__attribute__((constructor)) static void attach(void) {
  root = getenv("FAULTS_ROOT");
  const char *file = getenv("FAULTS_STATE");
  if (!root || !file) return;
  int fd = open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *shared = mmap(NULL, sizeof(state_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared == MAP_FAILED) return;
  state = shared;
  log_fd = open(getenv("FAULTS_LOG"), O_WRONLY | O_APPEND | O_CLOEXEC);
}

static int fails(const char *what, const char *path) {
  if (!state || strncmp(path, root, strlen(root)) != 0) return 0;
  uint32_t call = atomic_fetch_add(&state->calls, 1) + 1;
  if (state->logs) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%u\t%s\t%d\t%s\n", call, what, getpid(), path);
    syscall(SYS_write, log_fd, line, length);
  }
  if (call != state->failing) return 0;
  errno = state->error;
  return 1;
}

static int path_fails(const char *what, int folder, const char *path) {
  char full[PATH_MAX], link[64];
  if (!state) return 0;
  if (path[0] == '/') return fails(what, path);
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, full, sizeof full - 1);
  if (length < 0) return 0;
  snprintf(full + length, sizeof full - length, "/%s", path);
  return fails(what, full);
}

static int file_fails(const char *what, int fd) {
  char path[PATH_MAX], link[64];
  struct stat found;
  if (!state || fstat(fd, &found) != 0) return 0;
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(what, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to) {
  return path_fails("rename", AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
  return path_fails("rename", b, to) ? -1 : REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  return path_fails("rename", b, to) ? -1 : REAL(renameat2)(a, from, b, to, flags);
}
int mkdir(const char *path, mode_t mode) {
  return path_fails("mkdir", AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
  return path_fails("mkdir", folder, path) ? -1 : REAL(mkdirat)(folder, path, mode);
}
int fsync(int fd) { return file_fails("fsync", fd) ? -1 : REAL(fsync)(fd); }
ssize_t write(int fd, const void *data, size_t size) {
  return file_fails("write", fd) ? -1 : REAL(write)(fd, data, size);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return file_fails("write", fd) ? -1 : REAL(writev)(fd, parts, count);
}
// stdio writes past the symbol above, so its own calls are counted.
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
  return file_fails("write", fileno(file)) ? 0 : REAL(fwrite)(data, size, count, file);
}
int fclose(FILE *file) {
  int failed = file_fails("write", fileno(file)), error = errno;
  int result = REAL(fclose)(file);
  if (!failed) return result;
  errno = error;
  return EOF;
}
