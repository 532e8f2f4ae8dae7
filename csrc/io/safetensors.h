#pragma once
#include "dlcore/serialize.h"
#include "io/json.h"

// The file format, https://github.com/huggingface/safetensors#format: a length (8 bytes, little-endian), a JSON object
// of that length that gives each tensor's dtype, shape and place, and the tensors' bytes, without gaps.
namespace dlcore {

struct TensorPlace {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  int64_t begin, end;  // in the file
};

struct SafetensorsHeader {
  std::vector<TensorPlace> tensors;  // as the header lists them
  Metadata metadata;
};

// What the header of a file says, which is all `size` bytes of `data`; a ValueError where the file is not what the
// format asks for.
DLCORE_API SafetensorsHeader read_safetensors_header(const char* data, int64_t size);

}  // namespace dlcore
