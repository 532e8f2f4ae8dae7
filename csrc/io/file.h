#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/storage.h"
#include "dlcore/tensor.h"

namespace dlcore {

// A regular file in memory. Writes to the memory stay with this process; the file may be replaced meanwhile (renamed
// over), but a program that cuts it short takes the memory away.
class DLCORE_API MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  explicit MappedFile(int descriptor);  // which stays the caller's
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  void map(int descriptor);
  char* data_ = nullptr;
  int64_t size_ = 0;
};

// A tensor over the file's memory from `offset` on, which keeps it there; a copy where the elements are not aligned.
// The bytes must lie inside the file.
DLCORE_API Tensor tensor_in_file(std::shared_ptr<MappedFile> file, int64_t offset, IntSpan sizes, DType dtype);

// Writes the parts into a new file, brings it to the disk and gives it the name: whoever dies half-way leaves what had
// the name before.
DLCORE_API void write_atomically(const std::string& path, std::span<const std::string_view> parts);

}  // namespace dlcore
