/*
 * Stands in for /dev/dma_heap and /dev/udmabuf, which the kernel of a workstation often lacks: picamera2 and libcamera ask
 * them for memory that is known by a file descriptor, and so is a memfd. To be preloaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const devices[] = {"/dev/dma_heap/linux,cma", "/dev/udmabuf"};

static const char *really(const char *path) {
  for (unsigned number = 0; number < sizeof devices / sizeof *devices; ++number)
    if (path && !strcmp(path, devices[number])) return "/dev/null";
  return path;
}

#define OPEN(name)                                            \
  int name(const char *path, int flags, ...) {                \
    static int (*next)(const char *, int, ...);               \
    if (!next) next = dlsym(RTLD_NEXT, #name);                \
    va_list rest;                                             \
    va_start(rest, flags);                                    \
    int mode = va_arg(rest, int);                             \
    va_end(rest);                                             \
    return next(really(path), flags, mode);                   \
  }
OPEN(open)
OPEN(open64)

int ioctl(int file, unsigned long request, ...) {
  static int (*next)(int, unsigned long, ...);
  if (!next) next = dlsym(RTLD_NEXT, "ioctl");
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (request == UDMABUF_CREATE) return dup(((struct udmabuf_create *)argument)->memfd);
  if (request == DMA_HEAP_IOCTL_ALLOC) {
    struct dma_heap_allocation_data *wanted = argument;
    int memory = memfd_create("dma-heap", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, wanted->len)) return -1;
    wanted->fd = memory;
    return 0;
  }
  /* Memory of the processor's own needs no synchronization, and no name. */
  if (_IOC_TYPE(request) == DMA_BUF_BASE) return 0;
  return next(file, request, argument);
}
