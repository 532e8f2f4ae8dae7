#pragma once
#include <map>
#include <optional>
#include <string>

#include "dlcore/tensor.h"

// Tensors in safetensors files, which Python's dlcore.load, dlcore.save and other programs read and write too.
namespace dlcore {

using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// The tensors of a file, by name. Writing to them doesn't change the file.
//
// mmap: nothing is copied; they lie in the file's mapping into memory, which lives as long as one of them, and are read
// from the disk when they are first touched. Such a file may be replaced while it is in use (as save_safetensors does)
// or removed; whoever cuts it short, or writes into it, takes the memory away, and the system then ends the process
// that touches it. false: they are read, and don't depend on the file any more. Unless given: files of 16 MiB and more
// are mapped.
//
// The header is checked against the format and the file's size before anything is made: a ValueError says what is wrong
// in a file that is cut short, damaged or none; a RuntimeError that it can't be opened. `metadata` gets the strings
// that the header holds under "__metadata__".
//
// A path that ends in ".index.json" stands for the files that this index of a sharded checkpoint leads to
// (docs/files.md); there are no strings then.
DLCORE_API TensorMap load_safetensors(const std::string& path, Metadata* metadata = nullptr,
                                      std::optional<bool> mmap = {});

// Writes the tensors, and the strings of `metadata`, into a file. It gets its name when it is complete and on the disk:
// a process that dies half-way leaves the file that was there before.
DLCORE_API void save_safetensors(const std::string& path, const TensorMap& tensors, const Metadata& metadata = {});

}  // namespace dlcore
