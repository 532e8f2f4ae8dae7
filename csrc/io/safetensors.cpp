#include "io/safetensors.h"

#include <algorithm>
#include <cstring>

#include "core/dims.h"
#include "dlcore/ops/shape.h"
#include "io/file.h"

namespace dlcore {
namespace {

constexpr int64_t kMaxHeader = 100'000'000;  // bytes; what the format's own reader allows
constexpr const char* kMetadata = "__metadata__";
constexpr const char* kCodes[kNumDTypes] = {"F32", "F64", "BF16", "F16", "I8", "I16", "I32", "I64", "U8", "BOOL"};

DType dtype_of_code(const std::string& tensor, const Json& code) {
  for (int i = 0; i < kNumDTypes; ++i)
    if (code.is(Json::Kind::String) && code.string == kCodes[i]) return static_cast<DType>(i);
  fail<ValueError>("tensor \"", tensor, "\" has the unknown dtype ", to_text(code));
}

std::vector<int64_t> sizes_of(const std::string& tensor, const char* what, const Json& v) {
  std::vector<int64_t> sizes;
  bool fine = v.is(Json::Kind::Array);
  for (const Json& item : v.items) {
    fine = fine && item.is(Json::Kind::Integer) && item.integer >= 0;
    sizes.push_back(item.integer);
  }
  DLCORE_CHECK(fine, ValueError, "tensor \"", tensor, "\" has the ", what, " ", to_text(v));
  return sizes;
}

TensorPlace place(const std::string& name, const Json& entry) {
  const Json *dtype = entry.find("dtype"), *shape = entry.find("shape"), *offsets = entry.find("data_offsets");
  DLCORE_CHECK(dtype && shape && offsets && entry.members.size() == 3, ValueError, "tensor \"", name,
               "\" must have dtype, shape and data_offsets, and nothing else");
  TensorPlace p{name, dtype_of_code(name, *dtype), sizes_of(name, "shape", *shape), 0, 0};
  const std::vector<int64_t> ends = sizes_of(name, "data_offsets", *offsets);
  DLCORE_CHECK(ends.size() == 2 && ends[0] <= ends[1], ValueError, "tensor \"", name, "\" has the data_offsets ",
               to_text(*offsets));
  DLCORE_CHECK(static_cast<int64_t>(p.shape.size()) <= kMaxDims, ValueError, "tensor \"", name, "\" has ",
               p.shape.size(), " dimensions; at most ", kMaxDims, " are possible");
  p.begin = ends[0];
  p.end = ends[1];
  int64_t bytes = item_size(p.dtype);
  bool fits = true;
  for (const int64_t n : p.shape) fits = fits && !__builtin_mul_overflow(bytes, std::max<int64_t>(n, 1), &bytes);
  DLCORE_CHECK(fits, ValueError, "tensor \"", name, "\" has the shape ", to_text(*shape), ", which is too large");
  if (std::find(p.shape.begin(), p.shape.end(), 0) != p.shape.end()) bytes = 0;
  DLCORE_CHECK(bytes == p.end - p.begin, ValueError, "tensor \"", name, "\" of shape ", to_text(*shape), " and dtype ",
               dtype->string, " takes ", bytes, " bytes, but its data_offsets say ", p.end - p.begin);
  return p;
}

Metadata metadata_of(const Json& v) {
  Metadata result;
  bool fine = v.is(Json::Kind::Object);
  for (const auto& [key, value] : v.members) {
    fine = fine && value.is(Json::Kind::String);
    result[key] = value.string;
  }
  DLCORE_CHECK(fine, ValueError, kMetadata, " must map strings to strings");
  return result;
}

// The tensors in the order of their bytes: those with large elements first, so that each begins at a multiple of its
// element's size.
std::vector<const TensorMap::value_type*> order_in_file(const TensorMap& tensors) {
  std::vector<const TensorMap::value_type*> order;
  for (const auto& entry : tensors) {
    DLCORE_CHECK(entry.second.defined(), ValueError, "save_safetensors: tensor \"", entry.first, "\" is undefined");
    DLCORE_CHECK(entry.first != kMetadata, ValueError, "save_safetensors: no tensor may have the name ", kMetadata);
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return item_size(a->second.dtype()) > item_size(b->second.dtype()); });
  return order;
}

std::string_view bytes_of(const Tensor& t) {
  const int64_t bytes = t.numel() * item_size(t.dtype());
  return {bytes ? static_cast<const char*>(t.raw_data()) : "", static_cast<size_t>(bytes)};
}

}  // namespace

SafetensorsHeader read_safetensors_header(const char* data, int64_t size) {
  DLCORE_CHECK(size >= 8, ValueError, "it has ", size, " bytes, and its first 8 must give the header's length");
  uint64_t length = 0;
  for (int i = 0; i < 8; ++i) length |= uint64_t{static_cast<unsigned char>(data[i])} << (8 * i);
  DLCORE_CHECK(length <= uint64_t{kMaxHeader}, ValueError, "the header's length is ", length, "; at most ", kMaxHeader,
               " is possible");
  DLCORE_CHECK(static_cast<int64_t>(length) <= size - 8, ValueError, "the header's length is ", length, ", but ",
               size - 8, " bytes follow");
  const std::string_view text(data + 8, static_cast<size_t>(length));
  DLCORE_CHECK(text.starts_with('{'), ValueError, "the header is not a JSON object");
  const Json object = parse_json(text);
  SafetensorsHeader header;
  for (const auto& [name, entry] : object.members)
    if (name == kMetadata)
      header.metadata = metadata_of(entry);
    else
      header.tensors.push_back(place(name, entry));

  std::vector<TensorPlace*> order;
  for (TensorPlace& p : header.tensors) order.push_back(&p);
  std::sort(order.begin(), order.end(),
            [](auto* a, auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  const int64_t start = 8 + static_cast<int64_t>(length);
  int64_t end = 0;
  for (TensorPlace* p : order) {
    DLCORE_CHECK(p->begin == end, ValueError, "tensor \"", p->name, "\" begins at ", p->begin,
                 ", but the one before ends at ", end);
    end = p->end;
  }
  DLCORE_CHECK(end == size - start, ValueError, "the tensors take ", end, " bytes, but ", size - start,
               " follow the header");
  for (TensorPlace* p : order) {
    p->begin += start;
    p->end += start;
    const char *first = data + p->begin, *last = data + p->end;
    DLCORE_CHECK(p->dtype != DType::Bool || std::all_of(first, last, [](char c) { return c == 0 || c == 1; }),
                 ValueError, "tensor \"", p->name, "\" is of dtype BOOL and has other bytes than 0 and 1");
  }
  return header;
}

namespace {

TensorMap load_file(const std::string& path, Metadata* metadata, std::optional<bool> mmap) {
  const auto file = std::make_shared<FileMemory>(path, mmap);
  SafetensorsHeader header = read_safetensors_header(file->data(), file->size());
  TensorMap tensors;
  for (const TensorPlace& p : header.tensors) tensors[p.name] = tensor_in_file(file, p.begin, p.shape, p.dtype);
  if (metadata) *metadata = std::move(header.metadata);
  return tensors;
}

// {"weight_map": {name of a tensor: name of its file, beside the index}, ...}
TensorMap load_index(const std::string& path, std::optional<bool> mmap) {
  const FileMemory file(path, false);
  DLCORE_CHECK(file.size() <= kMaxHeader, ValueError, "an index has at most ", kMaxHeader, " bytes");
  const Json index = parse_json({file.data(), static_cast<size_t>(file.size())});
  const Json* map = index.find("weight_map");
  DLCORE_CHECK(map && map->is(Json::Kind::Object), ValueError, "it must have a weight_map");
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  std::map<std::string, TensorMap> files;
  TensorMap tensors;
  for (const auto& [name, place] : map->members) {
    const std::string& shard = place.string;
    DLCORE_CHECK(!shard.empty() && shard != ".." && shard.find_first_of(std::string_view("/\0", 2)) == shard.npos,
                 ValueError, "the file of tensor \"", name, "\" must be one beside the index, but is ", to_text(place));
    if (!files.contains(shard)) files[shard] = load_file(folder + shard, nullptr, mmap);
    const auto found = files[shard].find(name);
    DLCORE_CHECK(found != files[shard].end(), ValueError, "tensor \"", name, "\" is not in ", shard);
    tensors.insert(*found);
  }
  return tensors;
}

}  // namespace

TensorMap load_safetensors(const std::string& path, Metadata* metadata, std::optional<bool> mmap) {
  try {
    if (!path.ends_with(".index.json")) return load_file(path, metadata, mmap);
    if (metadata) metadata->clear();
    return load_index(path, mmap);
  } catch (const ValueError& e) {
    fail<ValueError>("load_safetensors: ", path, " is not a complete safetensors file: ", e.what());
  }
}

void save_safetensors(const std::string& path, const TensorMap& tensors, const Metadata& metadata) {
  Json header{Json::Members{}};
  if (!metadata.empty()) {
    Json strings{Json::Members{}};
    for (const auto& [key, value] : metadata) strings.members.emplace_back(key, value);
    header.members.emplace_back(kMetadata, std::move(strings));
  }
  int64_t end = 0;
  TensorList kept;  // what is written, until it is
  std::vector<std::string_view> parts(2);
  for (const auto* entry : order_in_file(tensors)) {
    const Tensor t = contiguous(entry->second.detach());
    const int64_t begin = std::exchange(end, end + t.numel() * item_size(t.dtype()));
    header.members.emplace_back(entry->first, Json::Members{{"dtype", kCodes[static_cast<int>(t.dtype())]},
                                                            {"shape", Json::array(t.sizes().vec())},
                                                            {"data_offsets", Json::array({begin, end})}});
    kept.push_back(t);
    parts.push_back(bytes_of(t));
  }
  std::string text = to_text(header), length(8, '\0');
  text.append((8 - text.size() % 8) % 8, ' ');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  parts[0] = length;
  parts[1] = text;
  (void)parse_json(text);  // names that are not UTF-8 would make a file that nobody reads
  DLCORE_CHECK(static_cast<int64_t>(text.size()) <= kMaxHeader, ValueError,
               "save_safetensors: the names and shapes take more than ", kMaxHeader, " bytes");
  write_atomically(path, parts);
}

}  // namespace dlcore
