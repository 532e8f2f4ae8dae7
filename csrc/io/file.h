#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/storage.h"
#include "dlcore/tensor.h"

namespace dlcore {

// A regular file in memory: mapped, or a copy of it. Writes to the memory stay with this process. A file that is mapped
// may be replaced meanwhile (renamed over), but a program that cuts it short takes the memory away: who touches it dies
// of SIGBUS. Unless it is said, small files are copied, for which that costs no more time than mapping.
class DLCORE_API FileMemory {
 public:
  explicit FileMemory(const std::string& path, std::optional<bool> mapped = {});
  explicit FileMemory(int descriptor, std::optional<bool> mapped = {});  // which stays the caller's
  ~FileMemory();
  FileMemory(const FileMemory&) = delete;
  FileMemory& operator=(const FileMemory&) = delete;

  char* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  void open(int descriptor, std::optional<bool> mapped);
  char* data_ = nullptr;
  int64_t size_ = 0;
};

// A tensor over the file's memory from `offset` on, which keeps it there; a copy where the elements are not aligned.
// The bytes must lie inside the file.
DLCORE_API Tensor tensor_in_file(std::shared_ptr<FileMemory> file, int64_t offset, IntSpan sizes, DType dtype);

// Writes the parts into a new file, brings it to the disk and gives it the name: whoever dies half-way leaves what had
// the name before.
DLCORE_API void write_atomically(const std::string& path, std::span<const std::string_view> parts);

}  // namespace dlcore
