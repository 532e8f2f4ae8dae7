#include "io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "core/tensor_impl.h"

namespace dlcore {
namespace {

constexpr int64_t kMapFrom = int64_t{16} << 20;  // bytes; smaller files are copied (in Python: _safetensors.MAP_FROM)

// A file descriptor that is closed when it goes out of scope.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30));
    if (n < 0 && errno == EINTR) continue;
    DLCORE_CHECK(n > 0, RuntimeError, "cannot write ", path, ": ", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// The first `size` bytes of a file.
void read_all(int fd, char* bytes, int64_t size) {
  for (int64_t at = 0; at < size;) {
    const ssize_t n = ::pread(fd, bytes + at, static_cast<size_t>(std::min<int64_t>(size - at, 1 << 30)), at);
    if (n < 0 && errno == EINTR) continue;
    DLCORE_CHECK(n >= 0, RuntimeError, "cannot read the file: ", std::strerror(errno));
    DLCORE_CHECK(n > 0, ValueError, "it ends after ", at, " of its ", size, " bytes");
    at += n;
  }
}

// The file that a path leads to, through symbolic links.
std::string resolved(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? real.get() : path;
}

}  // namespace

FileMemory::FileMemory(const std::string& path, std::optional<bool> mapped) {
  const Descriptor fd(path, O_RDONLY | O_NONBLOCK);  // opening a pipe must not wait for a writer
  DLCORE_CHECK(fd >= 0, RuntimeError, "cannot open ", path, ": ", std::strerror(errno));
  open(fd, mapped);
}

FileMemory::FileMemory(int descriptor, std::optional<bool> mapped) { open(descriptor, mapped); }

void FileMemory::open(int fd, std::optional<bool> mapped) {
  struct stat info;
  DLCORE_CHECK(::fstat(fd, &info) == 0, RuntimeError, "cannot read the file: ", std::strerror(errno));
  DLCORE_CHECK(S_ISREG(info.st_mode), RuntimeError, "cannot map what is not a regular file");
  if (info.st_size == 0) return;
  const bool map = mapped.value_or(info.st_size >= kMapFrom);
  void* p = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | (map ? MAP_NORESERVE : MAP_ANONYMOUS), map ? fd : -1, 0);
  DLCORE_CHECK(p != MAP_FAILED, RuntimeError, "cannot map the file into memory: ", std::strerror(errno));
  data_ = static_cast<char*>(p);
  size_ = info.st_size;
  if (map) return;
  try {
    read_all(fd, data_, size_);
  } catch (...) {
    ::munmap(p, static_cast<size_t>(size_));
    throw;
  }
}

FileMemory::~FileMemory() {
  if (data_) ::munmap(data_, static_cast<size_t>(size_));
}

Tensor tensor_in_file(std::shared_ptr<FileMemory> file, int64_t offset, IntSpan sizes, DType dtype) {
  const int64_t numel = checked_numel("load", sizes), bytes = numel * item_size(dtype);
  DLCORE_CHECK(offset >= 0 && offset <= file->size() && bytes <= file->size() - offset, ValueError,
               "the tensor does not lie inside the file");
  char* data = file->data() + offset;
  if (bytes == 0 || reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(item_size(dtype)) != 0) {
    Tensor copy = new_tensor(sizes, dtype);
    if (bytes > 0) std::memcpy(copy.raw_data(), data, static_cast<size_t>(bytes));
    return copy;
  }
  auto storage = Ref<Storage>::adopt(new Storage);
  storage->data = data;
  storage->bytes = bytes;
  storage->release = [file = std::move(file)] {};  // its own end frees the file
  Tensor t = new_tensor({0}, dtype);
  TensorImpl& impl = *t.impl();
  impl.storage = std::move(storage);
  impl.sizes = Dims(sizes);
  impl.strides = contiguous_strides(sizes);
  refresh_geometry(impl);
  return t;
}

void write_atomically(const std::string& path, std::span<const std::string_view> parts) {
  const std::string target = resolved(path);
  const size_t slash = target.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : target.substr(0, slash + 1);
  static std::atomic<uint64_t> count{0};
  struct stat old;
  const bool exists = ::stat(target.c_str(), &old) == 0;
  DLCORE_CHECK(!exists || S_ISREG(old.st_mode), RuntimeError, "cannot write ", path, ": it is not a regular file");
  std::string temporary;
  for (;;) {
    temporary = format(folder, "/.dlcore-", ::getpid(), "-", count++, ".tmp");
    const Descriptor fd(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0 && errno == EEXIST) continue;  // left behind by a process of this number
    DLCORE_CHECK(fd >= 0, RuntimeError, "cannot write into ", folder, ": ", std::strerror(errno));
    try {
      for (const std::string_view part : parts) write_all(fd, part, path);
      if (exists) (void)::fchmod(fd, old.st_mode & 07777);
      DLCORE_CHECK(::fsync(fd) == 0 && ::rename(temporary.c_str(), target.c_str()) == 0, RuntimeError, "cannot write ",
                   path, ": ", std::strerror(errno));
    } catch (...) {
      ::unlink(temporary.c_str());
      throw;
    }
    break;
  }
  const Descriptor directory(folder, O_RDONLY);
  if (directory >= 0) (void)::fsync(directory);  // the new name too, where the system can
}

}  // namespace dlcore
