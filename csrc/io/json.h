#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/check.h"

namespace dlcore {

// A JSON value. Objects keep the order of their members.
class Json {
 public:
  enum class Kind : uint8_t { Null, Bool, Integer, Real, String, Array, Object };
  using Members = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(bool b) : kind(Kind::Bool), integer(b) {}
  Json(int i) : Json(int64_t{i}) {}
  Json(int64_t i) : kind(Kind::Integer), integer(i) {}
  Json(double v) : kind(Kind::Real), real(v) {}
  Json(const char* s) : Json(std::string(s)) {}
  Json(std::string s) : kind(Kind::String), string(std::move(s)) {}
  Json(std::vector<Json> v) : kind(Kind::Array), items(std::move(v)) {}
  Json(Members v) : kind(Kind::Object), members(std::move(v)) {}
  static Json array(const std::vector<int64_t>& values) { return std::vector<Json>(values.begin(), values.end()); }

  Kind kind = Kind::Null;
  int64_t integer = 0;  // also a bool
  double real = 0;
  std::string string;
  std::vector<Json> items;
  Members members;

  bool is(Kind k) const { return kind == k; }
  const Json* find(std::string_view key) const;  // null where there is no such member
};

// One value and nothing behind it, as RFC 8259 has it: UTF-8, no duplicate keys, no lone surrogates. An integer that
// int64 does not hold becomes a real. Nesting deeper than `max_depth`, more than four million values and every other
// fault are a ValueError that says where.
DLCORE_API Json parse_json(std::string_view text, int max_depth = 64);

// The text of a value, without spaces; a real that is not finite is a ValueError.
DLCORE_API std::string to_text(const Json& value);

}  // namespace dlcore
