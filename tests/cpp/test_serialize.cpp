// Files: the JSON reader, the safetensors parser and what they do with wrong input; writing that leaves the old file.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "dlcore/dlcore.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace dlcore {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = fs::temp_directory_path() / "dlcore-XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return path / name; }
  fs::path path;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

// ---- JSON

TEST(Json, ReadsAndWrites) {
  for (const char* text : {"null", "true", "[]", "{}", "-0", "[1,-2,3.5,1e+300]", R"({"a":[{"b":""}],"c":"\"\\/"})",
                           "9223372036854775807", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""})
    EXPECT_NO_THROW(parse_json(to_text(parse_json(text)))) << text;
  EXPECT_EQ(to_text(parse_json(" { \"a\" : [ 1 , 2.5 ] , \"b\" : false }\n")), R"({"a":[1,2.5],"b":false})");
  EXPECT_EQ(parse_json(R"("\u00e9\ud83d\ude00\n\t\/")").string, "\xC3\xA9\xF0\x9F\x98\x80\n\t/");
  EXPECT_EQ(to_text(Json("a\"\\\n\x01")), R"("a\"\\\u000a\u0001")");
  EXPECT_TRUE(parse_json("9223372036854775808").is(Json::Kind::Real));
  EXPECT_EQ(parse_json("-9223372036854775808").integer, INT64_MIN);
}

TEST(Json, RefusesWhatIsNone) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "True",
                           "NaN",
                           "Infinity",
                           "+1",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "1e400",
                           "0x1",
                           "[1,]",
                           "[1 2]",
                           "[,1]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\":1,\"a\":2}",
                           "{\"a\":1,\"\\u0061\":2}",
                           "[",
                           "{",
                           "\"",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\n\"",
                           "1 1",
                           "{}{}",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"",
                           "\xef\xbb\xbf{}",
                           "// 1\n1",
                           "'a'"})
    EXPECT_THROW(parse_json(text), ValueError) << text;
  EXPECT_THROW(parse_json(std::string_view("\"\0\"", 3)), ValueError);
  EXPECT_THROW(parse_json(std::string_view("1\0", 2)), ValueError);
  EXPECT_THROW(to_text(Json(1.0 / 0.0)), ValueError);
}

TEST(Json, NestsAsDeepAsItSays) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(64)));
  EXPECT_THROW(parse_json(nested(65)), ValueError);
  EXPECT_THROW(parse_json(std::string(10'000'000, '[')), ValueError);
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_THROW(parse_json(objects), ValueError);
  EXPECT_NO_THROW(parse_json("[" + nested(63) + "," + nested(63) + "]"));  // depth, not their number
}

TEST(Json, HoldsAsManyValuesAsItSays) {
  std::string text = "[";  // the array is a value, too
  for (int i = 1; i < 1 << 22; ++i) text += i > 1 ? ",1" : "1";
  EXPECT_EQ(parse_json(text + "]").items.size(), (1u << 22) - 1);
  EXPECT_THROW(parse_json(text + ",1]"), ValueError);
}

// ---- safetensors

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

SafetensorsHeader parse(const std::string& content) {
  const std::vector<char> exact(content.begin(), content.end());  // ASan sees a read beyond
  return read_safetensors_header(exact.data(), static_cast<int64_t>(exact.size()));
}

TensorMap examples() {
  TensorMap tensors;
  for (int t = 0; t < kNumDTypes; ++t) {
    const auto dtype = static_cast<DType>(t);
    tensors[std::string("a ") + name(dtype)] = to_dtype(arange(0, 6), dtype);
    tensors[std::string("b ") + name(dtype)] = zeros({0, 3}, dtype);
    tensors[std::string("c ") + name(dtype)] = ones({}, dtype);
  }
  tensors["transposed"] = transpose(reshape(arange(0, 6), {2, 3}), 0, 1);
  tensors["na\xC3\xAFve \"\\\n"] = reshape(linspace(-1, 1, 24), {2, 3, 4}).set_requires_grad(true);
  return tensors;
}

void expect_same(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, t] : a) {
    const Tensor& u = b.at(name);
    EXPECT_EQ(t.dtype(), u.dtype()) << name;
    ASSERT_TRUE(t.sizes() == u.sizes()) << name;
    EXPECT_TRUE(all(eq(t, u)).item().to_bool()) << name;
  }
}

TEST(Safetensors, RoundTrip) {
  const Folder folder;
  const std::string path = folder / "a";
  const Metadata strings = {{"format", "x"}, {"note", "\xE2\x82\xAC"}};
  save_safetensors(path, examples(), strings);
  Metadata got;
  expect_same(examples(), load_safetensors(path, &got));
  EXPECT_EQ(got, strings);
  save_safetensors(path, {});
  EXPECT_TRUE(load_safetensors(path, &got).empty());
  EXPECT_TRUE(got.empty());
}

TEST(Safetensors, TensorsLieInTheFileUntilTheyAreWritten) {
  const Folder folder;
  const std::string path = folder / "a";
  save_safetensors(path, {{"x", ones({4})}, {"y", zeros({4})}});
  const std::string before = content_of(path);
  TensorMap tensors = load_safetensors(path, nullptr, /*mmap=*/true);
  const uint64_t offset =
      reinterpret_cast<uintptr_t>(tensors["y"].raw_data()) - reinterpret_cast<uintptr_t>(tensors["x"].raw_data());
  EXPECT_EQ(offset, 16u);  // one mapping, not two copies
  const Tensor x = tensors["x"];
  tensors.clear();
  mul_(x, number(3));
  EXPECT_EQ(sum(x).item().to_double(), 12);
  EXPECT_EQ(content_of(path), before);
  save_safetensors(path, {{"x", x}});  // over the file that x lies in
  EXPECT_EQ(sum(load_safetensors(path)["x"]).item().to_double(), 12);
  EXPECT_EQ(sum(x).item().to_double(), 12);
}

TEST(Safetensors, WhatIsReadDoesNotDependOnTheFile) {
  const Folder folder;
  const std::string path = folder / "a";
  const auto mapped = [&] {
    std::ifstream maps("/proc/self/maps");
    return std::string(std::istreambuf_iterator<char>(maps), {}).find(path) != std::string::npos;
  };
  for (const int64_t size : {8, 16 << 20}) {  // bytes; the file is a little larger
    save_safetensors(path, {{"x", ones({size / 4})}});
    for (const std::optional<bool> mmap : {std::optional<bool>(), std::optional(false), std::optional(true)}) {
      const TensorMap tensors = load_safetensors(path, nullptr, mmap);
      if (fs::exists("/proc/self/maps")) {
        EXPECT_EQ(mapped(), mmap.value_or(size > 8)) << size;
      }
    }
    TensorMap tensors = load_safetensors(path, nullptr, false);
    fs::resize_file(path, 0);
    EXPECT_EQ(sum(tensors["x"]).item().to_double(), static_cast<double>(size / 4));
  }
  save_safetensors(folder / "1", {{"x", ones({4})}});
  write(folder / "a.index.json", R"({"weight_map":{"x":"1"}})");
  const TensorMap sharded = load_safetensors(folder / "a.index.json");
  write(folder / "1", "");
  EXPECT_EQ(sum(sharded.at("x")).item().to_double(), 4);
}

TEST(Safetensors, UnalignedTensorsAreCopied) {
  const Folder folder;
  const std::string path = folder / "a";
  std::string data(5, '\1');
  const float value = 2.5f;
  std::memcpy(data.data() + 1, &value, 4);
  write(path, file_of(R"({"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]},)"
                      R"("f":{"dtype":"F32","shape":[],"data_offsets":[1,5]}})",
                      data));
  EXPECT_EQ(load_safetensors(path)["f"].item().to_double(), 2.5);
}

TEST(Safetensors, NamesWhatIsWrong) {
  const auto entry = [](const std::string& name, const std::string& shape, const std::string& offsets,
                        const std::string& dtype = "\"F32\"") {
    return "\"" + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  std::string many;
  for (int i = 0; i < 64; ++i) many += ",1";
  const std::string eight(8, '\0'), good = entry("a", "[2]", "[0,8]");
  EXPECT_NO_THROW(parse(file_of("{" + good + "}  ", eight)));
  const std::pair<std::string, const char*> wrong[] = {
      {"", "it has 0 bytes"},
      {"1234567", "it has 7 bytes"},
      {std::string(8, '\0'), "not a JSON object"},
      {std::string(8, '\xff') + "{}", "header's length is 18446744073709551615"},
      {std::string("\0\0\0\0\0\0\0\x80", 8) + "{}", "header's length"},
      {file_of("[]"), "not a JSON object"},
      {file_of(" {}"), "not a JSON object"},
      {file_of("{} x"), "JSON: more text"},
      {file_of("{" + good + "," + good + "}", eight), "key \"a\" twice"},
      {file_of("{" + good + "}", eight.substr(1)), "take 8 bytes, but 7 follow"},
      {file_of("{" + good + "}", eight + "x"), "take 8 bytes, but 9 follow"},
      {file_of("{\"a\":[]}"), "must have dtype, shape and data_offsets"},
      {file_of(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})"), "and nothing else"},
      {file_of("{" + entry("a", "[2]", "[0,8]", "\"F8_E4M3\"") + "}", eight), "unknown dtype \"F8_E4M3\""},
      {file_of("{" + entry("a", "[2]", "[0,8]", "1") + "}", eight), "unknown dtype 1"},
      {file_of("{" + entry("a", "[-2]", "[0,8]") + "}", eight), "has the shape [-2]"},
      {file_of("{" + entry("a", "[2.0]", "[0,8]") + "}", eight), "has the shape"},
      {file_of("{" + entry("a", "[true]", "[0,4]") + "}", eight.substr(4)), "has the shape"},
      {file_of("{" + entry("a", "2", "[0,8]") + "}", eight), "has the shape"},
      {file_of("{" + entry("a", "[9223372036854775808]", "[0,8]") + "}", eight), "has the shape"},
      {file_of("{" + entry("a", "[4294967296,4294967296]", "[0,0]") + "}"), "too large"},
      {file_of("{" + entry("a", "[4611686018427387904,0]", "[0,0]") + "}"), "too large"},
      {file_of("{" + entry("a", "[3]", "[0,8]") + "}", eight), "takes 12 bytes, but its data_offsets say 8"},
      {file_of("{" + entry("a", "[2]", "[8,0]") + "}", eight), "has the data_offsets"},
      {file_of("{" + entry("a", "[2]", "[0,8,8]") + "}", eight), "has the data_offsets"},
      {file_of("{" + entry("a", "[2]", "[4,12]") + "}", eight + eight), "begins at 4, but the one before ends at 0"},
      {file_of("{" + good + "," + entry("b", "[2]", "[4,12]") + "}", eight + eight), "begins at 4"},
      {file_of("{" + good + "," + entry("b", "[2]", "[0,8]") + "}", eight), "begins at 0"},
      {file_of("{" + entry("a", "[2]", "[0,2]", "\"BOOL\"") + "}", "\1\2"), "other bytes than 0 and 1"},
      {file_of(R"({"__metadata__":{"a":1}})"), "must map strings to strings"},
      {file_of(R"({"__metadata__":[]})"), "must map strings to strings"},
      {file_of("{" + entry("a", "[1" + many + "]", "[0,4]") + "}", eight.substr(4)), "65 dimensions; at most 64"},
  };
  for (const auto& [content, message] : wrong)
    EXPECT_NE(message_of([&] { parse(content); }).find(message), std::string::npos)
        << message << " / " << message_of([&] { parse(content); });
  const Folder folder;
  write(folder / "cut", file_of("{" + good + "}", "1"));
  EXPECT_NE(message_of([&] { load_safetensors(folder / "cut"); }).find("cut is not a complete safetensors file: "),
            std::string::npos);
  // A header may have 100 MB; the file is mostly a hole.
  write(folder / "long", std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10));
  fs::resize_file(folder / "long", 200'000'000);
  EXPECT_NE(
      message_of([&] { load_safetensors(folder / "long"); }).find("header's length is 100000001; at most 100000000"),
      std::string::npos);
  write(folder / "empty", "");
  EXPECT_THROW(load_safetensors(folder / "empty"), ValueError);
  EXPECT_THROW(load_safetensors(folder / "nothing"), RuntimeError);
  EXPECT_THROW(load_safetensors(folder.path), RuntimeError);
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(load_safetensors(folder / "pipe"), RuntimeError);  // and doesn't wait for a writer
}

TEST(Safetensors, AnIndexLeadsToShards) {
  const Folder folder;
  const std::string index = folder / "model.safetensors.index.json";
  save_safetensors(folder / "1", {{"a", ones({2})}, {"b", zeros({2})}});
  save_safetensors(folder / "2", {{"c", ones({3})}});
  const auto load = [&](const std::string& text) {
    write(index, text);
    return load_safetensors(index);
  };
  TensorMap tensors = load(R"({"metadata":{"total_size":28},"weight_map":{"c":"2","a":"1","b":"1"}})");
  EXPECT_EQ(tensors.size(), 3u);
  EXPECT_EQ(sum(tensors["c"]).item().to_double(), 3);
  for (const auto& [text, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "JSON"},
           {"[]", "must have a weight_map"},
           {R"({"weight_map":[]})", "must have a weight_map"},
           {R"({"weight_map":{"a":1}})", "must be one beside the index, but is 1"},
           {R"({"weight_map":{"a":"../1"}})", "must be one beside the index"},
           {R"({"weight_map":{"a":".."}})", "must be one beside the index"},
           {R"({"weight_map":{"a":"1\u0000"}})", "must be one beside the index"},
           {R"({"weight_map":{"a":"2"}})", "tensor \"a\" is not in 2"},
           {R"({"weight_map":{"a":"model.safetensors.index.json"}})", "not a complete safetensors file"}})
    EXPECT_NE(message_of([&] { load(text); }).find(message), std::string::npos) << message_of([&] { load(text); });
  EXPECT_THROW(load(R"({"weight_map":{"a":"3"}})"), RuntimeError);
}

// Any change of bytes is read, or is a ValueError.
TEST(Safetensors, BrokenBytes) {
  const Folder folder;
  save_safetensors(folder / "a", examples(), {{"format", "x"}});
  const std::string whole = content_of(folder / "a");
  const size_t header = 8 + static_cast<unsigned char>(whole[0]) + 256 * static_cast<unsigned char>(whole[1]);
  std::mt19937 random(0);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  const std::string text = "0123456789[]{}\",:.-eE\\u ";
  int read = 0, refused = 0;
  for (int i = 0; i < 8000; ++i) {
    std::string broken = whole;
    for (size_t edits = 1 + below(4); edits > 0 && !broken.empty(); --edits) {
      const size_t at = below(below(10) ? std::min(header, broken.size()) : broken.size());
      switch (below(5)) {
        case 0:
          broken[at] = text[below(text.size())];
          break;
        case 1:
          broken[at] = static_cast<char>(below(256));
          break;
        case 2:
          broken.erase(at, 1 + below(8));
          break;
        case 3:
          broken.insert(at, broken.substr(at, 1 + below(30)));
          break;
        default:
          broken.resize(at);
      }
    }
    const size_t brace = broken.rfind('}');
    if (below(10) < 7 && brace != std::string::npos && brace >= 8)  // a length that fits, so that the header is read
      for (size_t b = 0; b < 8; ++b) broken[b] = static_cast<char>((brace - 7) >> (8 * b));
    try {
      parse(broken);
      ++read;
    } catch (const ValueError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 4000);
  EXPECT_GT(read, 0);
}

TEST(Safetensors, AFailedWriteLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder / "a";
  save_safetensors(path, {{"x", ones({4})}});
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_THROW(save_safetensors(path, {{"x", Tensor()}}), ValueError);
  EXPECT_THROW(save_safetensors(path, {{"__metadata__", ones({4})}}), ValueError);
  EXPECT_THROW(save_safetensors(path, {{"\xff", ones({4})}}), ValueError);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{}, tight{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  tight = {10'000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);  // as a full disk
  EXPECT_THROW(save_safetensors(path, {{"x", zeros({100'000})}}), RuntimeError);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, ignored);
  EXPECT_EQ(sum(load_safetensors(path)["x"]).item().to_double(), 4);
  save_safetensors(path, {{"x", zeros({4})}});
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  fs::create_symlink(path, folder / "link");
  save_safetensors(folder / "link", {{"x", ones({2})}});
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(load_safetensors(path)["x"].numel(), 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), {}), 2);  // nothing temporary is left
  EXPECT_THROW(save_safetensors(folder / "missing/a", {}), RuntimeError);
  EXPECT_THROW(save_safetensors(folder.path, {}), RuntimeError);
}

// Killed at 200 moments while it saves one checkpoint after another, a process leaves the last or the next.
TEST(Safetensors, AKilledProcessLosesNothing) {
  const Folder folder;
  const std::string path = folder / "checkpoint";
  const auto save = [&](int64_t step) {
    save_safetensors(path, {{"a", full({3000}, step)}, {"b", full({500}, static_cast<double>(step))}},
                     {{"step", std::to_string(step)}});
  };
  save(0);
  std::mt19937 random(0);
  int64_t done = 0;
  int rounds_that_saved = 0;
  for (int round = 0; round < 200; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      for (int64_t step = done + 1;; ++step) {
        save(step);
        if (::write(ends[1], &step, sizeof step) != sizeof step) ::_exit(1);
      }
    }
    ::close(ends[1]);
    ::usleep(std::uniform_int_distribution<useconds_t>(0, 10'000)(random));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    int64_t confirmed = done, said = 0;
    while (::read(ends[0], &said, sizeof said) == sizeof said) confirmed = said;
    ::close(ends[0]);
    Metadata metadata;
    const TensorMap state = load_safetensors(path, &metadata);
    const int64_t step = std::stoll(metadata["step"]);
    EXPECT_TRUE(confirmed <= step && step <= confirmed + 1) << confirmed << " " << step;
    EXPECT_TRUE(all(eq(state.at("a"), number(step))).item().to_bool());
    EXPECT_TRUE(all(eq(state.at("b"), number(step))).item().to_bool());
    rounds_that_saved += step > done;
    done = step;
  }
  EXPECT_GE(rounds_that_saved, 5);                                       // the kills came while it was at work
  EXPECT_GT(std::distance(fs::directory_iterator(folder.path), {}), 1);  // and in the middle of a file
}

}  // namespace
}  // namespace dlcore
